"""How long the model's parts take here, and on how many threads they run best."""

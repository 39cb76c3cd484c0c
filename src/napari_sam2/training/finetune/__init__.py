"""Teaching: fine-tune a copy of a model on a user's corrected labels."""

"""How fast a model works on this machine and how much memory that takes, measured."""

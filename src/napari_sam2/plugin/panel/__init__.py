"""Panel."""

"""The weights: which there are, where they come from, and how a file becomes a model."""

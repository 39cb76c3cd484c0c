"""Layers of objects that were found."""

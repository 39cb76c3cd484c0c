"""Stacks of images: reading single frames, choosing a part, geometry in the world and contrast."""

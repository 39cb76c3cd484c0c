"""Kinds of scenes: cells, slices, endoscope, clutter."""

"""Weights: catalogue, download, presets, and loading files as models."""

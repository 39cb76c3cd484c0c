"""Measure models on labelled sequences."""

"""Tracks, families and measurements of objects, for other programs."""

"""Tracks of other programs, as prompts and as a lineage."""

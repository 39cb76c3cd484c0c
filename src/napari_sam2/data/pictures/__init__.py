"""Overlay pictures, score charts and video files."""

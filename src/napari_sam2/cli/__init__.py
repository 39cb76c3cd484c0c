"""The command line ``napari-sam2``: tracking, batches, export, training and more, without Python or a window."""

from .entry import main

__all__ = ["main"]

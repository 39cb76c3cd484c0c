"""The command line: everything the engine does, without Python and without a window."""

from .entry import main

__all__ = ["main"]

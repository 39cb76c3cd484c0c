"""Tracking of objects from frame to frame: memories, crops that follow an object, order of frames."""

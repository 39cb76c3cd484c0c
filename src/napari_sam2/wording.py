"""Words that go with numbers."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, noun: str) -> str:
    """Write a number of things: "1 frame", "2 frames"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def out_of_date(frames: int) -> str:
    """Say that frames await an update: "19 frames out of date"."""
    return f"{counted(frames, 'frame')} out of date"


def named_objects(object_ids: Sequence[int]) -> str:
    """Name one object, count several: "object 3", "2 objects"."""
    return f"object {object_ids[0]}" if len(object_ids) == 1 else counted(len(object_ids), "object")

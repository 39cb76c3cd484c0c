"""A row of the table of objects."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ObjectRow:
    """What the table shows of an object."""

    # Its label.
    object_id: int
    # Given by the user.
    name: str
    # Numbers of frames with a prompt, and of frames where it is seen.
    prompts: int = 0
    seen: int = 0
    # Lowest object score.
    lowest: float | None = None
    # Whether it is drawn.
    shown: bool = True
    # Red, green, blue, 0 to 255.
    colour: tuple[int, int, int] = (200, 200, 200)
    # What kind of object it is; empty where nobody said.
    class_name: str = ""

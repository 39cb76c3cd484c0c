"""An object as the table of objects shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ObjectRow:
    """What the table shows of an object.

    Attributes
    ----------
    object_id : int
        Its label.
    name : str
        Given by the user.
    prompts, seen : int
        Numbers of frames.
    lowest : float or None
        Lowest object score.
    shown : bool
        Whether it is drawn.
    colour : tuple of int
        Red, green, blue, 0 to 255.
    """

    object_id: int
    name: str
    prompts: int = 0
    seen: int = 0
    lowest: float | None = None
    shown: bool = True
    colour: tuple[int, int, int] = (200, 200, 200)

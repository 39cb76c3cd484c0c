"""The axes of an image: name, number of entries, scale, translation and unit."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .calibration import Size, unit_name
from .frame_index import whole_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction


@dataclass(frozen=True)
class Axis:
    """An axis of an image."""

    # ``"t"``, ``"z"``, ``"c"`` (channels), ``"y"``, ``"x"``, or ``"n"`` for frames of no given kind.
    name: str
    # How many places it has.
    size: int
    # From one place to the next in `unit`; None where not known, which counts as 1.
    scale: float | None = None
    # Where the first place lies, in `unit`.
    translation: float = 0.0
    # Its one name, as `unit_name` gives it.
    unit: str | None = None

    def __post_init__(self) -> None:
        # A size of 0 is left to `Stack`, which has the better message for it.
        if self.size < 0:
            raise ValueError(f"the axis {self.name} cannot have {self.size} places")
        if not (math.isfinite(self.scale or 1) and self.scale != 0 and math.isfinite(self.translation)):
            raise ValueError(f"the axis {self.name} cannot have the scale {self.scale} at {self.translation}")
        # The class is frozen; the unit is brought into its one spelling all the same.
        object.__setattr__(self, "unit", unit_name(self.unit))

    def taken(self, start: int, size: int, stride: Fraction | int = 1) -> Axis:
        """Return the axis of `size` places from `start` on, `stride` apart."""
        # An uncalibrated axis counts its places, so that a part of it still lies where it was cut out.
        step = self.scale or 1.0
        # Unknown stays unknown, unless a stride makes the distance between places a different one.
        scale = self.scale if stride == 1 else step * float(stride)
        return replace(self, size=size, scale=scale, translation=self.translation + start * step)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Axis:
        """Read an axis from the fields of a JSON object; ``ValueError`` if one is damaged."""
        scale, unit = values.get("scale"), values.get("unit")
        size = whole_number(values["size"], "the size of an axis")
        translation = float(values.get("translation", 0.0))
        return cls(str(values["name"]), size, None if scale is None else float(scale), translation, unit and str(unit))


# What people and programs call the axes before Y and X.
_KINDS = {
    "t": ("t", "time", "timepoint", "frame"),
    "z": ("z", "depth", "plane", "slice", "section"),
    "c": ("c", "ch", "channel"),
}


def axis_kind(label: str) -> str | None:
    """What an axis of a name is: ``"t"``, ``"z"``, ``"c"``; None where the name does not say."""
    word = re.split(r"[^a-z]", label.strip().lower(), maxsplit=1)[0].removesuffix("s")
    return next((kind for kind, words in _KINDS.items() if word in words), None)


def measured_axes(names: Sequence[str], shape: Sequence[int], sizes: Mapping[str, Size]) -> tuple[Axis, ...]:
    """Name and measure axes: height and depth in the unit of the width where they convert, times in seconds."""
    # A scale of zero, NaN or infinity is how programs write "not calibrated".
    known = {name: size for name, size in sizes.items() if math.isfinite(size.scale) and size.scale}
    # Lengths are shown in one unit: that of the width.
    unit = unit_name(known["x"].unit) if {"x", "y"} <= {*known} else None
    axes = []
    for name, length in zip(names, shape, strict=False):
        size = known.get(name)
        # Only one side of a pixel measured would make a wrong aspect ratio: then neither counts.
        if size is None or (name in "yx" and not {"x", "y"} <= {*known}):
            axes.append(Axis(name, length))
        else:
            scale, own_unit, translation = size.converted(unit)
            axes.append(Axis(name, length, scale, translation, unit if name == "y" else own_unit))
    return tuple(axes)

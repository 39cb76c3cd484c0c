"""Pixel sizes, distances between frames and their units, with conversion between units."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

# One name per unit, whichever way a program spells it.
_UNIT_NAMES = {
    "um": "um",
    "µm": "um",
    "μm": "um",
    "micron": "um",
    "microns": "um",
    "micrometer": "um",
    "micrometre": "um",
    "nanometer": "nm",
    "nanometre": "nm",
    "millimeter": "mm",
    "millimetre": "mm",
    "centimeter": "cm",
    "centimetre": "cm",
    "meter": "m",
    "metre": "m",
    "in": "inch",
    "å": "angstrom",
    "sec": "s",
    "second": "s",
    "seconds": "s",
    "msec": "ms",
    "millisecond": "ms",
    "microsecond": "us",
    "usec": "us",
    "minute": "min",
    "minutes": "min",
    "hour": "h",
    "hours": "h",
}
# Files whose unit is one of these were never calibrated.
_NO_UNIT = {"", "pixel", "pixels", "px", "reference frame"}
# Length of each unit in micrometres, and duration of each in seconds: the factors of all conversions.
_MICROMETRES = {"angstrom": 1e-4, "nm": 1e-3, "um": 1.0, "mm": 1e3, "cm": 1e4, "inch": 25400.0, "m": 1e6}
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Calibration:
    """Sizes of a pixel and of a step from one frame to the next."""

    # Height and width of a pixel (y, x) in `unit`.
    pixel_size: tuple[float, float] | None = None
    # Distance between two planes (z) or two time points (t) in `step_unit`.
    step: float | None = None
    # Unit names; the usual spellings of micrometres and seconds become ``"um"`` and ``"s"``.
    unit: str | None = None
    step_unit: str | None = None

    def __post_init__(self) -> None:
        # Every number that is given is checked; those that are None are unknown and allowed.
        sizes = (*(self.pixel_size or ()), *(() if self.step is None else (self.step,)))
        for size in sizes:
            if not (math.isfinite(size) and size > 0):
                raise ValueError(f"a pixel size or step must be a positive number, not {size}")
        object.__setattr__(self, "unit", unit_name(self.unit))
        object.__setattr__(self, "step_unit", unit_name(self.step_unit))


class Size(NamedTuple):
    """What a file records of one axis: distance between neighbours, its unit, and the position of the first entry."""

    scale: float
    unit: str | None = None
    translation: float = 0.0

    def converted(self, wanted: str | None) -> Size:
        """Convert to another unit of the same kind, else leave as it is; times always become seconds."""
        unit = unit_name(self.unit)
        if is_time(unit):
            wanted = "s"
        # A unit of another kind (a time where a length is wanted) is no error: it is passed on unchanged.
        name = wanted if same_kind(unit, wanted) else unit
        return Size(_converted(self.scale, unit, wanted), name, _converted(self.translation, unit, wanted))


def unit_name(text: str | None) -> str | None:
    """Return the one spelling of a unit used here, such as ``"um"`` for micrometres; None for no unit or pixels."""
    if text is None:
        return None
    # ImageJ stores the letter mu as the six characters \u00B5.
    plain = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), text).strip()
    if plain.lower() in _NO_UNIT:
        return None
    return _UNIT_NAMES.get(plain.lower(), plain)


def in_millimetres(size: float, unit: str | None) -> float:
    """Convert a length to millimetres; one in no known unit is left as it is."""
    return _converted(size, unit, "mm")


def in_seconds(time: float, unit: str | None) -> float:
    """Convert a time to seconds; one in no known unit is left as it is."""
    return _converted(time, unit, "s")


def is_time(unit: str | None) -> bool:
    """Whether a unit is one of time."""
    return unit in _SECONDS


def same_kind(one: str | None, other: str | None) -> bool:
    """Whether two units are both lengths or both times, and known."""
    return any(one in table and other in table for table in (_MICROMETRES, _SECONDS))


def _converted(value: float, unit: str | None, wanted: str | None) -> float:
    if unit == wanted:
        return value
    # Through the common unit of the kind; values in unknown units cannot be converted and stay as they are.
    for table in (_MICROMETRES, _SECONDS):
        if unit in table and wanted in table:
            return value * table[unit] / table[wanted]
    return value

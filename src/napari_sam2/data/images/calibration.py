"""What a pixel and a step along the stack measure, as files say it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tifffile import TiffFile

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
_MICROMETRES = {"angstrom": 1e-4, "nm": 1e-3, "um": 1.0, "mm": 1e3, "cm": 1e4, "inch": 25400.0, "m": 1e6}
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Calibration:
    """Sizes of a pixel and of a step from one frame to the next.

    Attributes
    ----------
    pixel_size : tuple of float or None
        Height and width of a pixel (y, x) in `unit`.
    step : float or None
        Distance between two planes (z) or two time points (t) in `step_unit`.
    unit, step_unit : str or None
        Unit names; the usual spellings of micrometres and seconds become ``"um"`` and ``"s"``.

    Raises
    ------
    ValueError
        If a size is not a positive, finite number.
    """

    pixel_size: tuple[float, float] | None = None
    step: float | None = None
    unit: str | None = None
    step_unit: str | None = None

    def __post_init__(self) -> None:
        sizes = (*(self.pixel_size or ()), *(() if self.step is None else (self.step,)))
        for size in sizes:
            if not (math.isfinite(size) and size > 0):
                raise ValueError(f"a pixel size or step must be a positive number, not {size}")
        object.__setattr__(self, "unit", unit_name(self.unit))
        object.__setattr__(self, "step_unit", unit_name(self.step_unit))

    def scaled(self, factors: tuple[float, float]) -> Calibration:
        """Give the calibration of an image whose pixels are this many times as high and as wide."""
        if self.pixel_size is None:
            return self
        return replace(self, pixel_size=(self.pixel_size[0] * factors[0], self.pixel_size[1] * factors[1]))

    def with_step_times(self, factor: float) -> Calibration:
        """Give the calibration of a stack whose steps are this many times as long."""
        return self if self.step is None else replace(self, step=self.step * factor)


def unit_name(text: str | None) -> str | None:
    """Give a unit its one name here.

    Parameters
    ----------
    text : str or None
        As a file or a person spells it.

    Returns
    -------
    str or None
        ``"um"`` for every spelling of micrometres and so on; None for no unit or pixels.
    """
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


def in_seconds(time: float | None, unit: str | None) -> float | None:
    """Convert a time to seconds; one in no known unit is left as it is."""
    return None if time is None else _converted(time, unit, "s")


def calibration_of(sizes: Mapping[str, tuple[float, str | None]], axis: str) -> Calibration:
    """Make a calibration of the sizes of an image's axes.

    Parameters
    ----------
    sizes : mapping
        For any of ``t``, ``z``, ``y`` and ``x`` a size and its unit; a size that is not positive counts as unknown.
    axis : {"t", "z"}
        The frame axis.

    Returns
    -------
    Calibration
        With height and step in the unit of the width where they convert.
    """
    known = {letter: (_positive(size), unit_name(unit)) for letter, (size, unit) in sizes.items()}
    calibration = Calibration()
    (height, height_unit), (width, unit) = (known.get(letter, (None, None)) for letter in "yx")
    if height and width:
        calibration = Calibration((_converted(height, height_unit, unit), width), unit=unit)
    step, step_unit = known.get(axis, (None, None))
    return _with_step(calibration, step, step_unit)


def read_calibration(tif: TiffFile, axis: str) -> Calibration:
    """Read the sizes an ImageJ or OME-TIFF file states.

    The resolution of any other TIFF is left alone: it is as a rule a printer's 72 dots per inch.

    Parameters
    ----------
    tif : TiffFile
        The open file.
    axis : {"t", "z"}
        Which of the file's steps counts.

    Returns
    -------
    Calibration
        With None for whatever the file does not say.
    """
    if tif.is_ome and tif.ome_metadata:
        return _from_ome(tif.ome_metadata, axis)
    if tif.is_imagej:
        return _from_imagej(tif, axis)
    return Calibration()


def imagej_metadata(calibration: Calibration, axis: str) -> dict[str, Any]:
    """Say a calibration the way ImageJ's image description does.

    Parameters
    ----------
    calibration : Calibration
        What to say.
    axis : {"t", "z"}
        The frame axis.

    Returns
    -------
    dict
        For tifffile's `metadata` argument.
    """
    metadata: dict[str, Any] = {}
    if calibration.unit:
        metadata["unit"] = _ascii(calibration.unit)
    if calibration.step is None:
        return metadata
    if axis == "t":
        seconds = _SECONDS.get(calibration.step_unit or "s")
        metadata["finterval"] = calibration.step * (seconds or 1.0)
        if seconds is None:
            metadata["tunit"] = _ascii(str(calibration.step_unit))
        return metadata
    metadata["spacing"] = calibration.step
    if calibration.step_unit and calibration.step_unit != calibration.unit:
        metadata["zunit"] = _ascii(calibration.step_unit)
    return metadata


def ome_metadata(calibration: Calibration, axis: str) -> dict[str, Any]:
    """Say a calibration the way OME-XML does.

    Parameters
    ----------
    calibration : Calibration
        What to say.
    axis : {"t", "z"}
        The frame axis.

    Returns
    -------
    dict
        For tifffile's `metadata` argument.
    """
    metadata: dict[str, Any] = {}
    if calibration.pixel_size is not None:
        for name, size in zip("YX", calibration.pixel_size, strict=True):
            metadata[f"PhysicalSize{name}"] = size
            metadata[f"PhysicalSize{name}Unit"] = _ome_unit(calibration.unit or "pixel")
    if calibration.step is not None and axis == "t":
        metadata["TimeIncrement"] = calibration.step
        metadata["TimeIncrementUnit"] = _ome_unit(calibration.step_unit or "s")
    elif calibration.step is not None:
        metadata["PhysicalSizeZ"] = calibration.step
        metadata["PhysicalSizeZUnit"] = _ome_unit(calibration.step_unit or calibration.unit or "pixel")
    return metadata


def _from_imagej(tif: TiffFile, axis: str) -> Calibration:
    metadata = tif.imagej_metadata or {}
    unit = unit_name(_text(metadata.get("unit")))
    tags = tif.pages.first.tags
    sizes = [_size_from_resolution(tags.valueof(name)) for name in ("YResolution", "XResolution")]
    calibration = Calibration()
    # Without a unit, one pixel per pixel is what every uncalibrated file says.
    if sizes[0] and sizes[1] and (unit or sizes != [1.0, 1.0]):
        calibration = Calibration(pixel_size=(sizes[0], sizes[1]), unit=unit)
    if axis == "t":
        interval = _positive(metadata.get("finterval"))
        return _with_step(calibration, interval, _text(metadata.get("tunit")) or "s")
    spacing = _positive(metadata.get("spacing"))
    return _with_step(calibration, spacing, _text(metadata.get("zunit")) or unit)


def _from_ome(xml: str, axis: str) -> Calibration:
    pixels = ElementTree.fromstring(xml).find(".//{*}Pixels")
    if pixels is None:
        return Calibration()
    said = pixels.attrib
    units = [unit_name(said.get(f"PhysicalSize{name}Unit", "um")) for name in "YX"]
    sizes = [_positive(said.get(f"PhysicalSize{name}")) for name in "YX"]
    calibration = Calibration()
    if sizes[0] and sizes[1]:
        height = _converted(sizes[0], units[0], units[1])
        calibration = Calibration(pixel_size=(height, sizes[1]), unit=units[1])
    if axis == "t":
        return _with_step(calibration, _positive(said.get("TimeIncrement")), said.get("TimeIncrementUnit", "s"))
    return _with_step(calibration, _positive(said.get("PhysicalSizeZ")), said.get("PhysicalSizeZUnit", "um"))


def _with_step(calibration: Calibration, step: float | None, unit: str | None) -> Calibration:
    """Add a step, in the pixels' unit (z) or in seconds (t) where the units convert."""
    if step is None:
        return calibration
    name = unit_name(unit)
    wanted = "s" if name in _SECONDS else calibration.unit
    step = _converted(step, name, wanted)
    if wanted is not None and _same_kind(name, wanted):
        name = wanted
    return replace(calibration, step=step, step_unit=name)


def _same_kind(one: str | None, other: str | None) -> bool:
    return any(one in table and other in table for table in (_MICROMETRES, _SECONDS))


def _converted(value: float, unit: str | None, wanted: str | None) -> float:
    if unit == wanted:
        return value
    for table in (_MICROMETRES, _SECONDS):
        if unit in table and wanted in table:
            return value * table[unit] / table[wanted]
    return value


def _size_from_resolution(resolution: object) -> float | None:
    if not (isinstance(resolution, tuple) and len(resolution) == 2 and all(resolution)):
        return None
    return float(resolution[1]) / float(resolution[0])


def _positive(value: object) -> float | None:
    """Return a file's number; ImageJ writes negative spacings, and 0 for unknown."""
    try:
        number = abs(float(str(value)))
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _ascii(unit: str) -> str:
    return "".join(letter if letter.isascii() else f"\\u{ord(letter):04X}" for letter in unit)


def _ome_unit(unit: str) -> str:
    return {"um": "µm", "inch": "in", "angstrom": "Å"}.get(unit, unit)

"""Pixel sizes, steps and stage positions that microscopes note in TIFF tags of their own."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from .calibration import Size, unit_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tifffile import TiffFile

# What damaged metadata raise: tifffile hands on whatever stands in the file.
_DAMAGED = (KeyError, TypeError, ValueError, IndexError, AttributeError, ZeroDivisionError)
_MICROMANAGER_TAG = 51123


def read_instrument_sizes(tif: TiffFile) -> dict[str, Size]:
    """Read the sizes of a file of MetaMorph, Micro-Manager, FEI, Zeiss or Olympus, by axis; none of any other."""
    readers: dict[str, Callable[[TiffFile], dict[str, Size]]] = {
        "stk": _metamorph,
        "micromanager": _micromanager,
        "fei": _fei,
        "lsm": _lsm,
        "sem": _zeiss_sem,
        "sis": _olympus,
    }
    found: dict[str, Size] = {}
    for name, read in readers.items():
        if getattr(tif, f"is_{name}"):
            with suppress(*_DAMAGED):
                found |= read(tif)
    return {name: size for name, size in found.items() if math.isfinite(size.scale) and size.scale > 0}


def placed(size: Size, position: float | None, unit: str | None) -> Size:
    """Put an axis where the stage stood; where that is not known, or in no unit of length, it stays at 0."""
    unit = unit_name(unit)
    if position is None or unit is None or not math.isfinite(position):
        return size
    there = Size(size.scale, unit, position).converted(unit_name(size.unit))
    return size if there.unit != unit_name(size.unit) else size._replace(translation=there.translation)


def _metamorph(tif: TiffFile) -> dict[str, Size]:
    metadata: Mapping[str, Any] = tif.stk_metadata or {}
    unit = metadata.get("CalibrationUnits")
    sizes = {}
    # Without a calibration MetaMorph writes 1 pixel.
    if unit_name(unit) is not None:
        stage = np.ravel(metadata.get("StagePosition", ()))[:2].tolist()
        at = dict(zip("xy", stage, strict=False))
        for letter in "xy":
            size = Size(float(metadata[f"{letter.upper()}Calibration"]), unit)
            sizes[letter] = placed(size, at.get(letter), unit)
    steps = np.ravel(metadata.get("ZDistance", ())).astype(float)
    if steps.size > 1 and steps[0]:
        sizes["z"] = Size(abs(float(steps[0])), unit_name(unit) or "um")
    times = np.ravel(metadata.get("TimeCreated", ())).astype(float)
    # Milliseconds since midnight.
    if times.size > 1 and times[-1] > times[0]:
        sizes["t"] = Size(float(times[-1] - times[0]) / (times.size - 1), "ms")
    return sizes


def _micromanager(tif: TiffFile) -> dict[str, Size]:
    plane: Mapping[str, Any] = tif.pages.first.tags.valueof(_MICROMANAGER_TAG) or {}
    summary: Mapping[str, Any] = {}
    # Only in files as Micro-Manager wrote them; the tag is in copies, too.
    with suppress(*_DAMAGED):
        summary = (tif.micromanager_metadata or {}).get("Summary", {})
    summary = summary or plane.get("Summary") or {}
    pixel = plane.get("PixelSizeUm") or summary.get("PixelSize_um")
    sizes = {}
    if pixel:
        sizes = {
            letter: placed(Size(float(pixel), "um"), _position(plane, f"{letter.upper()}PositionUm"), "um")
            for letter in "xy"
        }
    if step := summary.get("z-step_um"):
        sizes["z"] = placed(Size(abs(float(step)), "um"), _position(plane, "ZPositionUm"), "um")
    if interval := summary.get("Interval_ms"):
        sizes["t"] = Size(float(interval), "ms")
    return sizes


def _position(metadata: Mapping[str, Any], key: str) -> float | None:
    return None if metadata.get(key) is None else float(metadata[key])


def _metres(value: Any) -> Size:
    # In the unit that people read.
    return Size(float(value) * 1e6, "um")


def _fei(tif: TiffFile) -> dict[str, Size]:
    metadata: Mapping[str, Any] = tif.fei_metadata or {}
    scan = metadata.get("Scan") or metadata.get("EScan") or metadata["IScan"]
    stage: Mapping[str, Any] = metadata.get("Stage", {})
    names = {"x": ("PixelWidth", "StageX"), "y": ("PixelHeight", "StageY")}
    return {letter: placed(_metres(scan[key]), _position(stage, place), "m") for letter, (key, place) in names.items()}


def _lsm(tif: TiffFile) -> dict[str, Size]:
    metadata: Mapping[str, Any] = tif.lsm_metadata or {}
    sizes = {letter: _metres(metadata[f"VoxelSize{letter.upper()}"]) for letter in "zyx"}
    # Spelt so by Zeiss.
    return sizes | {"t": Size(float(metadata.get("TimeIntervall") or 0), "s")}


def _zeiss_sem(tif: TiffFile) -> dict[str, Size]:
    metadata: Mapping[str, Any] = tif.sem_metadata or {}
    _, size, unit = metadata.get("ap_image_pixel_size") or metadata["ap_pixel_size"]
    return {letter: Size(float(size), str(unit)) for letter in "yx"}


def _olympus(tif: TiffFile) -> dict[str, Size]:
    metadata: Mapping[str, Any] = tif.sis_metadata or {}
    return {letter: _metres(metadata[f"pixelsize{letter}"]) for letter in "yx"}

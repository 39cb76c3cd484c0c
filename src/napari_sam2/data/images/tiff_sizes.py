"""Pixel sizes, intervals, positions and units in the metadata of TIFF files, read and (ImageJ, OME) written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from .calibration import Size, in_seconds, is_time, unit_name
from .instrument_sizes import placed, read_instrument_sizes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tifffile import TiffFile

    from .axes import Axis


def read_sizes(tif: TiffFile) -> dict[str, Size]:
    """Read what an ImageJ, OME-TIFF or microscope's file states of ``t``, ``z``, ``y`` and ``x``, by axis.

    The resolution of any other TIFF is left alone: it is as a rule a printer's 72 dots per inch.
    """
    found = read_instrument_sizes(tif)
    # What ImageJ or OME says goes before: it may have been corrected since the microscope wrote the file.
    if tif.is_ome and tif.ome_metadata:
        found |= _from_ome(tif.ome_metadata)
    elif tif.is_imagej:
        found |= _known(_from_imagej(tif))
    return found


def imagej_metadata(axes: Sequence[Axis]) -> dict[str, Any]:
    """Describe axes as ImageJ does, for tifffile's `metadata` argument."""
    metadata: dict[str, Any] = {"axes": "".join(axis.name for axis in axes).upper()}
    # ImageJ has one unit for all lengths, that of the width; pixel sizes go into the TIFF resolution tags.
    unit = axes[-1].unit
    if unit:
        metadata["unit"] = _ascii(unit)
    for axis in axes[:-2]:
        step = None if axis.scale is None else abs(axis.scale)
        if step is not None and axis.name == "t":
            # ImageJ reads the frame interval as seconds; `tunit` is for units that cannot be converted.
            known = axis.unit is None or is_time(axis.unit)
            metadata["finterval"] = in_seconds(step, axis.unit) if known else step
            metadata |= {} if known else {"tunit": _ascii(str(axis.unit))}
        elif step is not None:
            metadata["spacing"] = step
            metadata |= {"zunit": _ascii(axis.unit)} if axis.unit and axis.unit != unit else {}
    return metadata


def ome_metadata(axes: Sequence[Axis]) -> dict[str, Any]:
    """Describe axes as OME-XML does, for tifffile's `metadata` argument."""
    # The schema requires a unit with every size, and "pixel" is its word for an unknown length.
    metadata: dict[str, Any] = {"axes": "".join(axis.name for axis in axes).upper()}
    for axis in axes:
        if axis.scale is not None:
            name, unit = ("TimeIncrement", "s") if axis.name == "t" else (f"PhysicalSize{axis.name.upper()}", "pixel")
            metadata[name] = abs(axis.scale)
            metadata[f"{name}Unit"] = _ome_unit(axis.unit or (axes[-1].unit if axis.name == "z" else None) or unit)
    return metadata


def _from_imagej(tif: TiffFile) -> dict[str, tuple[float | None, str | None]]:
    metadata = tif.imagej_metadata or {}
    unit = unit_name(_text(metadata.get("unit")))
    # ImageJ stores pixels per unit as a rational; its reciprocal is the size.
    tags = tif.pages.first.tags
    height, width = (_size_from_resolution(tags.valueof(name)) for name in ("YResolution", "XResolution"))
    # Without a unit, one pixel per pixel is what every uncalibrated file says.
    known = bool(unit) or (height, width) != (1.0, 1.0)
    return {
        "t": (_number(metadata.get("finterval")), _text(metadata.get("tunit")) or "s"),
        "z": (_number(metadata.get("spacing")), _text(metadata.get("zunit")) or unit),
        **({"y": (height, unit), "x": (width, unit)} if known else {}),
    }


def _from_ome(xml: str) -> dict[str, Size]:
    # The namespace carries the version of the schema, so it is matched by wildcard.
    pixels = ElementTree.fromstring(xml).find(".//{*}Pixels")
    if pixels is None:
        return {}
    attributes = pixels.attrib
    # Seconds and micrometres are the defaults of the OME schema.
    names = {"t": ("TimeIncrement", "s"), **{name: (f"PhysicalSize{name.upper()}", "um") for name in "zyx"}}
    found = {
        name: (_number(attributes.get(key)), attributes.get(f"{key}Unit", unit)) for name, (key, unit) in names.items()
    }
    known = _known(found)
    plane = pixels.find("{*}Plane")
    if plane is None:
        return known
    # Where the stage stood for the first plane. Without a unit it is a "reference frame", which is no place.
    for name in {*known} & {*"zyx"}:
        key = f"Position{name.upper()}"
        known[name] = placed(known[name], _number(plane.get(key)), plane.get(f"{key}Unit"))
    return known


def _known(found: Mapping[str, tuple[float | None, str | None]]) -> dict[str, Size]:
    # ImageJ writes negative spacings, and 0 for unknown.
    return {name: Size(abs(size), unit) for name, (size, unit) in found.items() if size}


def _size_from_resolution(resolution: object) -> float | None:
    if not (isinstance(resolution, tuple) and len(resolution) == 2 and all(resolution)):
        return None
    return float(resolution[1]) / float(resolution[0])


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _ascii(unit: str) -> str:
    # ImageJ's description is ASCII, with other letters as Java escapes.
    return "".join(letter if letter.isascii() else f"\\u{ord(letter):04X}" for letter in unit)


def _ome_unit(unit: str) -> str:
    # The OME schema only takes its own spellings.
    return {"um": "µm", "inch": "in", "angstrom": "Å"}.get(unit, unit)

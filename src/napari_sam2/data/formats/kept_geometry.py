"""What of an image's geometry the formats of labels keep, and what of one image a format would lose."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_sam2.data.images.geometry import Geometry

# What there is to keep, with the words of the table in docs/formats.md.
GEOMETRY = {
    "axis": "time or depth",
    "sizes": "size of pixels and steps",
    "units": "units",
    "place": "where the first pixel lies",
    "direction": "axes that run backwards",
    "turn": "turned and sheared axes",
}


def lost_geometry(keeps: Collection[str], geometry: Geometry) -> list[str]:
    """List what of a geometry a format cannot hold that keeps some parts of `GEOMETRY`."""
    plain = geometry.straightened()
    found = {
        # A plane in space has a depth that no axis of its own tells.
        "place": plain.affine is not None
        or (geometry.affine is not None and "z" not in plain.names)
        or any(axis.translation for axis in plain.axes),
        "direction": any((axis.scale or 1) < 0 for axis in plain.axes),
        "turn": plain.affine is not None,
    }
    return [GEOMETRY[part] for part, is_there in found.items() if is_there and part not in keeps]

"""Names and display ranges of channels in ImageJ and OME-TIFF metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from napari_sam2.data.images.frame_sources import Channel
from napari_sam2.data.images.pixels.contrast import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tifffile import TiffFile


def read_channels(tif: TiffFile) -> tuple[Channel, ...]:
    """Read names and display ranges of the channels of an ImageJ or OME-TIFF file."""
    if tif.is_ome and tif.ome_metadata:
        found = ElementTree.fromstring(tif.ome_metadata).findall(".//{*}Pixels/{*}Channel")
        return tuple(Channel(channel.get("Name")) for channel in found)
    if tif.is_imagej and tif.imagej_metadata:
        # ImageJ writes low, high, low, high, ... in the order of the channels.
        ranges: Sequence[float] = tif.imagej_metadata.get("Ranges") or ()
        return tuple(Channel(window=make_window(*pair)) for pair in zip(ranges[::2], ranges[1::2], strict=False))
    return ()


def make_window(low: float | None, high: float | None) -> Window | None:
    """Make a window of two values found in a file; None where they are not two rising numbers."""
    try:
        return Window(float(low), float(high)) if low is not None and high is not None else None
    except (TypeError, ValueError):
        return None

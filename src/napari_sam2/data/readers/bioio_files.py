"""Reader of CZI, ND2 and LIF files, by bioio and its plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2.data.files.optional_packages import load_extra
from napari_sam2.data.images.calibration import Size
from napari_sam2.data.images.frame_sources import Channel, FilePlanes, Opened
from napari_sam2.data.images.selection import NoSuchSeriesError, chosen_series

if TYPE_CHECKING:
    from pathlib import Path

_PURPOSE = "reading CZI, ND2 and LIF files"
_SUFFIXES = (".czi", ".nd2", ".lif")
# What bioio and the libraries below it raise over a damaged file.
_UNREADABLE = (OSError, ValueError, RuntimeError, KeyError, IndexError, TypeError, AttributeError)


def is_bioio_file(path: Path) -> bool:
    """Tell by its suffix whether a file is one that bioio reads."""
    return path.suffix.lower() in _SUFFIXES and path.is_file()


def open_bioio(path: Path, series: str | None = None) -> Opened:
    """Open one scene of a CZI, ND2 or LIF file without reading its pixels."""
    bioio = load_extra("bioio", _PURPOSE)
    # Named, since bioio would try every plugin there is, and one of them may take another's file.
    plugin = load_extra(f"bioio_{path.suffix.lower()[1:]}", _PURPOSE)
    unsupported = load_extra("bioio_base.exceptions", _PURPOSE).UnsupportedFileFormatError
    try:
        image = bioio.BioImage(str(path), reader=plugin.Reader)
        image.set_scene(chosen_series([str(scene) for scene in image.scenes], series, str(path)))
        return _opened(image, path)
    except NoSuchSeriesError:
        raise
    except (*_UNREADABLE, unsupported) as error:
        raise ValueError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error


def _opened(image: Any, path: Path) -> Opened:
    # bioio always gives T, C, Z, Y and X, and S for colour; axes of one place are no choice.
    order = str(image.dims.order)
    lengths = dict(zip(order, image.shape, strict=True))
    kept = "".join(letter for letter in order if letter in "YXS" or lengths[letter] > 1)
    array = image.get_image_dask_data(kept)
    planes = FilePlanes(array, kept.lower(), path, unreadable=_UNREADABLE)
    # Micrometres, and seconds between time points.
    pixel = image.physical_pixel_sizes
    sizes = {
        letter: Size(float(size), "um") for letter, size in zip("zyx", (pixel.Z, pixel.Y, pixel.X), strict=True) if size
    }
    seconds = _seconds(image)
    names = image.channel_names or ()
    channels = tuple(Channel(str(name)) for name in names) if "C" in kept else ()
    return Opened(planes, planes.leading, sizes | ({"t": Size(seconds, "s")} if seconds else {}), channels)


def _seconds(image: Any) -> float | None:
    # A timedelta or a number, by the plugin, and not every plugin knows.
    interval = getattr(image, "time_interval", None)
    seconds = getattr(interval, "total_seconds", None)
    return float(seconds() if seconds else interval) if interval else None

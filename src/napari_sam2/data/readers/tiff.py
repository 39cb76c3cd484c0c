"""Reader of TIFF files (ImageJ, OME and plain): meaning of the axes, and planes read page by page."""

from __future__ import annotations

import math
import struct
import threading
import warnings
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import tifffile

from napari_sam2.data.images.frame_sources import WHOLE, Area, ArrayPlanes, Opened, PlaneSource
from napari_sam2.data.images.selection import check_level
from napari_sam2.data.images.tiff_sizes import read_sizes

from .tiff_channels import read_channels

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What tifffile and its codecs raise over a damaged file, or over a compression that there is no codec for.
_UNREADABLE = (ValueError, RuntimeError, OSError, IndexError, ImportError, struct.error, zlib.error)
# Kinds of files, by tifffile's names, that say nothing about how their images belong together.
_PLAIN = {"shaped", "generic", "uniform"}
# Axes of pages that the file gives no meaning to.
_UNNAMED = "IQ"
# Bytes of a value, by the number of its type; one for those that are not here.
_TAG_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


class PageSource:
    """Planes that are one TIFF page each, or a few to a page."""

    def __init__(self, tif: tifffile.TiffFile, path: Path, layout: Layout, per_page: int = 1) -> None:
        self._tif = tif
        self._per_page = per_page
        self._path = path
        self._layout = layout
        # Pages share one file position.
        self._lock = threading.Lock()
        self.shape: tuple[int, ...] = layout.shape
        self.dtype: np.dtype[Any] = layout.series.dtype

    def read(self, index: tuple[int, ...], area: Area = WHOLE) -> NDArray[Any]:
        """Fetch one plane."""
        leading = self.shape[: len(index)]
        number = int(np.ravel_multi_index(index, leading)) if index else 0
        try:
            with self._lock:
                # OME files can list planes that were never written.
                page = self._layout.series[number // self._per_page]
                if page is None:
                    raise ValueError("the file holds no page for it")
                image = page.asarray()
        except _UNREADABLE as error:
            raise ValueError(f"frame {number} of {self._path} cannot be read: {error}") from error
        # Pages carry axes of length one, which the layout leaves out.
        image = image.reshape(self._per_page, *self._layout.page_shape)[number % self._per_page]
        plane: NDArray[Any] = (np.moveaxis(image, 0, -1) if self._layout.samples_first else image)[area]
        return plane

    def close(self) -> None:
        """Close the file."""
        self._tif.close()


class Layout(NamedTuple):
    """Order of planes, rows, columns and colour in a TIFF series."""

    # Of the resolution level that was asked for.
    series: tifffile.TiffPageSeries
    # A letter for every axis of the series: ``t``, ``z``, ``n``, ``c``, ``y``, ``x``, ``s``.
    axes: str
    # (..., Y, X) or (..., Y, X, S).
    shape: tuple[int, ...]

    @property
    def leading(self) -> str:
        """The axes before Y and X."""
        return self.axes.rstrip("yxs")

    @property
    def samples_first(self) -> bool:
        """Whether a page is (S, Y, X)."""
        return self.axes.endswith("syx")

    @property
    def page_shape(self) -> tuple[int, ...]:
        """Shape of a plane as the file stores it."""
        plane = self.shape[len(self.leading) :]
        return (plane[2], *plane[:2]) if self.samples_first else plane


class PalettePlanes:
    """Planes of indices into a palette, as RGB."""

    def __init__(self, planes: PlaneSource, colours: NDArray[np.uint8]) -> None:
        self._planes = planes
        # (N, 3).
        self._colours = colours
        self.shape: tuple[int, ...] = (*planes.shape, 3)
        self.dtype: np.dtype[Any] = np.dtype(np.uint8)

    def read(self, index: tuple[int, ...], area: Area = WHOLE) -> NDArray[Any]:
        """Fetch one plane or an area of it."""
        image: NDArray[np.uint8] = self._colours[self._planes.read(index, area)]
        return image

    def close(self) -> None:
        """Close the file."""
        self._planes.close()


def open_tiff(path: Path, level: int = 0, *, indices: bool = False) -> Opened:
    """Open a TIFF file without reading its pixels; `indices` leaves those of a palette as they are, as labels."""
    with ExitStack() as opened:
        try:
            tif = opened.enter_context(tifffile.TiffFile(path))
            images = _images(tif)
            cut_short = _names_missing_page(tif) or _names_missing_values(tif)
        except _UNREADABLE as error:
            raise ValueError(f"{path} cannot be read as a TIFF file: {error}") from error
        # Several series are different images (tiles, previews), and which one is meant cannot be known.
        if len(images) != 1:
            shapes = [series.shape for series in images]
            raise ValueError(
                f"{path} holds {len(shapes)} images of shapes {shapes}: save the one to track in a file of its own"
            )
        if cut_short:
            raise ValueError(f"{path} is cut short: something is missing at its end; copy or export it again")
        levels = [_layout(series, path) for series in images[0].levels]
        sizes = [(layout.shape[len(layout.leading)], layout.shape[len(layout.leading) + 1]) for layout in levels]
        layout = levels[check_level(level, sizes, str(path))]
        # The file says the sizes of the finest level.
        factors = {"y": sizes[0][0] / sizes[level][0], "x": sizes[0][1] / sizes[level][1]}
        pixel_sizes = {
            name: size._replace(scale=size.scale * factors.get(name, 1)) for name, size in read_sizes(tif).items()
        }
        channels = read_channels(tif)
        colours = None if indices else _palette(tif)
        planes = _source(tif, path, layout)
        # Only this source reads from the open file later on; memory maps have a handle of their own.
        if isinstance(planes, PageSource):
            opened.pop_all()
    return Opened(planes if colours is None else PalettePlanes(planes, colours), layout.leading, pixel_sizes, channels)


def _palette(tif: tifffile.TiffFile) -> NDArray[np.uint8] | None:
    """Return the colours of a drawing's palette, (N, 3); None where pixels are intensities."""
    page = tif.pages.first
    # Microscopes and ImageJ colour intensities by a table; so do others where it only rises or falls.
    if page.photometric != tifffile.PHOTOMETRIC.PALETTE or page.colormap is None or not tif.flags <= _PLAIN:
        return None
    steps = np.diff(page.colormap.astype(np.int64), axis=1)
    if all((channel >= 0).all() or (channel <= 0).all() for channel in steps):
        return None
    return (page.colormap.T >> 8).astype(np.uint8)


def _images(tif: tifffile.TiffFile) -> list[tifffile.TiffPageSeries]:
    """List the images of a file: thumbnails are none, and frames that were written one by one are a single one."""
    full = [series for series in tif.series if not series.keyframe.is_reduced] or list(tif.series)
    # Programs that write frame by frame leave a series for each, or for each run of frames that are stored alike.
    one_by_one = all(len(series) == 1 for series in full if series.kind != "generic")
    if len(full) < 2 or not (one_by_one and _are_frames(tif, full)):
        return full
    every: list[Any] = list(tif.pages)
    pages = [page for page in every if not page.keyframe.is_reduced]
    keyframe = full[0].keyframe
    if len({(page.shape, page.dtype, page.axes) for page in pages}) > 1:
        return full
    shape = (len(pages), *keyframe.shape)
    return [tifffile.TiffPageSeries(pages, shape, keyframe.dtype, f"I{keyframe.axes}", kind="generic")]


def _are_frames(tif: tifffile.TiffFile, images: list[tifffile.TiffPageSeries]) -> bool:
    # The images of an OME file are as a rule different places; but where tifffile wrote them, a loop wrote them.
    is_loop = tif.is_ome and 'Creator="tifffile.py' in (tif.ome_metadata or "")
    return is_loop or {series.kind for series in images} <= _PLAIN


def _names_missing_page(tif: tifffile.TiffFile) -> bool:
    """Tell whether the last page names another one: tifffile then takes the file for a shorter one."""
    file, form = tif.filehandle, tif.tiff
    # A page ends with the offset of the next one, 0 in the last. A copy that was cut short still has this offset.
    file.seek(tif.pages[len(tif.pages) - 1].offset)
    (n_tags,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
    file.seek(n_tags * form.tagsize, 1)
    (next_page,) = struct.unpack(form.offsetformat, file.read(form.offsetsize))
    return bool(next_page)


def _names_missing_values(tif: tifffile.TiffFile) -> bool:
    """Tell whether a tag of the first page lies beyond the file's end: tifffile then goes on without it."""
    file, form = tif.filehandle, tif.tiff
    file.seek(tif.pages[0].offset)
    (n_tags,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
    entries = file.read(n_tags * form.tagsize)
    # An entry: number of the tag, type, count, and the value or where it lies. Offsets are wider in BigTIFF.
    head = f"{form.byteorder}HH{form.offsetformat[-1]}"
    for start in range(0, len(entries) - form.tagsize + 1, form.tagsize):
        _, kind, count = struct.unpack_from(head, entries, start)
        nbytes = _TAG_BYTES.get(kind, 1) * count
        (offset,) = struct.unpack_from(form.offsetformat, entries, start + form.tagsize - form.offsetsize)
        if nbytes > form.offsetsize and offset + nbytes > file.size:
            return True
    return False


def _layout(series: tifffile.TiffPageSeries, path: Path) -> Layout:
    letters = "".join("n" if letter in _UNNAMED else letter.lower() for letter in series.axes)
    if letters == "syx" and series.kind == "shaped":
        # tifffile marks three or four grey frames as colour, unless it is told otherwise.
        letters = "nyx"
        warnings.warn(
            f"{path} holds {series.shape[0]} planes that are marked as red, green and blue, as tifffile does with so "
            "few grey frames: taken for frames",
            stacklevel=2,
        )
    sizes = dict(zip(letters, series.shape, strict=True))
    # Colour samples are stored after the pixels (yxs) or as separate planes before them (syx).
    leading = letters.rstrip("yxs")
    colour = sizes.get("s", 3) in (3, 4)
    if letters[len(leading) :] not in ("yx", "yxs", "syx") or not {*leading} <= {*"tznc"} or not colour:
        found = ", ".join(f"{letter} ({size})" for letter, size in zip(series.axes, series.shape, strict=True))
        raise ValueError(
            f"{path} has the axes {found}. It can have time (T), depth (Z) and channels (C), then Y and X, and RGB "
            "samples (S) where it is in colour: save one plane of any other axis as a file of its own"
        )
    plane = (sizes["y"], sizes["x"], *((sizes["s"],) if "s" in sizes else ()))
    return Layout(series, letters, (*(sizes[letter] for letter in leading), *plane))


def _source(tif: tifffile.TiffFile, path: Path, layout: Layout) -> PlaneSource:
    series = layout.series
    try:
        if series.dataoffset is not None and not series.is_multifile and series.transform is None:
            # Uncompressed in one piece, as ImageJ writes it; also the only way into its files over 4 GB.
            dtype = series.dtype.newbyteorder(tif.byteorder)
            pixels = np.memmap(path, dtype, "r", offset=series.dataoffset, shape=series.shape)
            return ArrayPlanes(pixels, layout.axes)
        n_planes = math.prod(layout.shape[: len(layout.leading)])
        # The channels of an LSM page are few; all planes of a volume are not.
        if n_planes == len(series) or series.kind == "lsm":
            return PageSource(tif, path, layout, n_planes // len(series))
        # Several planes in one page, compressed together: none can be had without the others.
        return ArrayPlanes(series.asarray(), layout.axes)
    except _UNREADABLE as error:
        raise ValueError(f"{path} cannot be read: {error}") from error

"""TIFF files as stacks: which axis is which, and frames read page by page."""

from __future__ import annotations

import struct
import threading
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import tifffile

from .calibration import Calibration, read_calibration
from .sources import ArraySource, FrameSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What tifffile raises over a damaged file or a compression it has no codec for.
_UNREADABLE = (ValueError, RuntimeError, OSError, IndexError, struct.error, zlib.error)
_FRAME_AXES = "TZIQ"


class TiffStack(NamedTuple):
    """An opened TIFF stack.

    Attributes
    ----------
    source : FrameSource
        Its frames.
    axis : {"t", "z"}
        What the frames are.
    calibration : Calibration
        What the file says about sizes.
    """

    source: FrameSource
    axis: str
    calibration: Calibration


class PageSource:
    """Frames that are one TIFF page each.

    Parameters
    ----------
    tif : TiffFile
        The open file, which `close` closes.
    path : Path
        Its name, for messages.
    layout : Layout
        What its axes are.
    """

    def __init__(self, tif: tifffile.TiffFile, path: Path, layout: Layout) -> None:
        self._tif = tif
        self._path = path
        self._layout = layout
        self._series = tif.series[0]
        # Pages share one file position.
        self._lock = threading.Lock()
        self.shape: tuple[int, ...] = layout.shape
        self.dtype: np.dtype[Any] = self._series.dtype

    def read(self, frame: int) -> NDArray[Any]:
        """Fetch one frame.

        Raises
        ------
        ValueError
            If the page is missing or damaged, or compressed in a way no installed codec reads.
        """
        try:
            with self._lock:
                page = self._series[frame]
                if page is None:
                    raise ValueError("the file holds no page for it")
                image = page.asarray()
        except _UNREADABLE as error:
            raise ValueError(f"frame {frame} of {self._path} cannot be read: {error}") from error
        image = image.reshape(self._layout.page_shape)
        return np.moveaxis(image, 0, -1) if self._layout.samples_first else image

    def close(self) -> None:
        """Close the file."""
        self._tif.close()


class Layout(NamedTuple):
    """Where a TIFF series keeps frames, rows, columns and colour.

    Attributes
    ----------
    frame_axis : str
        Letter of the frame axis, empty for a single image.
    shape : tuple of int
        (T, Y, X) or (T, Y, X, S).
    samples_first : bool
        Whether a page is (S, Y, X).
    """

    frame_axis: str
    shape: tuple[int, ...]
    samples_first: bool

    @property
    def page_shape(self) -> tuple[int, ...]:
        """Shape of a frame as the file stores it."""
        return (self.shape[3], *self.shape[1:3]) if self.samples_first else self.shape[1:]


def open_tiff(path: Path, axis: str | None = None) -> TiffStack:
    """Open a TIFF file without reading its pixels.

    Parameters
    ----------
    path : Path
        ImageJ, OME or plain TIFF with one frame axis.
    axis : {"t", "z"}, optional
        What the frames are, whatever the file says.

    Returns
    -------
    TiffStack
        Frames, axis and sizes. The axis is ``"z"`` where the file says Z, else ``"t"``.

    Raises
    ------
    ValueError
        If the file is no TIFF, or holds more than one image series or axes that make no stack.
    """
    with ExitStack() as opened:
        try:
            tif = opened.enter_context(tifffile.TiffFile(path))
            shapes = [series.shape for series in tif.series]
            cut_short = _names_missing_page(tif)
        except _UNREADABLE as error:
            raise ValueError(f"{path} cannot be read as a TIFF file: {error}") from error
        if len(shapes) != 1:
            raise ValueError(
                f"{path} holds {len(shapes)} images of shapes {shapes}: save the one to track in a file of its own"
            )
        if cut_short:
            raise ValueError(f"{path} is cut short: pages are missing at its end; copy or export it again")
        layout = _layout(tif.series[0], path)
        axis = axis or ("z" if layout.frame_axis == "Z" else "t")
        calibration = read_calibration(tif, axis)
        source = _source(tif, path, layout)
        if isinstance(source, PageSource):
            opened.pop_all()
    return TiffStack(source, axis, calibration)


def _names_missing_page(tif: tifffile.TiffFile) -> bool:
    """Tell whether the last page names another one: tifffile then takes the file for a shorter one."""
    file, form = tif.filehandle, tif.tiff
    file.seek(tif.pages[len(tif.pages) - 1].offset)
    (n_tags,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
    file.seek(n_tags * form.tagsize, 1)
    (next_page,) = struct.unpack(form.offsetformat, file.read(form.offsetsize))
    return bool(next_page)


def _layout(series: tifffile.TiffPageSeries, path: Path) -> Layout:
    axes, shape = series.axes, series.shape
    frame_axis = axes[0] if axes[0] in _FRAME_AXES else ""
    page_axes = axes[len(frame_axis) :]
    sizes = dict(zip(axes, shape, strict=True))
    if page_axes not in ("YX", "YXS", "SYX") or sizes.get("S", 3) not in (3, 4):
        found = ", ".join(f"{letter} ({size})" for letter, size in zip(axes, shape, strict=True))
        raise ValueError(
            f"{path} has the axes {found}. A stack has one frame axis (T or Z), then Y and X, and RGB "
            "samples (S) where it is in colour: save one channel, one plane or one time point as a file "
            "of its own"
        )
    frame = (sizes["Y"], sizes["X"], *((sizes["S"],) if "S" in sizes else ()))
    return Layout(frame_axis, (sizes.get(frame_axis, 1), *frame), page_axes == "SYX")


def _source(tif: tifffile.TiffFile, path: Path, layout: Layout) -> FrameSource:
    series = tif.series[0]
    as_array = {"single": not layout.frame_axis, "samples_first": layout.samples_first}
    try:
        if series.dataoffset is not None and not series.is_multifile and series.transform is None:
            # Uncompressed in one piece, as ImageJ writes it; also the only way into its files over 4 GB.
            dtype = series.dtype.newbyteorder(tif.byteorder)
            pixels = np.memmap(path, dtype, "r", offset=series.dataoffset, shape=series.shape)
            return ArraySource(pixels, **as_array)
        if len(series) == layout.shape[0]:
            return PageSource(tif, path, layout)
        # Several frames in one page, compressed together: no frame can be had without the others.
        return ArraySource(series.asarray(), **as_array)
    except _UNREADABLE as error:
        raise ValueError(f"{path} cannot be read: {error}") from error

"""Reader of NumPy's files: one array, or several under names."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.images.frame_sources import ArrayPlanes, Opened
from napari_sam2.data.images.selection import NoSuchSeriesError, chosen_series

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# What NumPy raises over a damaged file.
_UNREADABLE = (ValueError, OSError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile)


def is_npz(path: Path) -> bool:
    """Tell by its suffix whether a file may hold several arrays."""
    return path.suffix.lower() == ".npz" and path.is_file()


def open_numpy(path: Path, series: str | None = None) -> Opened:
    """Open an array; of several, the one named."""
    try:
        array = _array(path, series)
    except NoSuchSeriesError:
        raise
    except _UNREADABLE as error:
        raise ValueError(f"{path} cannot be read as a NumPy file: {error}") from error
    samples = "s" if array.ndim > 2 and array.shape[-1] in (3, 4) else ""
    letters = {2: "yx", 3: "nyx", 4: "tzyx", 5: "tczyx"}.get(array.ndim - len(samples))
    if letters is None or array.dtype.kind not in "buif":
        raise ValueError(f"{path} holds {array.dtype} of shape {array.shape}, which is no stack of images")
    planes = ArrayPlanes(array, letters + samples)
    return Opened(planes, planes.leading)


def _array(path: Path, series: str | None) -> NDArray[Any]:
    # Pickles could run code.
    if not is_npz(path):
        # Mapped, so that frames are read one by one.
        mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        return mapped
    # Arrays in a zip are read whole. NumPy leaves a damaged file open that it has opened by itself.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return np.asarray(arrays[arrays.files[chosen_series(arrays.files, series, str(path))]])

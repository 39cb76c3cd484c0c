"""Reader of NIfTI files, plain and compressed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.files.optional_packages import load_extra
from napari_sam2.data.images.calibration import Size
from napari_sam2.data.images.frame_sources import ArrayPlanes, Opened
from napari_sam2.data.images.geometry import affine_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class NiftiVoxels:
    """Voxels of a NIfTI file as an array, (X, Y), (X, Y, Z) or (X, Y, Z, T), read slice by slice.

    A compressed file has no slices to be had singly: it is read whole the first time.
    """

    def __init__(self, image: Any, path: Path) -> None:
        self._voxels = image.dataobj
        self._path = path
        self._lock = threading.Lock()
        self._held: NDArray[Any] | None = None
        self.shape: tuple[int, ...] = tuple(image.shape)
        self.ndim = len(self.shape)
        # A scaling factor makes floats of integers; float32 holds them, and nibabel's float64 takes twice the memory.
        slope, offset = image.dataobj.slope, image.dataobj.inter
        self._is_scaled = (slope, offset) != (1, 0)
        stored = np.dtype(image.get_data_dtype())
        self.dtype: np.dtype[Any] = np.dtype(np.float32) if self._is_scaled else stored

    def __getitem__(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        try:
            with self._lock:
                # Random access into gzip decompresses from the start each time: once and for all is cheaper.
                if self._path.suffix.lower() != ".gz":
                    return self._converted(self._voxels[index])
                if self._held is None:
                    self._held = self._converted(np.asanyarray(self._voxels))
                return self._held[index]
        except (OSError, EOFError, ValueError) as error:
            raise ValueError(f"{self._path} cannot be read: {error}") from error

    def _converted(self, voxels: Any) -> NDArray[Any]:
        return np.asarray(voxels, dtype=self.dtype)


def is_nifti(path: Path) -> bool:
    """Tell by its name whether a file is a NIfTI file."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def open_nifti(path: Path) -> Opened:
    """Open a NIfTI file as planes (Y, X) along depth and time, in the order of the file."""
    nibabel = load_extra("nibabel", "reading NIfTI files")
    try:
        image = nibabel.load(path)
    except (nibabel.filebasedimages.ImageFileError, OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a NIfTI file: {error}") from error
    voxels = NiftiVoxels(image, path)
    if not 2 <= voxels.ndim <= 4 or voxels.dtype.kind not in "buif":
        raise ValueError(
            f"{path} holds {voxels.dtype} voxels of shape {voxels.shape}: it must be numbers with two to four axes"
        )
    planes = ArrayPlanes(voxels, "xyzt"[: voxels.ndim])
    # nibabel names units "micron", "mm" and "sec", all of which `unit_name` knows.
    space, time = image.header.get_xyzt_units()
    # As FSL and others take it where the header does not say.
    space = "mm" if space == "unknown" else space
    units = {"x": space, "y": space, "z": space, "t": "s" if time == "unknown" else time}
    sizes = {
        letter: Size(float(size), units[letter]) for letter, size in zip("xyzt", image.header.get_zooms(), strict=False)
    }
    return Opened(planes, planes.leading, sizes, affine=affine_of(image.affine))

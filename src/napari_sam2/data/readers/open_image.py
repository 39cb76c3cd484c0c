"""Choice of the reader for a file or folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.data.images.frame_sources import ArrayPlanes, Opened
from napari_sam2.data.images.selection import check_level

from .animation import is_animation, open_animation
from .bioio_files import is_bioio_file, open_bioio
from .image_folder import FolderSource
from .numpy_files import is_npz, open_numpy
from .ome_zarr import is_zarr, open_zarr
from .scans.dicom import has_dicom, open_dicom
from .scans.itk_files import is_itk_file, open_itk
from .scans.nifti import is_nifti, open_nifti
from .still_image import is_image_file, is_tiff_file, read_image
from .tiff import open_tiff
from .video import is_video, open_video

if TYPE_CHECKING:
    import os

_KINDS = (
    "a TIFF, PNG, JPEG, JPEG 2000, GIF, BMP, WebP, PNM, video, zarr, NIfTI, Analyze, MGH, NRRD, MetaImage, DICOM, CZI, "
    "ND2, LIF or NumPy file, nor a folder of images"
)


def open_image(
    path: str | os.PathLike[str], level: int = 0, *, series: str | None = None, indices: bool = False
) -> tuple[Path, Opened]:
    """Open a file or a folder without reading its pixels.

    Images of a palette are in colour; `indices` leaves the indices into it, which are the labels of a label image.
    """
    place = Path(path)
    if not place.exists():
        raise FileNotFoundError(f"{place} does not exist")
    # Only zarr and TIFF have several resolutions, and choose one on opening.
    if is_zarr(place):
        return place, open_zarr(place, level)
    if not place.is_dir() and is_tiff_file(place):
        return place, open_tiff(place, level, indices=indices)
    opened = _open_series(place, series) or (
        _open_folder(place, indices) if place.is_dir() else _open_file(place, indices)
    )
    if level:
        check_level(
            level, [(opened.planes.shape[len(opened.axes)], opened.planes.shape[len(opened.axes) + 1])], str(place)
        )
    return place, opened


def _open_series(place: Path, series: str | None) -> Opened | None:
    """Open what may hold several images; None for anything else."""
    if is_bioio_file(place):
        return open_bioio(place, series)
    if has_dicom(place):
        return open_dicom(place, series)
    if is_npz(place):
        return open_numpy(place, series)
    if series is not None:
        raise ValueError(f"{place} is no DICOM series and no CZI, ND2, LIF or npz file: --series is for those")
    return None


def _open_folder(place: Path, indices: bool) -> Opened:
    folder = FolderSource(place, indices=indices)
    return Opened(folder, folder.axes, folder.sizes)


def _open_file(place: Path, indices: bool) -> Opened:
    # By suffix where the content tells nothing; images and DICOM are known by their first bytes.
    if is_video(place):
        return open_video(place)
    if is_nifti(place):
        return open_nifti(place)
    if is_itk_file(place):
        return open_itk(place)
    if place.suffix.lower() == ".npy":
        return open_numpy(place)
    if is_image_file(place):
        if is_animation(place):
            return open_animation(place)
        # A single image is small enough to hold; there is no axis before Y and X.
        image = read_image(place, indices=indices)
        planes = ArrayPlanes(image, "yxs" if image.ndim == 3 else "yx")
        return Opened(planes, "")
    raise ValueError(f"{place} is not {_KINDS}")

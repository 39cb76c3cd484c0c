"""`open_stack` and `open_volumes`: image files as stacks of frames or time-lapses of volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2.data.images.selection import Selection, check_axis
from napari_sam2.data.images.stack import Stack, stack_of
from napari_sam2.data.images.volume_series import VolumeSeries, series_of

from .open_image import open_image

if TYPE_CHECKING:
    import os


def open_stack(path: str | os.PathLike[str], *, axis: str | None = None, selection: Selection | None = None) -> Stack:
    """Open a file or a folder as a stack, without reading its frames.

    Parameters
    ----------
    path : str or path-like
        A TIFF file (ImageJ, OME or plain), an OME-Zarr or zarr folder, a video (mp4, avi, mov, mkv, webm), a NIfTI
        file, a DICOM file or a folder with a DICOM series, a CZI, ND2 or LIF file, a NumPy file, a single PNG, JPEG or
        GIF image, or a folder of images of one kind and shape, taken in natural order of their names.
    axis : {"t", "z"}, optional
        What the frames are. By default what the file says, and time where it says nothing. A file with both
        time and depth needs it.
    selection : Selection, optional
        Place on the axis that is not tracked, channels and resolution, for a file with several; and a crop or every
        n-th frame, where only that part is wanted.

    Returns
    -------
    Stack
        With pixel size, step and units where the file states them. Frames are read one by one, except from TIFF
        files that compress several frames into one block and from compressed NIfTI files.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        If it is no image, the choice of axis, place or channels is missing or does not exist, or a folder's
        images differ; the message names the file.
    MissingExtraError
        If reading it takes a package that is not installed; the message names the extra.
    """
    selection = selection or Selection()
    axis = axis or selection.axis
    # Before the file is opened, which can take seconds.
    if axis is not None:
        check_axis(axis)
    place, opened = open_image(path, selection.level, series=selection.series)
    try:
        # A wrong choice must not leave the file open: on Windows it could not be moved or removed.
        return stack_of(opened, axis, selection, name=str(place), path=place)
    except ValueError:
        opened.planes.close()
        raise


def open_volumes(path: str | os.PathLike[str], *, selection: Selection | None = None) -> VolumeSeries:
    """Open a file with time and depth, without reading its planes.

    Parameters
    ----------
    path : str or path-like
        Any file that `open_stack` opens and that has both axes.
    selection : Selection, optional
        Channels and resolution.

    Returns
    -------
    VolumeSeries
        With sizes and units where the file states them.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        If it is no image, has not both time and depth, or the choice of channels is missing or does not exist.
    MissingExtraError
        If reading it takes a package that is not installed; the message names the extra.
    """
    selection = selection or Selection()
    place, opened = open_image(path, selection.level, series=selection.series)
    try:
        return series_of(opened, selection, name=str(place), path=place)
    except ValueError:
        opened.planes.close()
        raise

"""The export formats: name, file, writer, needs and losses of each; and `export_results`."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_sam2.data.files.atomic_files import replacing
from napari_sam2.data.files.optional_packages import load_extra
from napari_sam2.data.pictures.overlay import write_overlay
from napari_sam2.wording import out_of_date

from .coco import write_coco, write_sav
from .format_entry import Format
from .kept_geometry import GEOMETRY, lost_geometry
from .medical import check_axis_known, check_dicom, write_dicom_seg, write_nifti
from .movies import is_cutout_images, write_blurred_video, write_cutout_images, write_cutout_video, write_flat_video
from .ome_zarr_labels import is_ome_zarr_labels, write_ome_zarr, write_ome_zarr_04
from .provenance_labels import is_provenance, write_provenance
from .tables import write_scores, write_tracks
from .tiff_and_tables import write_labels_tiff
from .tracks.ctc import check_time, is_ctc, write_ctc
from .tracks.geff import is_geff, write_geff
from .tracks.measurements import is_measurements, write_measurements
from .tracks.trackmate import write_trackmate
from .training_sets import check_nnunet, is_nnunet, is_yolo, write_nnunet, write_yolo

if TYPE_CHECKING:
    import os

    from napari_sam2.data.images.stack import Stack

    from .export_data import Results


class UnfitFormatError(ValueError):
    """A format cannot hold a stack."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def _tiff(path: Path, results: Results) -> None:
    _labels_tiff(path, results, ome=False)


def _ome_tiff(path: Path, results: Results) -> None:
    _labels_tiff(path, results, ome=True)


def _labels_tiff(path: Path, results: Results, *, ome: bool) -> None:
    largest_id = max(results.object_ids, default=0)
    write_labels_tiff(path, results.labels, results.volumes or results.stack, largest_id=largest_id, ome=ome)


def _overlay(path: Path, results: Results) -> None:
    write_overlay(path, results.stack, results.labels, results.scores, window=results.window)


# Labels are written as uint16, or uint32 where that is too small.
_LARGEST_ID = 2**32 - 1
# What formats lose that hold pixels and nothing else.
_MASKS_ONLY = "names, scores"
_SIZES = ("axis", "sizes", "units")
_PLACE = (*_SIZES, "place", "direction")
# In the order in which help texts and menus list them.
_FORMATS = (
    Format("tiff", "ImageJ TIFF of the labels", "labels.tif", _tiff, _MASKS_ONLY, volumes=True, keeps=_SIZES),
    Format("ome-tiff", "OME-TIFF of the labels", "labels.ome.tif", _ome_tiff, _MASKS_ONLY, volumes=True, keeps=_SIZES),
    Format(
        "ome-zarr",
        "OME-Zarr 0.5 labels with colours and properties",
        "labels.ome.zarr",
        write_ome_zarr,
        "scores of single frames",
        modules=("zarr",),
        is_own=is_ome_zarr_labels,
        volumes=True,
        keeps=_PLACE,
    ),
    Format(
        "ome-zarr-0.4",
        "OME-Zarr 0.4 labels with colours and properties",
        "labels-v04.ome.zarr",
        write_ome_zarr_04,
        "scores of single frames",
        modules=("zarr",),
        is_own=is_ome_zarr_labels,
        volumes=True,
        keeps=_PLACE,
    ),
    Format(
        "csv", "scores and measurements per frame and object", "scores.csv", write_scores, "shapes, names", volumes=True
    ),
    Format(
        "provenance",
        "label image of who made each mask, with a legend",
        "provenance",
        write_provenance,
        "ids, scores",
        is_own=is_provenance,
        volumes=True,
        keeps=_SIZES,
    ),
    Format("tracks", "centres for napari's Tracks layer", "tracks.csv", write_tracks, "shapes, names", volumes=True),
    Format(
        "ctc",
        "Cell Tracking Challenge folder",
        "ctc",
        write_ctc,
        "sizes, scores; one id through a gap",
        check=partial(check_time, what="the Cell Tracking Challenge's format (ctc)"),
        is_own=is_ctc,
        keeps=("axis",),
    ),
    Format(
        "geff",
        "GEFF graph of the tracks, with the labels",
        "tracks.zarr",
        write_geff,
        "names",
        modules=("geff", "zarr"),
        check=partial(check_time, what="GEFF (geff)"),
        is_own=is_geff,
        volumes=True,
    ),
    Format(
        "trackmate",
        "TrackMate XML with outlines",
        "trackmate.xml",
        write_trackmate,
        "pieces apart, holes",
        check=partial(check_time, what="TrackMate's format (trackmate)"),
    ),
    Format(
        "measurements",
        "tables of size, shape, brightness and motion",
        "measurements",
        write_measurements,
        "shapes",
        is_own=is_measurements,
    ),
    Format("coco", "COCO JSON", "coco.json", write_coco, "sizes, axis"),
    Format(
        "yolo",
        "YOLO data set: images, and outlines with classes",
        "yolo",
        write_yolo,
        "ids, names, scores, holes",
        needs_pixels=True,
        is_own=is_yolo,
    ),
    Format(
        "nnunet",
        "nnU-Net data set: images, and labels by class",
        "Dataset001_sam2",
        write_nnunet,
        "ids, names, scores",
        modules=("nibabel",),
        needs_pixels=True,
        check=check_nnunet,
        is_own=is_nnunet,
        needs_axis=True,
    ),
    Format("sav", "SA-V JSON", "sav.json", write_sav, "sizes, axis, names, scores"),
    Format(
        "nifti",
        "NIfTI labels",
        "labels.nii.gz",
        write_nifti,
        _MASKS_ONLY,
        modules=("nibabel",),
        check=check_axis_known,
        needs_axis=True,
        keeps=tuple(GEOMETRY),
    ),
    Format(
        "dicom-seg",
        "DICOM segmentation of a DICOM series",
        "labels.dcm",
        write_dicom_seg,
        "scores; ids become segment numbers",
        modules=("pydicom", "highdicom"),
        check=check_dicom,
        keeps=tuple(GEOMETRY),
    ),
    Format("gif", "animation with outlines and scores", "overlay.gif", _overlay, "exact labels", needs_pixels=True),
    Format("png", "six frames with outlines and scores", "overlay.png", _overlay, "exact labels", needs_pixels=True),
    Format("mp4", "video with outlines and scores", "overlay.mp4", _overlay, "exact labels", ("av",), True),
    Format("cutout", "video without background (transparent)", "cutout.mov", write_cutout_video, "ids", ("av",), True),
    Format("cutout-mp4", "video without background (one colour)", "cutout.mp4", write_flat_video, "ids", ("av",), True),
    Format("blur-mp4", "video with a blurred background", "blurred.mp4", write_blurred_video, "ids", ("av",), True),
    Format(
        "cutout-png",
        "images without background (transparent)",
        "cutout",
        write_cutout_images,
        "ids",
        needs_pixels=True,
        is_own=is_cutout_images,
    ),
)
FORMATS: Mapping[str, Format] = MappingProxyType({one.name: one for one in _FORMATS})


def find_format(name: str) -> Format:
    """Look up a format.

    Parameters
    ----------
    name : str
        Its name.

    Returns
    -------
    Format
        The format.

    Raises
    ------
    ValueError
        If there is none of that name; the message gives the nearest, and all.
    """
    if name in FORMATS:
        return FORMATS[name]
    near = difflib.get_close_matches(name, FORMATS, 1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ValueError(f"there is no format {name!r}{hint}: choose among {', '.join(FORMATS)}")


def check_formats(
    names: Iterable[str], stack: Stack, *, has_pixels: bool = True, volumes: bool = False
) -> list[Format]:
    """Check that results of a stack can be written in some formats, before any time is spent on them.

    Parameters
    ----------
    names : iterable of str
        Names of formats.
    stack : Stack
        What is to be tracked.
    has_pixels : bool, default: True
        Whether the images are at hand.
    volumes : bool, default: False
        Whether the stack is the planes of volumes over time.

    Returns
    -------
    list of Format
        The formats, each once.

    Raises
    ------
    ValueError
        If a name is unknown, or a format cannot hold this stack.
    MissingExtraError
        If a package is not installed; the message names the extra.
    """
    # Names are unique and in the order given.
    formats = [find_format(name) for name in dict.fromkeys(names)]
    for one in formats:
        for module in one.modules:
            # Importing now finds missing packages before hours of tracking, not after.
            load_extra(module, f"the format {one.name}")
        if one.needs_pixels and not has_pixels:
            raise ValueError(f"the format {one.name} shows the images, and they are not at hand")
        if volumes and not one.volumes:
            able = ", ".join(name for name, known in FORMATS.items() if known.volumes)
            raise ValueError(f"the format {one.name} cannot hold volumes over time: choose among {able}")
        if one.check is not None:
            try:
                one.check(stack)
            except ValueError as error:
                raise UnfitFormatError(one.name, str(error)) from error
    return formats


def export_results(results: Results, name: str, path: str | os.PathLike[str], *, overwrite: bool = True) -> Path:
    """Write results in one format, whole or not at all.

    Parameters
    ----------
    results : Results
        What to write.
    name : str
        Name of the format.
    path : str or path-like
        The file or folder.
    overwrite : bool, default: True
        Whether what is there may be replaced. A folder that holds anything but this format's own files never is.

    Returns
    -------
    Path
        The file or folder.

    Raises
    ------
    ValueError
        If the format is unknown or cannot hold these results, or `path` holds what may not be replaced.
    OSError
        If it cannot be written; what was at `path` is as it was.
    MissingExtraError
        If a package is not installed; the message names the extra.
    """
    volumes = results.volumes is not None
    # What can be known is checked before the first byte is written.
    (chosen,) = check_formats([name], results.stack, has_pixels=results.has_pixels, volumes=volumes)
    _check_ids(chosen, results)
    target = Path(path)
    check_replaceable(chosen, target, overwrite=overwrite)
    # Writers only ever see a path where nothing exists.
    with replacing(target) as draft:
        chosen.write(draft, results)
    if results.out_of_date:
        warnings.warn(f"{target.name}: {out_of_date(results.out_of_date)}: update, then export again", stacklevel=2)
    if chosen.keeps is not None and (lost := lost_geometry(chosen.keeps, results.geometry)):
        warnings.warn(
            f"{target.name} does not say {' and '.join(lost)}: {chosen.title} has no place for it", stacklevel=2
        )
    return target


def _check_ids(chosen: Format, results: Results) -> None:
    """Refuse ids that would wrap around onto other objects; layers and arrays of any origin may hold such."""
    ids = results.object_ids
    odd = [i for i in ids[:1] if i < 1] + [i for i in ids[-1:] if i > _LARGEST_ID]
    if odd:
        known = f"ids are whole numbers from 1 to {_LARGEST_ID}"
        raise ValueError(f"the format {chosen.name} cannot hold the object id {odd[0]}: {known}")


def check_replaceable(chosen: Format, target: Path, *, overwrite: bool) -> None:
    """Check that a format may be written to a path.

    Parameters
    ----------
    chosen : Format
        The format.
    target : Path
        Where to.
    overwrite : bool
        Whether results of an earlier export may be replaced.

    Raises
    ------
    ValueError
        If something is there that may not.
    """
    if not target.exists():
        return
    # Formats with `is_own` write folders, all others files.
    if target.is_dir() != (chosen.is_own is not None):
        kind, other = ("a folder", "a file") if target.is_dir() else ("a file", "a folder")
        raise ValueError(f"{target} is {kind}, but the format {chosen.name} is {other}: name another place")
    is_empty_folder = target.is_dir() and not any(target.iterdir())
    if not overwrite and not is_empty_folder:
        raise ValueError(f"{target} is there already: name another place, or add --overwrite to replace it")
    # Replacing a folder removes everything in it, so it must hold nothing else.
    if chosen.is_own is not None and not chosen.is_own(target) and not is_empty_folder:
        raise ValueError(f"{target} holds more than an earlier export in the format {chosen.name}: name another folder")

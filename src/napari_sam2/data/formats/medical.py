"""Export of labels as NIfTI and DICOM-SEG."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.files.optional_packages import load_extra
from napari_sam2.data.images.calibration import in_millimetres, in_seconds
from napari_sam2.data.labels.label_stack import label_dtype
from napari_sam2.data.pictures.outlines import object_color
from napari_sam2.data.readers.scans.dicom import has_dicom, series_files

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam2.data.images.geometry import Geometry
    from napari_sam2.data.images.stack import Stack

    from .export_data import Results

_MOST_SEGMENTS = 65535
# The names that nibabel has for units other than millimetres.
_NIFTI_UNITS = {"um": "micron", "m": "meter"}


def write_nifti(path: Path, results: Results) -> None:
    """Write labels as NIfTI: (X, Y, Z), or (X, Y, 1, T) for time.

    Over a NIfTI or DICOM image the affine is the image's, so that the labels lie on it; else it holds the sizes, in
    millimetres where the unit is a length.
    """
    voxels = np.zeros(results.stack.shape, label_dtype(results.object_ids))
    for frame in range(results.stack.n_frames):
        voxels[frame] = results.labels[frame]
    save_nifti(path, voxels, results.stack)


def save_nifti(path: Path, voxels: NDArray[Any], stack: Stack) -> None:
    """Write (T, Y, X) voxels of a stack where the stack lies."""
    nibabel = load_extra("nibabel", "writing NIfTI files")
    # NIfTI runs x, y, z, and has time as its fourth axis.
    order = voxels.transpose(2, 1, 0)
    frames = stack.geometry.taken()
    affine = _affine(frames)
    image = nibabel.Nifti1Image(order if stack.axis == "z" else order[:, :, None, :], affine)
    # An affine in micrometres stays in them: so the labels lie on the image in programs that look at no units.
    space = _NIFTI_UNITS.get(frames.axes[-1].unit or "mm", "mm") if frames.affine else "mm"
    image.header.set_xyzt_units(space, "sec")
    # Code 1: scanner coordinates. The qform cannot hold shears; readers prefer the sform.
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1, strip_shears=True)
    if stack.axis == "t":
        image.header["pixdim"][4] = in_seconds(stack.step or 1.0, stack.step_unit)
    nibabel.save(image, path)


def check_axis_known(stack: Stack) -> None:
    """Check that it was said whether the frames are time or depth."""
    if not stack.is_axis_known:
        raise ValueError(
            f"{stack.path or 'the stack'} does not say whether its frames are time or depth, and NIfTI keeps them on "
            "different axes: say which with axis (--axis t or --axis z)"
        )


def check_dicom(stack: Stack) -> None:
    """Check that labels of a stack can be written as DICOM-SEG."""
    if stack.path is None or not has_dicom(stack.path):
        raise ValueError(f"DICOM-SEG refers to the DICOM series that was tracked, and {stack.path or 'this'} is none")
    if stack.axis != "z" or stack.geometry.affine is None:
        raise ValueError(
            f"DICOM-SEG holds one volume of slices with positions, and {stack.path} was not opened as such"
        )
    # Each segment refers to slices by file; an enhanced file with all frames has only one.
    count = len(series_files(stack.path, stack.geometry.selection.series))
    if count % stack.n_frames or count < stack.n_frames:
        raise ValueError(
            f"DICOM-SEG is written for series with a file for every slice: {stack.path} has {count} files for "
            f"{stack.n_frames} frames"
        )


def write_dicom_seg(path: Path, results: Results) -> None:
    """Write labels as a DICOM segmentation, a segment per object, that refers to the series it was made from.

    Segments are numbered from 1 on, in the order of the objects' ids; the segment's label is the object's name,
    and the type of its property the object's class.
    """
    highdicom = load_extra("highdicom", "writing DICOM-SEG")
    check_dicom(results.stack)
    ids = results.object_ids
    if not ids:
        raise ValueError("DICOM-SEG needs at least one object, and the labels are empty")
    if len(ids) > _MOST_SEGMENTS:
        raise ValueError(f"DICOM-SEG numbers up to {_MOST_SEGMENTS} segments, and there are {len(ids)} objects")
    # Segments are numbered 1, 2, 3, ...: each id becomes its place among the ids.
    frames = [np.searchsorted(ids, results.labels[t], side="right") for t in range(results.stack.n_frames)]
    masks = np.stack([np.where(results.labels[t] > 0, frame, 0) for t, frame in enumerate(frames)])
    segmentation = highdicom.seg.Segmentation(
        source_images=_source_images(results.stack),
        pixel_array=masks.astype(np.uint8 if len(ids) < 256 else np.uint16),
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(number, i, results) for number, i in enumerate(ids, start=1)],
        series_instance_uid=highdicom.UID(),
        series_number=100,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="napari-sam2",
        manufacturer_model_name="napari-sam2",
        software_versions=_version(),
        device_serial_number="0",
        content_label="SAM2",
    )
    segmentation.save_as(path)


def _affine(frames: Geometry) -> NDArray[np.float64]:
    """Matrix from (x, y, z, 1) to the image's own world, or to millimetres where it has none."""
    if frames.affine is not None:
        return np.array(frames.affine)
    affine = np.eye(4)
    for axis in frames.axes:
        if axis.name in "xyz":
            row = "xyz".index(axis.name)
            affine[row, row] = in_millimetres(axis.scale or 1.0, axis.unit)
            affine[row, 3] = in_millimetres(axis.translation, axis.unit)
    return affine


def _source_images(stack: Stack) -> list[Any]:
    """Read the headers of the slices that were tracked."""
    pydicom = load_extra("pydicom", "writing DICOM-SEG")
    assert stack.path is not None
    # Files come volume after volume.
    start = stack.geometry.place_on("t") * stack.n_frames
    chosen = series_files(stack.path, stack.geometry.selection.series)[start : start + stack.n_frames]
    return [pydicom.dcmread(file, stop_before_pixels=True) for file in chosen]


def _segment(number: int, object_id: int, results: Results) -> Any:
    highdicom = load_extra("highdicom", "writing DICOM-SEG")
    codes = load_extra("pydicom.sr.codedict", "writing DICOM-SEG").codes
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name="SAM 2", family=codes.DCM.ArtificialIntelligence, version=_version(), source="napari-sam2"
    )
    kind = codes.SCT.Tissue
    if object_id in results.classes:
        # Classes are the user's own words: a private scheme, whose designator begins with 99.
        name = results.class_of(object_id)
        kind = highdicom.sr.CodedConcept(f"CLASS{results.class_numbers[name]}", "99NAPARISAM2", name)
    color = highdicom.color.CIELabColor.from_rgb(*object_color(object_id))
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        # The standard allows 64 characters.
        segment_label=results.name_of(object_id)[:64],
        segmented_property_category=codes.SCT.Tissue,
        segmented_property_type=kind,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
        algorithm_identification=algorithm,
        tracking_uid=highdicom.UID(),
        tracking_id=f"object {object_id}",
        display_color=color,
    )


def _version() -> str:
    return version("napari-sam2")

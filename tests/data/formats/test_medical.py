"""NIfTI and DICOM-SEG, read back with nibabel and highdicom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_sam2.data import Calibration, Selection, Stack, open_stack
from napari_sam2.data.formats import Results, export_results

nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")
highdicom = pytest.importorskip("highdicom", reason="highdicom is not installed")
pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed")

VOLUME = np.random.default_rng(0).integers(-500, 500, (5, 12, 16)).astype(np.int16)
AFFINE = np.array([[-0.5, 0.1, 0, 10], [0, -0.75, 0, 20], [0, 0, 3, -30], [0, 0, 0, 1.0]])


def labels() -> np.ndarray:
    array = np.zeros(VOLUME.shape, np.uint16)
    array[1:4, 2:6, 3:9] = 3
    array[2:, 8:11, 10:15] = 700
    return array


def test_nifti_lies_on_the_image_it_came_from(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(VOLUME.transpose(2, 1, 0), AFFINE), tmp_path / "scan.nii.gz")
    path = export_results(Results(labels(), open_stack(tmp_path / "scan.nii.gz")), "nifti", tmp_path / "labels.nii.gz")
    image = nibabel.load(path)
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), labels().transpose(2, 1, 0))
    assert image.get_data_dtype() == np.uint16
    np.testing.assert_allclose(image.affine, AFFINE)


def test_nifti_of_a_dicom_series(tmp_path: Path, write_series) -> None:
    (tmp_path / "series").mkdir()
    write_series(tmp_path / "series", VOLUME, shuffled=True)
    image = nibabel.load(
        export_results(Results(labels(), open_stack(tmp_path / "series")), "nifti", tmp_path / "l.nii")
    )
    # DICOM's corner is at (-10, -20, -30), counted to the left and back.
    np.testing.assert_allclose(image.affine, [[-0.5, 0, 0, 10], [0, -0.75, 0, 20], [0, 0, 3, -30], [0, 0, 0, 1]])
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), labels().transpose(2, 1, 0))


@pytest.mark.parametrize("axis", ["t", "z"])
def test_nifti_of_a_microscope_has_millimetres(tmp_path: Path, axis: str) -> None:
    calibration = Calibration((0.5, 0.25), 1500 if axis == "t" else 2, "um", "ms" if axis == "t" else "um")
    stack = Stack.from_array(VOLUME, axis, calibration=calibration)
    image = nibabel.load(export_results(Results(labels(), stack), "nifti", tmp_path / "labels.nii.gz"))
    if axis == "z":
        assert image.shape == (16, 12, 5)
        assert image.header.get_zooms() == pytest.approx((0.00025, 0.0005, 0.002))
    else:
        assert image.shape == (16, 12, 1, 5)
        assert image.header.get_zooms() == pytest.approx((0.00025, 0.0005, 1, 1.5))
    assert image.header.get_xyzt_units() == ("mm", "sec")
    with open_stack(tmp_path / "labels.nii.gz") as back:
        assert back.axis == axis
        np.testing.assert_array_equal(back.read(2), labels()[2])


def test_nifti_asks_whether_frames_are_time_or_depth(tmp_path: Path) -> None:
    np.save(tmp_path / "frames.npy", VOLUME)
    for stack in (Stack.from_array(VOLUME), open_stack(tmp_path / "frames.npy").part(every=2)):
        found = labels()[: stack.n_frames]
        with pytest.raises(ValueError, match=r"time or depth.*--axis t or --axis z"):
            export_results(Results(found, stack), "nifti", tmp_path / "labels.nii.gz")
        export_results(Results(found, stack), "ome-tiff", tmp_path / "labels.ome.tif")
    for known in (Stack.from_array(VOLUME, "z"), Stack.from_array(VOLUME, axes="zyx"), Stack.from_array(VOLUME[:1])):
        export_results(Results(labels()[: known.n_frames], known), "nifti", tmp_path / "labels.nii.gz")


def test_one_slice_over_time_keeps_its_place(tmp_path: Path) -> None:
    cine = np.stack([VOLUME] * 5)
    nibabel.save(nibabel.Nifti1Image(cine.transpose(3, 2, 1, 0), AFFINE), tmp_path / "cine.nii")
    stack = open_stack(tmp_path / "cine.nii", axis="t", selection=Selection(at=4))
    image = nibabel.load(export_results(Results(labels(), stack), "nifti", tmp_path / "labels.nii"))
    np.testing.assert_allclose(image.affine @ (3, 2, 0, 1), AFFINE @ (3, 2, 4, 1))


def read_segmentation(path: Path, sources: list) -> tuple[dict[int, str], np.ndarray]:
    """Give the segments' labels and the (frames, Y, X) numbers, in the order of the source images."""
    segmentation = highdicom.seg.segread(path)
    names = {n: segmentation.get_segment_description(n).segment_label for n in segmentation.segment_numbers}
    uids = [source.SOPInstanceUID for source in sources]
    options = {"combine_segments": True, "assert_missing_frames_are_empty": True, "ignore_spatial_locations": False}
    return names, segmentation.get_pixels_by_source_instance(uids, **options)


@pytest.mark.parametrize("shuffled", [False, True])
def test_dicom_seg(tmp_path: Path, write_series, shuffled: bool) -> None:
    (tmp_path / "series").mkdir()
    files = write_series(tmp_path / "series", VOLUME, shuffled=shuffled)
    results = Results(labels(), open_stack(tmp_path / "series"), names={700: "left lobe"})
    path = export_results(results, "dicom-seg", tmp_path / "labels.dcm")
    sources = [pydicom.dcmread(file) for file in files]
    names, pixels = read_segmentation(path, sources)
    assert names == {1: "object 3", 2: "left lobe"}
    expected = labels()
    np.testing.assert_array_equal(pixels, np.select([expected == 3, expected == 700], [1, 2]))
    dataset = pydicom.dcmread(path)
    assert (dataset.PatientName, dataset.StudyInstanceUID) == ("Doe^Jo", "1.2.3")
    assert dataset.Modality == "SEG"


def test_dicom_seg_of_one_volume_of_several(tmp_path: Path, write_series) -> None:
    (tmp_path / "series").mkdir()
    files = [write_series(tmp_path / "series", VOLUME + t, time=t + 1) for t in range(3)]
    stack = open_stack(tmp_path / "series", axis="z", selection=Selection(at=1))
    path = export_results(Results(labels() // 3, stack), "dicom-seg", tmp_path / "labels.dcm")
    _, pixels = read_segmentation(path, [pydicom.dcmread(file) for file in files[1]])
    np.testing.assert_array_equal(pixels, np.select([labels() == 3, labels() == 700], [1, 2]))
    over_time = open_stack(tmp_path / "series", axis="t", selection=Selection(at=1))
    with pytest.raises(ValueError, match="holds one volume of slices with positions"):
        export_results(Results(labels()[:3], over_time), "dicom-seg", tmp_path / "other.dcm")


def test_dicom_seg_without_a_series(tmp_path: Path, write_series) -> None:
    results = Results(labels(), Stack.from_array(VOLUME, "z"))
    with pytest.raises(ValueError, match="refers to the DICOM series that was tracked"):
        export_results(results, "dicom-seg", tmp_path / "labels.dcm")
    (tmp_path / "series").mkdir()
    write_series(tmp_path / "series", VOLUME)
    empty = Results(np.zeros_like(labels()), open_stack(tmp_path / "series"))
    with pytest.raises(ValueError, match="at least one object"):
        export_results(empty, "dicom-seg", tmp_path / "labels.dcm")
    assert [one.name for one in tmp_path.iterdir()] == ["series"]


def test_dicom_seg_says_the_class_of_a_segment(tmp_path: Path, write_series) -> None:
    (tmp_path / "series").mkdir()
    write_series(tmp_path / "series", VOLUME)
    results = Results(labels(), open_stack(tmp_path / "series"), classes={700: "lobe"})
    segmentation = highdicom.seg.segread(export_results(results, "dicom-seg", tmp_path / "labels.dcm"))
    kinds = [segmentation.get_segment_description(n).segmented_property_type for n in (1, 2)]
    assert [(kind.scheme_designator, kind.meaning) for kind in kinds] == [("SCT", "Tissue"), ("99NAPARISAM2", "lobe")]

"""NIfTI and DICOM as stacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_sam2.data import Calibration, Selection, open_stack

nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")
pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed")

VOLUME = np.random.default_rng(0).integers(-500, 500, (6, 12, 16)).astype(np.int16)
AFFINE = np.array([[-0.5, 0, 0, 10], [0, -0.75, 0, 20], [0, 0, 3, -30], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_volume(tmp_path: Path, suffix: str) -> None:
    image = nibabel.Nifti1Image(VOLUME.transpose(2, 1, 0), AFFINE)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / f"scan{suffix}")
    with open_stack(tmp_path / f"scan{suffix}") as stack:
        assert (stack.axis, stack.shape, stack.dtype) == ("z", (6, 12, 16), np.int16)
        assert stack.calibration == Calibration((0.75, 0.5), 3.0, "mm", "mm")
        np.testing.assert_allclose(np.array(stack.geometry.affine), AFFINE)
        for frame in (5, 0, 3):
            np.testing.assert_array_equal(stack.read(frame), VOLUME[frame])


def test_scaled_nifti_has_its_real_values(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOLUME.transpose(2, 1, 0), AFFINE)
    image.header.set_slope_inter(0.5, 100)
    nibabel.save(image, tmp_path / "scaled.nii")
    expected = nibabel.load(tmp_path / "scaled.nii").get_fdata()
    with open_stack(tmp_path / "scaled.nii") as stack:
        assert stack.dtype == np.float32
        np.testing.assert_allclose(stack.read(2), expected[:, :, 2].T, rtol=1e-5)


def test_nifti_with_time(tmp_path: Path) -> None:
    volumes = np.stack([VOLUME, VOLUME + 1000])
    image = nibabel.Nifti1Image(volumes.transpose(3, 2, 1, 0), AFFINE)
    image.header.set_xyzt_units("mm", "msec")
    image.header["pixdim"][4] = 500
    nibabel.save(image, tmp_path / "cine.nii")
    with open_stack(tmp_path / "cine.nii", axis="t", selection=Selection(at=4)) as stack:
        assert (stack.shape, stack.step, stack.step_unit) == ((2, 12, 16), 0.5, "s")
        np.testing.assert_array_equal(stack.read(1), volumes[1, 4])
    with pytest.raises(ValueError, match=r"both time \(2\) and depth \(6\)"):
        open_stack(tmp_path / "cine.nii")


def test_nifti_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "text.nii").write_text("no scan", encoding="utf-8")
    with pytest.raises(ValueError, match=r"text.nii cannot be read as a NIfTI file"):
        open_stack(tmp_path / "text.nii")
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 4, 5, 6, 7), np.int16), AFFINE), tmp_path / "five.nii")
    with pytest.raises(ValueError, match=r"five.nii holds int16 voxels of shape \(3, 4, 5, 6, 7\)"):
        open_stack(tmp_path / "five.nii")
    nibabel.save(nibabel.Nifti1Image(VOLUME.transpose(2, 1, 0), AFFINE), tmp_path / "cut.nii")
    (tmp_path / "cut.nii").write_bytes((tmp_path / "cut.nii").read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"cut.nii cannot be read"), open_stack(tmp_path / "cut.nii") as stack:
        stack.read(5)


def test_series_is_sorted_by_position(tmp_path: Path, write_series) -> None:
    write_series(tmp_path, VOLUME, slope=1, intercept=-1024, shuffled=True)
    (tmp_path / "notes.txt").write_text("passed over", encoding="utf-8")
    with open_stack(tmp_path) as stack:
        assert (stack.axis, stack.shape, stack.dtype) == ("z", (6, 12, 16), np.int16)
        assert stack.calibration == Calibration((0.75, 0.5), 3.0, "mm", "mm")
        for frame in range(6):
            np.testing.assert_array_equal(stack.read(frame), VOLUME[frame])
        np.testing.assert_array_equal(stack.part(crop=(2, 3, 9, 11)).read(1), VOLUME[1, 2:9, 3:11])
        # The first voxel lies where DICOM says, seen from the other side.
        np.testing.assert_allclose(np.array(stack.geometry.affine) @ (2, 3, 4, 1), (10 - 1, 20 - 2.25, -30 + 12, 1))


def test_real_values_of_a_series(tmp_path: Path, write_series) -> None:
    write_series(tmp_path, VOLUME * 0.5 + 100, slope=0.5, intercept=100)
    with open_stack(tmp_path) as stack:
        assert stack.dtype == np.float32
        np.testing.assert_allclose(stack.read(2), VOLUME[2] * 0.5 + 100)


def test_series_over_time(tmp_path: Path, write_series) -> None:
    write_series(tmp_path, VOLUME, time=1)
    write_series(tmp_path, VOLUME + 100, time=2)
    with open_stack(tmp_path, axis="t", selection=Selection(at=3)) as stack:
        assert stack.shape == (2, 12, 16)
        np.testing.assert_array_equal(stack.read(1), VOLUME[3] + 100)
    with open_stack(tmp_path, axis="z", selection=Selection(at=0)) as stack:
        np.testing.assert_array_equal(stack.read(5), VOLUME[5])


def test_a_missing_slice_is_noticed(tmp_path: Path, write_series) -> None:
    files = write_series(tmp_path, VOLUME)
    files[2].unlink()
    with pytest.warns(UserWarning, match="6 mm between slices 1 and 2, else 3 mm"):
        assert open_stack(tmp_path).n_frames == 5


def test_folders_that_are_no_series(tmp_path: Path, write_series) -> None:
    write_series(tmp_path, VOLUME)
    other = write_series(tmp_path, VOLUME, series="1.2.9", prefix="other")
    with pytest.raises(ValueError, match=r"holds 2 series: 0 \(1.2.9: CT, 6 images\), .* choose one \(--series\)"):
        open_stack(tmp_path)
    for file in other[1:]:
        file.unlink()
    dataset = pydicom.dcmread(other[0])
    dataset.SeriesInstanceUID = "1.2.3.4"
    dataset.Rows, dataset.Columns = 16, 12
    dataset.save_as(other[0])
    with pytest.raises(ValueError, match=r"images of several sizes: 12 x 16 \(6\), 16 x 12 \(1\)"):
        open_stack(tmp_path)


def test_a_damaged_slice_is_named(tmp_path: Path, write_series) -> None:
    files = write_series(tmp_path, VOLUME)
    files[3].write_bytes(files[3].read_bytes()[:-200])
    with open_stack(tmp_path) as stack:
        stack.read(2)
        with pytest.raises(ValueError, match=rf"{files[3].name} cannot be read"):
            stack.read(3)


def test_single_files_of_pydicoms_own(tmp_path: Path) -> None:
    from pydicom.data import get_testdata_file

    colour = open_stack(get_testdata_file("examples_rgb_color.dcm"))
    assert (colour.shape, colour.is_rgb, colour.dtype) == ((1, 240, 320), True, np.uint8)
    dose = open_stack(get_testdata_file("rtdose.dcm"))
    assert (dose.n_frames, dose.axis) == (15, "z")
    stored = pydicom.dcmread(get_testdata_file("rtdose.dcm"))
    np.testing.assert_allclose(dose.read(7), stored.pixel_array[7] * float(stored.DoseGridScaling), rtol=1e-6)


def test_an_enhanced_multi_frame_file(tmp_path: Path, write_series) -> None:
    """All slices in one file, in any order, with their places in groups of their own."""
    (file, *_) = write_series(tmp_path, VOLUME[:1])
    dataset = pydicom.dcmread(file)
    order = [3, 0, 5, 1, 4, 2]
    dataset.NumberOfFrames = 6
    dataset.PixelData = (VOLUME[order] + 1024).astype(np.uint16).tobytes()
    measures, orientation, values = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    measures.PixelSpacing, measures.SliceThickness = dataset.PixelSpacing, dataset.SliceThickness
    orientation.ImageOrientationPatient = dataset.ImageOrientationPatient
    values.RescaleSlope, values.RescaleIntercept = 1, -1024
    shared = pydicom.Dataset()
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    shared.PixelValueTransformationSequence = [values]
    dataset.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for number in order:
        position, group = pydicom.Dataset(), pydicom.Dataset()
        position.ImagePositionPatient = [-10, -20, -30 + 3 * number]
        group.PlanePositionSequence = [position]
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = groups
    for name in "PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "RescaleSlope", "RescaleIntercept":
        delattr(dataset, name)
    del dataset.SliceThickness
    dataset.save_as(tmp_path / "enhanced.dcm")
    with open_stack(tmp_path / "enhanced.dcm") as stack:
        assert (stack.axis, stack.calibration) == ("z", Calibration((0.75, 0.5), 3.0, "mm", "mm"))
        np.testing.assert_array_equal(np.stack([stack.read(i) for i in range(6)]), VOLUME)
        np.testing.assert_allclose(np.array(stack.geometry.affine)[:3, 3], (10, 20, -30))


def test_a_cine_loop(tmp_path: Path, write_series) -> None:
    (file, *_) = write_series(tmp_path, VOLUME[:1])
    dataset = pydicom.dcmread(file)
    del dataset.ImagePositionPatient
    dataset.NumberOfFrames, dataset.FrameTime = 6, 40
    dataset.PixelData = (VOLUME + 1024).astype(np.uint16).tobytes()
    dataset.save_as(tmp_path / "cine.dcm")
    with open_stack(tmp_path / "cine.dcm") as stack:
        assert (stack.axis, stack.n_frames, stack.step, stack.step_unit) == ("t", 6, pytest.approx(0.04), "s")
        np.testing.assert_array_equal(stack.read(4), VOLUME[4])


@pytest.mark.parametrize("series", ["1.2.9", "0"])
def test_one_of_several_series(tmp_path: Path, write_series, series: str) -> None:
    write_series(tmp_path, VOLUME, prefix="z")
    write_series(tmp_path, VOLUME + 7, series="1.2.9", prefix="other")
    with open_stack(tmp_path, selection=Selection(series=series)) as stack:
        np.testing.assert_array_equal(stack.read(3), VOLUME[3] + 7)
        assert stack.geometry.selection.series == series
    with pytest.raises(ValueError, match="there is no 'x' among them"):
        open_stack(tmp_path, selection=Selection(series="x"))
    np.save(tmp_path / "a.npy", VOLUME)
    with pytest.raises(ValueError, match="--series is for those"):
        open_stack(tmp_path / "a.npy", selection=Selection(series="0"))


def test_series_in_subfolders(tmp_path: Path, write_series) -> None:
    for name, shift in (("a", 0), ("b", 7)):
        place = tmp_path / "patient" / "study" / name
        place.mkdir(parents=True)
        write_series(place, VOLUME + shift, series=f"1.2.{shift}")
    (tmp_path / "DICOMDIR").write_bytes(b"index")
    with open_stack(tmp_path, selection=Selection(series="1.2.7")) as stack:
        np.testing.assert_array_equal(stack.read(3), VOLUME[3] + 7)
    with open_stack(tmp_path / "patient" / "study" / "a") as stack:
        np.testing.assert_array_equal(stack.read(3), VOLUME[3])


def changed(file: Path, frames: np.ndarray, **values: object) -> None:
    """Make a multi-frame file of a slice."""
    header = pydicom.dcmread(file)
    header.NumberOfFrames = len(frames)
    header.PixelData = (frames + 500).astype(np.uint16).tobytes()
    for name, value in values.items():
        if value is not None:
            setattr(header, name, value)
        elif name in header:
            delattr(header, name)
    header.save_as(file)


def test_a_scout_is_no_slice(tmp_path: Path, write_series) -> None:
    files = write_series(tmp_path, VOLUME)
    header = pydicom.dcmread(files[2])
    header.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    header.save_as(files[2])
    with pytest.raises(ValueError, match="several orientations, 5 like the first and 1 turned against it"):
        open_stack(tmp_path)


def test_a_dose_is_a_volume(tmp_path: Path, write_series) -> None:
    (file, *_) = write_series(tmp_path, VOLUME[:1])
    offsets = [0, 2.5, 5, 7.5, 10, 12.5]
    values = {"Modality": "RTDOSE", "DoseGridScaling": "0.001", "GridFrameOffsetVector": offsets}
    changed(file, VOLUME, **values, RescaleSlope=None, RescaleIntercept=None)
    with open_stack(file) as stack:
        assert (stack.axis, stack.shape, stack.step, stack.step_unit) == ("z", (6, 12, 16), 2.5, "mm")
        np.testing.assert_allclose(stack.read(4), (VOLUME[4] + 500.0) * 0.001, rtol=1e-6)


def test_a_slide_is_no_stack(tmp_path: Path, write_series) -> None:
    (file, *_) = write_series(tmp_path, VOLUME[:1])
    changed(file, VOLUME, SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.6")
    with pytest.raises(ValueError, match="is a slide, whose frames are its tiles"):
        open_stack(file)


@pytest.mark.parametrize(
    ("values", "axis"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.3"}, "z"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]}, "z"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]}, "t"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "DYNAMIC", "EMISSION"]}, "t"),
    ],
)
def test_tomography_is_depth_without_positions_too(
    tmp_path: Path, write_series, values: dict[str, object], axis: str
) -> None:
    (file, *_) = write_series(tmp_path, VOLUME[:1])
    changed(file, VOLUME, **values, ImagePositionPatient=None, ImageOrientationPatient=None, SpacingBetweenSlices=2)
    with open_stack(file) as stack:
        assert (stack.axis, stack.step) == (axis, 2 if axis == "z" else None)


def test_nuclear_medicine_places_its_first_frame(tmp_path: Path, write_series) -> None:
    (file, *_) = write_series(tmp_path, VOLUME[:1])
    detector = pydicom.Dataset()
    detector.ImagePositionPatient, detector.ImageOrientationPatient = [1, 2, 3], [1, 0, 0, 0, 1, 0]
    values = {"ImageType": ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"], "SpacingBetweenSlices": 2}
    nowhere = {"ImagePositionPatient": None, "ImageOrientationPatient": None}
    changed(file, VOLUME, **values, **nowhere, DetectorInformationSequence=[detector])
    with open_stack(file) as stack:
        assert (stack.axis, stack.step) == ("z", 2)
        np.testing.assert_allclose(np.array(stack.geometry.affine) @ (0, 0, 5, 1), (-1, -2, 13, 1))

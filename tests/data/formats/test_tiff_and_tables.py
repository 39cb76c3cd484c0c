from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_sam2.data import (
    Calibration,
    LabelStack,
    ScoreRow,
    ScoreTable,
    Stack,
    Window,
    describe_stack,
    open_stack,
    read_scores_csv,
    read_session_json,
    write_labels_tiff,
    write_scores_csv,
    write_session_json,
)


def label_array(n_frames: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4, (n_frames, 12, 17)).astype(np.uint16)


@pytest.mark.parametrize(
    ("axis", "calibration"),
    [
        ("t", Calibration((0.5, 0.25), 2.5, "um", "s")),
        ("z", Calibration((0.5, 0.25), 1.5, "um", "um")),
        ("t", Calibration((3.0, 3.0), None, "Ångström-ish")),
        ("t", Calibration()),
        ("z", Calibration()),
    ],
)
def test_labels_keep_the_sizes_of_the_images(tmp_path: Path, axis: str, calibration: Calibration) -> None:
    labels = label_array()
    stack = Stack.from_array(np.zeros(labels.shape), axis, calibration=calibration)
    path = tmp_path / "out" / "labels.tif"
    write_labels_tiff(path, labels, stack)
    with tifffile.TiffFile(path) as tif:
        assert tif.is_imagej
        assert tif.series[0].axes == f"{axis.upper()}YX"
        assert tif.series[0].dtype == np.uint16
    np.testing.assert_array_equal(tifffile.imread(path), labels)
    back = open_stack(path)
    assert (back.axis, back.unit, back.step, back.step_unit) == (
        axis,
        calibration.unit,
        calibration.step,
        calibration.step_unit,
    )
    assert back.pixel_size == (calibration.pixel_size and pytest.approx(calibration.pixel_size))


@pytest.mark.parametrize(
    ("axis", "written", "read"),
    [
        ("t", Calibration(step=250, step_unit="ms"), Calibration(step=0.25, step_unit="s")),
        ("z", Calibration((100, 100), 2, "nm", "um"), Calibration((100, 100), 2000, "nm", "nm")),
    ],
)
def test_units_are_brought_together(tmp_path: Path, axis: str, written: Calibration, read: Calibration) -> None:
    stack = Stack.from_array(np.zeros((2, 12, 17)), axis, calibration=written)
    write_labels_tiff(tmp_path / "labels.tif", label_array(2), stack)
    assert open_stack(tmp_path / "labels.tif").calibration == read


def test_label_stack_and_single_image(tmp_path: Path) -> None:
    array = label_array(1)
    labels = LabelStack(array.shape)
    labels.set(0, array[0])
    write_labels_tiff(tmp_path / "labels.tif", labels, Stack.from_array(array[0]))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif"), array[0])


def test_ids_imagej_cannot_hold_make_an_ome_tiff(tmp_path: Path) -> None:
    array = label_array().astype(np.uint32)
    array[2, 3, 4] = 70000
    labels = LabelStack(array.shape, np.uint32)
    for frame, image in enumerate(array):
        labels.set(frame, image)
    calibration = Calibration((0.5, 0.25), 1.5, "um", "um")
    path = tmp_path / "labels.tif"
    write_labels_tiff(path, labels, Stack.from_array(array, "z", calibration=calibration))
    with tifffile.TiffFile(path) as tif:
        assert tif.is_ome
        assert tif.is_bigtiff
        assert tif.series[0].axes == "ZYX"
    np.testing.assert_array_equal(tifffile.imread(path), array)
    assert open_stack(path).calibration == calibration


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (label_array(4), "4 label images for 5 frames"),
        (label_array(6), "more label images than the stack's 5 frames"),
        (label_array().astype(float), "frame 0 of the labels: .* float64"),
        (label_array()[:, :, :4], r"frame 0 of the labels: .*\(12, 17\)"),
        (label_array().astype(np.uint32) + 70000, "7000. does not fit"),
    ],
)
def test_labels_that_do_not_fit_leave_the_old_file(tmp_path: Path, labels: np.ndarray, message: str) -> None:
    path = tmp_path / "labels.tif"
    path.write_text("precious", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        write_labels_tiff(path, labels, Stack.from_array(np.zeros((5, 12, 17))))
    assert path.read_text(encoding="utf-8") == "precious"
    assert os.listdir(tmp_path) == ["labels.tif"]


def test_labels_are_written_frame_by_frame(tmp_path: Path) -> None:
    """200 frames of half a megabyte go through a few megabytes of memory."""
    shape = (200, 512, 512)

    def frames() -> Iterator[np.ndarray]:
        for frame in range(shape[0]):
            yield np.full(shape[1:], frame, np.uint16)

    stack = Stack.from_array(np.broadcast_to(np.uint8(0), shape))
    path = tmp_path / "labels.tif"
    tracemalloc.start()
    write_labels_tiff(path, frames(), stack)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12e6
    assert open_stack(path).read(150).max() == 150


def scores() -> ScoreTable:
    mask = np.zeros((12, 17), bool)
    mask[2:5, 3:9] = True
    return ScoreTable(
        [
            ScoreRow.from_mask(1, 2, scores=(0.123456, 0.5), mask=mask),
            ScoreRow.from_mask(0, 2, scores=(1.0, 0.25), mask=~mask),
            ScoreRow.from_mask(0, 1, scores=(0.0, 0.75), mask=mask & False),
        ]
    )


def test_scores_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    write_scores_csv(path, scores())
    back = read_scores_csv(path)
    for ours, theirs in zip(scores(), back, strict=True):
        assert theirs.centroid == (ours.centroid and pytest.approx(ours.centroid, abs=5e-4))
        assert (theirs.frame, theirs.object_id, theirs.area) == (ours.frame, ours.object_id, ours.area)
        assert (theirs.object_score, theirs.predicted_iou) == (ours.object_score, ours.predicted_iou)
        assert theirs.bbox == ours.bbox


def test_scores_are_what_pandas_reads(tmp_path: Path) -> None:
    write_scores_csv(tmp_path / "scores.csv", scores())
    table = pd.read_csv(tmp_path / "scores.csv")
    assert list(table["object"]) == [1, 2, 2]
    assert table["bbox_x1"].isna().tolist() == [True, False, False]
    np.testing.assert_allclose(table.loc[2, ["centroid_y", "centroid_x"]].astype(float), (3, 5.5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("predicted_iou", "iou"), "must have the columns frame, object"),
        ((",0.500000,", ",high,"), "line 4: .*'high'"),
        (("1,2,0.123456,0.500000,18,3.000,5.500,2,3,5,9", "1,2"), "line 4"),
    ],
)
def test_scores_that_are_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "scores.csv"
    write_scores_csv(path, scores())
    text = path.read_text(encoding="utf-8")
    assert change[0] in text
    path.write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_scores_csv(path)


def test_session_file(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "in.tif", label_array(), imagej=True, metadata={"axes": "ZYX", "spacing": 2})
    stack = open_stack(tmp_path / "in.tif")
    path = tmp_path / "out" / "session.json"
    write_session_json(path, {"input": describe_stack(stack, Window(1, 2.5)), "model": "sam2_nano"})
    settings = read_session_json(path)
    assert settings["input"]["path"] == str((tmp_path / "in.tif").resolve())
    assert settings["input"]["shape"] == [5, 12, 17]
    assert (settings["input"]["dtype"], settings["input"]["axis"]) == ("uint16", "z")
    assert (settings["input"]["step"], settings["input"]["contrast_limits"]) == (2, [1, 2.5])
    assert settings["model"] == "sam2_nano"
    assert settings["versions"]["numpy"] == np.__version__
    rgb = describe_stack(Stack.from_array(np.zeros((2, 4, 5, 3), np.uint8)), None)
    assert (rgb["shape"], rgb["path"], rgb["contrast_limits"]) == ([2, 4, 5, 3], None, None)


def test_session_files_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    path.write_text(json.dumps([1]), encoding="utf-8")
    with pytest.raises(ValueError, match="no session file"):
        read_session_json(path)
    with pytest.raises(ValueError, match="no JSON form"):
        write_session_json(path, {"model": object()})
    assert path.read_text(encoding="utf-8") == "[1]"


@pytest.mark.parametrize("name", ["ctc_fluo_n2dh_sim01", "brats2013_flair_pat0005"])
def test_real_labels(data_dir: Path, tmp_path: Path, name: str) -> None:
    truth = tifffile.imread(data_dir / name / "labels.tif")
    labels = LabelStack(truth.shape)
    for frame, image in enumerate(truth):
        labels.set(frame, image)
    axis = json.loads((data_dir / name / "meta.json").read_text(encoding="utf-8"))["axis"]
    stack = open_stack(data_dir / name / "frames.tif", axis=axis)
    write_labels_tiff(tmp_path / "labels.tif", labels, stack)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif"), truth)
    assert open_stack(tmp_path / "labels.tif").axis == axis


@pytest.mark.parametrize("shape", [(3, 4, 1), (3, 1, 1), (3, 1, 4), (1, 4, 1)])
def test_frames_of_a_single_row_or_column(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    labels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    write_labels_tiff(tmp_path / "labels.tif", labels, Stack.from_array(labels, "z", rgb=False))
    with open_stack(tmp_path / "labels.tif", axis="z") as stack:
        np.testing.assert_array_equal([stack.read(frame) for frame in range(stack.n_frames)], labels)

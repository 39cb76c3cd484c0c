from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import regionprops

from napari_sam2.data import ScoreRow, ScoreTable
from napari_sam2.data.labels.label_storage import LabelRuns
from napari_sam2.data.labels.scores import SCORE_COLUMNS, Measures, measure


def row(frame: int, object_id: int, score: float = 0.5) -> ScoreRow:
    return ScoreRow(frame, object_id, score, 0.9)


def keys(table: ScoreTable) -> list[tuple[int, int]]:
    return [(row.frame, row.object_id) for row in table]


def test_measuring_agrees_with_scikit_image() -> None:
    rng = np.random.default_rng(0)
    image = np.kron(rng.integers(0, 9, (10, 12)), np.ones((4, 4), int)).astype(np.uint32)
    image[image == 4] = 0
    image[image == 5] = 4_000_000_000
    image[7, 11] = 70_000
    measured = measure(LabelRuns.of(image))
    assert list(measured) == np.unique(image[image > 0]).tolist()
    for object_id, measures in measured.items():
        (expected,) = regionprops((image == object_id).astype(np.uint8))
        assert measures.area == expected.area
        assert measures.centroid == pytest.approx(expected.centroid, rel=1e-12)
        assert measures.bbox == expected.bbox
        scored = ScoreRow.from_mask(2, object_id, scores=(0.75, 0.5), mask=image == object_id)
        assert scored == ScoreRow(2, object_id, 0.75, 0.5).measured(measures)


def test_nothing_to_measure() -> None:
    assert measure(LabelRuns.of(np.zeros((4, 5), np.uint16))) == {}
    assert row(0, 1).measured(Measures(4, (0.5, 0.5), (0, 0, 2, 2))).measured(Measures()) == row(0, 1)


def test_rows_come_sorted_and_replace_each_other() -> None:
    table = ScoreTable([row(2, 1), row(0, 2), row(0, 1), row(2, 1, 0.7)])
    assert keys(table) == [(0, 1), (0, 2), (2, 1)]
    assert len(table) == 3
    found = table.get(2, 1)
    assert found is not None
    assert found.object_score == 0.7
    assert table.get(1, 1) is None
    assert table.object_ids == [1, 2]


def test_removing_rows() -> None:
    table = ScoreTable([row(frame, object_id) for frame in range(3) for object_id in (1, 2)])
    table.remove_frames([0], object_id=1)
    assert keys(table) == [(0, 2), (1, 1), (1, 2), (2, 1), (2, 2)]
    table.remove_frames(range(2))
    assert keys(table) == [(2, 1), (2, 2)]
    table.remove_object(2)
    assert keys(table) == [(2, 1)]


def test_pandas() -> None:
    table = ScoreTable([ScoreRow(0, 1, 0.5, 0.25, 4, (1.5, 1.5), (0, 0, 4, 4)), row(1, 1)])
    frame = table.to_pandas()
    assert tuple(frame.columns) == SCORE_COLUMNS
    assert frame["area"].tolist() == [4, 0]
    assert frame["centroid_y"].isna().tolist() == [False, True]
    assert frame["bbox_y1"].isna().tolist() == [False, True]
    assert frame.loc[0, "bbox_y1"] == 4
    assert str(frame.dtypes["bbox_x0"]) == "Int64"
    assert list(ScoreTable().to_pandas().columns) == list(SCORE_COLUMNS)

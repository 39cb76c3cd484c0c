from __future__ import annotations

import numpy as np
from skimage.measure import regionprops

from napari_sam2.data import ScoreRow, ScoreTable
from napari_sam2.data.labels.scores import SCORE_COLUMNS


def row(frame: int, object_id: int, score: float = 0.5) -> ScoreRow:
    return ScoreRow(frame, object_id, score, 0.9)


def keys(table: ScoreTable) -> list[tuple[int, int]]:
    return [(row.frame, row.object_id) for row in table]


def test_measuring_agrees_with_scikit_image() -> None:
    mask = np.zeros((40, 50), bool)
    mask[3:20, 5:30] = True
    mask[25, 44] = True
    (expected,) = regionprops(mask.astype(np.uint8))
    measured = ScoreRow.from_mask(2, 3, scores=(0.75, 0.5), mask=mask)
    assert (measured.frame, measured.object_id) == (2, 3)
    assert (measured.object_score, measured.predicted_iou) == (0.75, 0.5)
    assert measured.area == expected.area
    np.testing.assert_allclose(measured.centroid, expected.centroid)
    assert measured.bbox == expected.bbox


def test_empty_mask() -> None:
    measured = ScoreRow.from_mask(0, 1, scores=(0.1, 0.2), mask=np.zeros((4, 5), bool))
    assert (measured.area, measured.centroid, measured.bbox) == (0, None, None)


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
    mask = np.eye(4, dtype=bool)
    table = ScoreTable([ScoreRow.from_mask(0, 1, scores=(0.5, 0.25), mask=mask), row(1, 1)])
    frame = table.to_pandas()
    assert tuple(frame.columns) == SCORE_COLUMNS
    assert frame["area"].tolist() == [4, 0]
    assert frame["centroid_y"].isna().tolist() == [False, True]
    assert frame["bbox_y1"].isna().tolist() == [False, True]
    assert frame.loc[0, "bbox_y1"] == 4
    assert str(frame.dtypes["bbox_x0"]) == "Int64"
    assert list(ScoreTable().to_pandas().columns) == list(SCORE_COLUMNS)

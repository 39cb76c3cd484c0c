"""The table of objects, the labels' features, and removing, renaming and hiding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_sam2.plugin.panel.object_table import COLUMNS

if TYPE_CHECKING:
    from conftest import Desk


@pytest.fixture
def two(desk: Desk) -> Desk:
    """Two objects, tracked."""
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.press("new_object")
    desk.click_shown(40, 10)
    assert desk.track()
    return desk


def cells(desk: Desk, column: str) -> list[str]:
    table = desk.find("object_table")
    return [table.item(row, COLUMNS.index(column)).text() for row in range(table.rowCount())]


def test_table_counts_what_the_session_knows(two: Desk) -> None:
    scores = two.widget.session.scores
    seen = scores[scores.object_score >= 0.5].groupby("object").size()
    lowest = scores.groupby("object").object_score.min()
    assert cells(two, "id") == ["1", "2"]
    assert cells(two, "prompts") == ["1", "1"]
    assert cells(two, "seen") == [str(seen.get(i, 0)) for i in (1, 2)]
    assert cells(two, "lowest") == [f"{lowest[i]:.2f}" for i in (1, 2)]


def test_table_and_selected_label_are_one_thing(two: Desk) -> None:
    table, labels = two.find("object_table"), two.widget.layers.labels
    table.selectRow(0)
    assert labels.selected_label == 1
    two.click_shown(10, 10)
    assert two.widget.layers.points.features["object"].tolist() == [1, 2, 1]
    labels.selected_label = 2
    assert table.selected_id == 2
    labels.selected_label = 5
    assert table.object_ids == [1, 2, 5]
    two.click_shown(30, 30)
    assert 5 in two.widget.session.object_ids


def test_features_per_label(two: Desk) -> None:
    table = two.find("object_table")
    table.item(0, COLUMNS.index("name")).setText("nucleus")
    features = two.widget.layers.labels.features.set_index("index")
    scores = two.widget.session.scores
    mine = scores[scores.object == 1].object_score
    assert features.loc[1, "name"] == "nucleus"
    assert features.loc[1, "mean_score"] == pytest.approx(mine.mean(), abs=0.001)
    assert features.loc[1, "frames_seen"] == (mine >= 0.5).sum()
    metadata = two.widget.layers.labels.metadata["object_scores"]
    assert len(metadata) == 24
    two.find("threshold").setValue(0.99)
    two.settle()
    table.item(0, COLUMNS.index("name")).setText("core")
    row = two.widget.layers.labels.features.set_index("index").loc[1]
    seen = mine.to_numpy() >= 0.99
    ends = tuple(np.flatnonzero(seen)[[0, -1]]) if seen.any() else (-1, -1)
    assert (row.first_frame, row.last_frame) == ends
    hidden = [part.split("-") for part in row.hidden.split(", ") if part]
    assert sum(int(part[-1]) - int(part[0]) + 1 for part in hidden) == (~seen).sum() > 0


def test_removing_an_object_leaves_the_other_and_can_be_undone(two: Desk) -> None:
    before = two.labels.copy()
    two.find("object_table").item(0, 1).setText("mother")
    two.find("object_table").selectRow(0)
    two.press("remove_object")
    two.settle()
    assert two.widget.session.object_ids == (2,)
    assert two.widget.layers.points.features["object"].tolist() == [2]
    assert not (two.labels == 1).any()
    assert cells(two, "id") == ["2"]
    two.press("undo")
    two.settle()
    np.testing.assert_array_equal(two.labels, before)
    assert cells(two, "id") == ["1", "2"]
    assert cells(two, "name")[0] == two.widget.objects.names[1] == "mother"


def test_hidden_object_is_transparent_and_comes_back_in_its_colour(two: Desk) -> None:
    labels = two.widget.layers.labels
    colour, other = labels.get_color(1), labels.get_color(2)
    box = two.find("object_table").item(0, COLUMNS.index("show"))
    box.setCheckState(Qt.CheckState.Unchecked)
    assert labels.get_color(1) is None or labels.get_color(1)[3] == 0
    np.testing.assert_allclose(labels.get_color(2), other)
    two.find("object_table").item(0, COLUMNS.index("show")).setCheckState(Qt.CheckState.Checked)
    np.testing.assert_allclose(labels.get_color(1), colour)


def test_threshold_decides_what_is_drawn(two: Desk) -> None:
    scores = two.widget.session.scores.set_index(["object", "frame"]).object_score
    middle = float(np.median(scores))
    two.find("threshold").setValue(round(middle, 2))
    two.settle()
    limit = two.find("threshold").value()
    for (object_id, frame), score in scores.items():
        if score < limit:
            assert not (two.labels[frame] == object_id).any()
    two.find("threshold").setValue(0.5)
    two.settle()
    np.testing.assert_array_equal(two.labels, two.widget.session.labels.to_array())


def test_the_table_is_made_taller_by_its_handle(desk: Desk) -> None:
    desk.settle()
    table, handle = desk.find("object_table"), desk.find("object_table_height")
    usual, height, left = table.minimumHeight(), table.height(), Qt.MouseButton.LeftButton
    QTest.mousePress(handle, left, pos=QPoint(20, 3))
    QTest.mouseMove(handle, QPoint(20, 203))
    QTest.mouseRelease(handle, left, pos=QPoint(20, 3))
    assert table.minimumHeight() == height + 200
    desk.until(lambda: table.height() >= height + 200)
    # The panel scrolls where it does not fit any more, and the table is never too small to use.
    before = table.height()
    QTest.keyClick(handle, Qt.Key.Key_Up)
    assert table.minimumHeight() < before
    QTest.mouseDClick(handle, left)
    assert table.minimumHeight() == usual
    desk.until(lambda: table.height() == height)
    for _ in range(40):
        QTest.keyClick(handle, Qt.Key.Key_Up)
    assert table.minimumHeight() == usual

"""The table of frames: what it lists, how it is sorted and narrowed down, where a click leads, what is saved."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam2.plugin.panel.frame_table import HEADINGS, STATES, FrameTable

if TYPE_CHECKING:
    from conftest import Desk


@pytest.fixture
def two(desk: Desk) -> Desk:
    """Two objects, tracked, the second one selected, and the table unfolded."""
    for place in ((20, 30), (40, 10)):
        desk.press("new_object")
        desk.click_shown(*place)
    assert desk.track()
    desk.widget.panel.sections["Frames"].title.click()
    return desk


def column(table: FrameTable, name: str) -> np.ndarray:
    return table.rows.columns[HEADINGS.index(name)]


def click(view: Any, row: int) -> None:
    place = view.visualRect(view.model().index(row, 0)).center()
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)


def test_rows_are_the_sessions_scores(two: Desk) -> None:
    table = two.widget.panel.frame_table
    scores = two.widget.session.scores
    mine = scores[scores.object == 2]
    assert column(table, "frame").tolist() == list(range(12))
    np.testing.assert_allclose(column(table, "score"), mine.object_score)
    np.testing.assert_allclose(column(table, "IoU"), mine.predicted_iou)
    np.testing.assert_array_equal(column(table, "area"), mine.area)
    model = two.find("frame_table").model()
    assert model.index(0, 5).data() == "prompt"
    assert model.index(3, 2).data() == f"{mine.object_score.iloc[3]:.2f}"
    two.find("frame_table_objects").setCurrentText("all objects")
    assert len(table.rows) == 24
    two.find("object_table").selectRow(0)
    two.find("frame_table_objects").setCurrentText("selected object")
    assert set(column(table, "id")) == {1}


def test_sorting_and_narrowing_down(two: Desk) -> None:
    table, view = two.widget.panel.frame_table, two.find("frame_table")
    view.sortByColumn(HEADINGS.index("area"), Qt.SortOrder.DescendingOrder)
    assert (np.diff(column(table, "area")) <= 0).all()
    two.viewer.dims.set_point(0, 6)
    two.click_shown(30, 12)
    two.find("frame_table_state").setCurrentText("out of date")
    assert sorted(column(table, "frame")) == [7, 8, 9, 10, 11]
    assert view.model().index(0, 5).data() == "out of date"
    assert (np.diff(column(table, "area")) <= 0).all()
    two.find("frame_table_state").setCurrentText("prompt")
    assert sorted(column(table, "frame")) == [0, 6]
    two.widget.panel.sections["Teach"].title.click()
    two.press("accept")
    two.find("frame_table_state").setCurrentText("accepted")
    assert column(table, "frame").tolist() == [6]
    assert view.model().index(0, 5).data() == "prompt ✓"


def test_click_goes_to_the_frame_and_selects_the_object(two: Desk) -> None:
    view = two.find("frame_table")
    two.find("frame_table_objects").setCurrentText("all objects")
    view.sortByColumn(HEADINGS.index("id"), Qt.SortOrder.AscendingOrder)
    click(view, 3)
    assert two.viewer.dims.current_step[0] == 3
    assert two.find("object_table").selected_id == 1


def test_keys_go_to_a_frame(two: Desk) -> None:
    view = two.find("frame_table")
    view.setCurrentIndex(view.model().index(3, 0))
    QTest.keyClick(view, Qt.Key.Key_Down)
    QTest.keyClick(view, Qt.Key.Key_Return)
    assert two.widget.layers.frame == int(two.widget.panel.frame_table.rows.columns[0][4])


def test_saved_rows_are_those_listed(two: Desk, tmp_path: Path) -> None:
    table, view = two.widget.panel.frame_table, two.find("frame_table")
    view.sortByColumn(HEADINGS.index("score"), Qt.SortOrder.AscendingOrder)
    table.write(tmp_path / "frames.csv")
    with (tmp_path / "frames.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows] == column(table, "frame").tolist()
    assert {row["object"] for row in rows} == {"2"}
    assert {row["state"] for row in rows} <= set(STATES)
    np.testing.assert_allclose([float(row["object_score"]) for row in rows], column(table, "score"), rtol=1e-5)

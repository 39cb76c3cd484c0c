"""Many objects: one click each, clicks on masks, and what the table's menu does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QCheckBox, QMenu

if TYPE_CHECKING:
    from conftest import Desk

PLACES = ((20, 30), (40, 10), (10, 8))


def switch(desk: Desk) -> QCheckBox:
    box: QCheckBox = desk.find("one_object_per_click")
    return box


def owners(desk: Desk) -> list[int]:
    return [int(owner) for owner in desk.widget.layers.points.features["object"]]


@pytest.fixture
def many(desk: Desk) -> Desk:
    """Three objects, of a click each."""
    switch(desk).click()
    # This model's masks lie anywhere: out of sight, none is under the mouse.
    desk.widget.layers.labels.visible = False
    for place in PLACES:
        desk.click_shown(*place)
    return desk


def test_one_press_and_a_click_for_each_object(many: Desk) -> None:
    assert owners(many) == [1, 2, 3]
    assert many.widget.session.object_ids == (1, 2, 3)
    # The next one has no row before it has a prompt.
    assert many.find("object_table").object_ids == [1, 2, 3]
    assert many.find("object_count").text() == "3 objects"
    assert many.find("status_line").text().startswith("Next click: a new object.")
    switch(many).click()
    many.find("object_table").selectRow(1)
    many.click_shown(30, 50)
    assert owners(many) == [1, 2, 3, 2]


def test_click_off_is_about_the_object_clicked_last(many: Desk) -> None:
    native = many.viewer.window._qt_viewer.canvas.native
    QTest.keyClick(native, Qt.Key.Key_Q)
    assert many.find("status_line").text().startswith("Next click: off object 3")
    many.click_shown(45, 50)
    assert owners(many) == [1, 2, 3, 3]
    assert many.widget.layers.points.features["prompt"].tolist()[-1] == "negative"
    many.click_shown(30, 50)
    assert owners(many)[-1] == 4
    assert many.widget.layers.points.features["prompt"].tolist()[-1] == "positive"


def on_mask(desk: Desk, object_id: int) -> tuple[float, float]:
    """A place in the middle of the rows of an object."""
    places = np.argwhere(desk.labels[0] == object_id)
    y, x = places[len(places) // 2]
    return float(y), float(x)


def test_click_on_a_mask_selects_its_object(many: Desk) -> None:
    layers = many.widget.layers
    layers.labels.visible = True
    many.click(*on_mask(many, 2))
    many.until(lambda: layers.selected == 2, "the object")
    assert owners(many) == [1, 2, 3]
    assert str(layers.points.mode) == "add"
    # Now the next click is about it, wherever it is, and the one after that is a new object again.
    many.click_shown(30, 50)
    assert owners(many) == [1, 2, 3, 2]
    assert layers.selected == 4
    layers.points.mode = "pan_zoom"
    many.click(*on_mask(many, 1))
    many.until(lambda: layers.selected == 1, "the object, without a tool")


def test_plot_is_about_the_newest_object_while_a_new_one_is_asked_for(many: Desk) -> None:
    assert many.track()
    assert many.widget.layers.selected == 4
    scores = many.widget.session.scores
    np.testing.assert_allclose(many.find("score_plot").scores, scores[scores.object == 3].object_score)
    assert many.find("score_plot").prompted == [0]
    assert many.find("frame_note").text().startswith("object 3 seen: confidence")
    many.find("object_table").selectRow(0)
    np.testing.assert_allclose(many.find("score_plot").scores, scores[scores.object == 1].object_score)


def ask(desk: Desk, action: str, *rows: int) -> None:
    table = desk.find("object_table")
    table.clearSelection()
    for row in rows:
        table.selectionModel().select(
            table.model().index(row, 0),
            table.selectionModel().SelectionFlag.Select | table.selectionModel().SelectionFlag.Rows,
        )
    menu: QMenu = table.menu()
    next(one for one in menu.actions() if one.objectName() == action).trigger()
    desk.settle()


@pytest.mark.parametrize(
    ("n_selected", "grey"),
    [
        (1, {"merge": "Select two or more objects", "swap": "Select two objects"}),
        (2, {"split": "Select one object"}),
        (3, {"swap": "Select two objects", "split": "Select one object"}),
    ],
)
def test_menu_says_why_a_choice_is_grey(many: Desk, n_selected: int, grey: dict[str, str]) -> None:
    table = many.find("object_table")
    table.clearSelection()
    for row in range(n_selected):
        flags = table.selectionModel().SelectionFlag
        table.selectionModel().select(table.model().index(row, 0), flags.Select | flags.Rows)
    actions = {one.objectName(): one for one in table.menu().actions()}
    assert {name for name, one in actions.items() if not one.isEnabled()} == grey.keys()
    assert all(actions[name].toolTip().startswith(why) for name, why in grey.items())


def prompt(desk: Desk, frame: int, object_id: int) -> np.ndarray:
    prompts = desk.widget.session.prompts
    (found,) = [one for one in prompts if (one.frame, one.object_id) == (frame, object_id)]
    return np.asarray(found.mask)


def test_menu_says_where_an_object_is_not_and_undo_takes_it_back(many: Desk) -> None:
    assert many.track()
    many.viewer.dims.set_point(0, 6)
    before = many.labels.copy()
    ask(many, "not_here", 1)
    assert not prompt(many, 6, 2).any()
    assert not (many.labels[6] == 2).any()
    ask(many, "ends_here", 2)
    areas = many.widget.controller.results.series(3, "area")
    assert np.all(areas[:6] > 0) and not np.nansum(areas[6:])
    assert many.widget.session.lineage.set_index("object")["end"][3] == 5
    for _ in range(2):
        many.press("undo")
        many.settle()
    np.testing.assert_array_equal(many.labels, before)


def test_menu_merges_and_tidies_up(many: Desk) -> None:
    whole = many.labels[0] > 0
    ask(many, "merge", 0, 1, 2)
    (left,) = many.widget.session.object_ids
    np.testing.assert_array_equal(prompt(many, 0, left), whole)
    torn = np.zeros_like(many.labels[0])
    torn[5:20, 5:20] = torn[30:34, 30:34] = left
    torn[10:12, 10:12] = 0
    many.widget.layers.painted.emit({0: torn})
    many.settle()
    ask(many, "keep_largest", 0)
    assert prompt(many, 0, left).sum() == 225 - 4
    ask(many, "fill_holes", 0)
    assert prompt(many, 0, left).sum() == 225
    ask(many, "fill_holes", 0)
    assert "nothing of that kind" in many.find("status_line").text()
    # It has been read as soon as something else is done.
    ask(many, "split", 0)
    assert f"Object {left} is in one piece" in many.find("status_line").text()
    ask(many, "not_here", 0)
    assert "one piece" not in many.find("status_line").text()
    # Those that have become one are listed as one.
    assert {1, 2, 3} & {*many.find("object_table").object_ids} == {left}
    ask(many, "fill_holes", 0)
    assert "nothing of that kind" in many.find("status_line").text()
    many.press("undo")
    assert "nothing of that kind" not in many.find("status_line").text()


def test_menu_divides_and_swaps_and_each_is_one_step(many: Desk) -> None:
    assert many.track()
    session = many.widget.session
    many.viewer.dims.set_point(0, 5)
    before = many.labels.copy()
    ask(many, "swap", 0, 1)
    first, second = session.object_ids[:2]
    np.testing.assert_array_equal(many.labels[5:] == first, before[5:] == second)
    many.press("undo")
    many.settle()
    torn = before[5].copy()
    torn[torn == first] = 0
    torn[2:6, 2:6] = torn[2:6, 10:14] = first
    many.widget.layers.painted.emit({5: torn})
    many.settle()
    torn = many.labels[5].copy()
    ask(many, "divides_here", 0)
    born = [child for child, mother in session.parents.items() if mother == first]
    assert len(born) == 2 and not (many.labels[5:] == first).any()
    assert many.widget.controller.results.state.parents == session.parents
    assert session.undo_name == "Divides here"
    many.press("undo")
    many.settle()
    np.testing.assert_array_equal(many.labels[5], torn)


def test_rows_are_selected_together_found_and_removed(many: Desk) -> None:
    table = many.find("object_table")
    table.item(1, 1).setText("nucleus")
    many.find("object_filter").setText("nucl")
    assert [table.isRowHidden(row) for row in range(3)] == [True, False, True]
    many.find("object_filter").setText("")
    ask(many, "remove", 0, 2)
    assert many.widget.session.object_ids == (2,)
    many.press("undo")
    many.settle()
    assert many.widget.session.object_ids == (1, 2, 3)

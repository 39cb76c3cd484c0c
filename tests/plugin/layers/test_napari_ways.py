"""What a user does in napari's own ways has the effect that the table in docs/widget.md says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pytestqt.exceptions import capture_exceptions
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam2.plugin.layers.layer_frames import is_made_for
from shown_session import check_agreement, drawn, everything_of, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Desk


def check_step(desk: Desk, act: Callable[[], object], name: str, expected: dict[tuple[int, int], list[Any]]) -> None:
    """An action is one step of this name, which is undone and done again with all that it did."""
    before = check_agreement(desk)
    act()
    after = check_agreement(desk)
    assert after[0] == expected, name
    assert desk.widget.session.undo_name == name
    assert desk.find("undo").toolTip().startswith(f"Undo {name[0].lower()}{name[1:]}")
    desk.press("undo")
    assert check_agreement(desk) == before, name
    desk.press("redo")
    assert check_agreement(desk) == after, name
    desk.press("undo")
    assert check_agreement(desk) == before, name


def check_nothing(desk: Desk, act: Callable[[], object]) -> None:
    """An action changes nothing of the session."""
    before, name = check_agreement(desk), desk.widget.session.undo_name
    act()
    assert check_agreement(desk) == before
    assert desk.widget.session.undo_name == name


@pytest.fixture
def clicked(desk: Desk) -> Desk:
    """Two objects, one with two clicks."""
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.click_shown(26, 36)
    desk.press("new_object")
    desk.click_shown(40, 10)
    return desk


FIRST, OTHER = [(20, 30, 1), (26, 36, 1)], [(40, 10, 1)]


def test_points(clicked: Desk) -> None:
    desk, points = clicked, clicked.widget.layers.points

    def move() -> None:
        points.data = points.data + np.array([[0, 4, 0], [0, 4, 0], [0, 0, 0]])

    def delete() -> None:
        points.selected_data = {0}
        points.remove_selected()

    def delete_all_of_an_object() -> None:
        points.selected_data = {2}
        points.remove_selected()

    def paste() -> None:
        # What Control-V does: a new row with the features of the selected one. napari 0.9.2 fails at the key itself.
        points.selected_data = {2}
        points.add([3, 40, 10])

    def turn() -> None:
        points.features = points.features.assign(prompt=["positive", "negative", "positive"])

    def give() -> None:
        points.features = points.features.assign(object=[1, 2, 2])

    moved = {(0, 1): [(24, 30, 1), (30, 36, 1)], (0, 2): OTHER}
    check_step(desk, move, "Change a prompt of object 1", moved)
    check_step(desk, delete, "Delete a prompt of object 1", {(0, 1): FIRST[1:], (0, 2): OTHER})
    check_step(desk, delete_all_of_an_object, "Delete prompts of object 2", {(0, 1): FIRST})
    check_step(desk, paste, "Click on object 2", {(0, 1): FIRST, (0, 2): OTHER, (3, 2): OTHER})
    check_step(desk, turn, "Change a prompt of object 1", {(0, 1): [FIRST[0], (26, 36, 0)], (0, 2): OTHER})
    check_step(desk, give, "Change prompts of 2 objects", {(0, 1): FIRST[:1], (0, 2): [FIRST[1], *OTHER]})


def test_what_is_no_prompt(clicked: Desk) -> None:
    desk, points = clicked, clicked.widget.layers.points

    def recolour() -> None:
        points.face_color = "blue"
        points.size = 9

    def duplicate() -> None:
        desk.viewer.add_layer(type(points)(points.data, name="copy", features=points.features))

    check_nothing(desk, recolour)
    check_nothing(desk, lambda: setattr(points, "name", "mine"))
    check_nothing(desk, duplicate)
    check_nothing(desk, lambda: desk.viewer.layers.reverse())
    check_nothing(desk, lambda: setattr(desk.viewer.dims, "order", (1, 0, 2)))
    check_nothing(desk, lambda: setattr(desk.viewer.dims, "order", (0, 2, 1)))


def add_mine(desk: Desk, kind: str) -> Any:
    """A layer of prompts of the user's own, as it may come from anywhere."""
    if kind == "points":
        rows = np.array([[0, 10, 10], [4, 12, 12]], float)
        return desk.viewer.add_points(
            rows, name="mine", features={"word": ["a", "b"]}, face_color="word", symbol="star"
        )
    corners = np.array([[4, 32, 20], [4, 32, 34], [4, 46, 34], [4, 46, 20]], float)
    return desk.viewer.add_shapes(
        [corners], name="mine", features={"word": ["a"]}, edge_color="word", metadata={"a": 1}
    )


TAKEN: dict[str, dict[tuple[int, int], list[Any]]] = {
    "points": {(0, 2): [*OTHER, (10, 10, 1)], (4, 2): [(12, 12, 1)]},
    "shapes": {(0, 2): OTHER, (4, 2): ["rectangle"]},
}


@pytest.mark.parametrize("kind", ["points", "shapes"])
def test_a_layer_of_the_users_is_taken_and_never_written_to(clicked: Desk, frames: np.ndarray, kind: str) -> None:
    desk, mine = clicked, add_mine(clicked, kind)
    combo, as_it_was = desk.find(f"{kind}_layer"), everything_of(mine)
    combo.setCurrentText("mine")
    # Selected is the second object.
    taken = {(0, 1): FIRST, **TAKEN[kind]}
    assert check_agreement(desk)[0] == taken
    assert desk.widget.session.undo_name in ("Change prompts of object 2", "Box around object 2")
    # What is undone stays in it, whatever else is done then, and comes back from nowhere.
    desk.press("undo")
    desk.widget._select(1)
    desk.widget.act("switch_sign")
    desk.find("one_object_per_click").setChecked(True)
    desk.find("one_object_per_click").setChecked(False)
    desk.track()
    desk.viewer.add_image(frames[:5], name="other")
    for name in ("other", "image"):
        desk.find("image_layer").setCurrentText(name)
        desk.until(lambda: desk.widget.session is not None)
        desk.settle()
    assert drawn(desk) == {(0, 1): FIRST, (0, 2): OTHER}
    for name in ("undo", "redo"):
        desk.press(name)
        assert check_agreement(desk)[0] == {(0, 1): FIRST, (0, 2): OTHER}
    assert everything_of(mine) == as_it_was


def test_tools_work_in_a_layer_of_the_widgets(clicked: Desk) -> None:
    desk, mine, own = clicked, add_mine(clicked, "points"), clicked.widget.layers.points
    as_it_was = everything_of(mine)
    desk.find("points_layer").setCurrentText("mine")
    taken = check_agreement(desk)[0]
    desk.press("tool_click")
    assert desk.widget.layers.points is own is desk.viewer.layers.selection.active
    # It shows what was taken, too, and choosing it was no step.
    assert check_agreement(desk)[0] == taken
    assert shown(desk)[0] == taken
    desk.click_shown(30, 44)
    assert len(own.data) == 6
    # Deleted meanwhile, there is a new one.
    desk.viewer.layers.remove(own)
    desk.find("points_layer").setCurrentText("mine")
    desk.press("new_object")
    assert is_made_for(desk.widget.layers.points, desk.widget.layers.image)
    check_agreement(desk)
    assert everything_of(mine) == as_it_was


def test_what_the_user_does_in_an_own_layer_counts(clicked: Desk) -> None:
    desk, mine = clicked, add_mine(clicked, "points")
    desk.find("points_layer").setCurrentText("mine")
    desk.settle()
    taken = {(0, 1): FIRST, **TAKEN["points"]}
    # A point is about the object that is selected when it is added, and stays so.
    desk.widget._select(1)
    mine.add([6, 30, 30])
    desk.settle()
    assert drawn(desk) == {**taken, (6, 1): [(30, 30, 1)]}
    mine.selected_data = {0}
    mine.remove_selected()
    desk.settle()
    mine.data = mine.data + np.array([0, 1, 0])
    desk.settle()
    assert drawn(desk) == {(0, 1): FIRST, (0, 2): OTHER, (4, 2): [(13, 12, 1)], (6, 1): [(31, 30, 1)]}
    assert list(mine.features) == ["word"]


def test_another_layer_of_shapes_is_chosen(clicked: Desk) -> None:
    desk, mine = clicked, add_mine(clicked, "shapes")
    expected = {(0, 1): FIRST, **TAKEN["shapes"]}
    check_step(desk, lambda: desk.find("shapes_layer").setCurrentText("mine"), "Box around object 2", expected)
    # A box apart from the object is another one's, also there.
    before = everything_of(mine)["features"]
    box = np.array([[0, 2, 2], [0, 2, 8], [0, 8, 8], [0, 8, 2]], float)
    mine.add(box, shape_type="rectangle")
    desk.settle()
    assert drawn(desk)[0, 3] == ["rectangle"]
    assert before != everything_of(mine)["features"]
    assert list(mine.features) == ["word"]


def test_napari_s_undo_keys(clicked: Desk) -> None:
    desk, native = clicked, clicked.viewer.window._qt_viewer.canvas.native
    shapes = desk.widget.layers.need_shapes()
    triangle = [(0, 30, 30), (0, 30, 44), (0, 44, 44)]
    desk.widget.layers.labels.paint_polygon(triangle, 2)
    last = check_agreement(desk)
    both, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
    for layer in (desk.widget.layers.labels, desk.widget.layers.points, shapes, desk.widget.layers.image):
        desk.viewer.layers.selection.active = layer
        QTest.keyClick(native, Qt.Key.Key_Z, both)
        assert check_agreement(desk)[0] == {(0, 1): FIRST, (0, 2): OTHER}
        assert desk.widget.session.redo_name == "Paint object 2"
        QTest.keyClick(native, Qt.Key.Key_Z, both | shift)
        assert check_agreement(desk) == last


def test_a_pasted_shape(clicked: Desk) -> None:
    desk, shapes = clicked, clicked.widget.layers.need_shapes()
    corners = np.array([[0, 32, 4], [0, 32, 18], [0, 46, 18], [0, 46, 4]], float)
    shapes.add(corners, shape_type="ellipse")
    desk.settle()
    shapes.selected_data = {0}
    shapes._copy_data()
    desk.viewer.dims.set_point(0, 3)
    expected = {(0, 1): FIRST, (0, 2): [*OTHER, "ellipse"], (3, 2): ["ellipse"]}
    check_step(desk, shapes._paste_data, "Outline of object 2", expected)


def test_shapes(clicked: Desk) -> None:
    desk = clicked
    shapes = desk.widget.layers.need_shapes()
    corners = np.array([[0, 32, 4], [0, 32, 18], [0, 46, 18], [0, 46, 4]], float)
    both = {(0, 1): FIRST}
    for kind, name in (("rectangle", "Box around"), ("ellipse", "Outline of"), ("path", "Line on")):
        expected = both | {(0, 2): [*OTHER, kind]}
        check_step(desk, lambda kind=kind: shapes.add(corners, shape_type=kind), f"{name} object 2", expected)
    shapes.add(corners, shape_type="rectangle")
    desk.settle()
    shapes.selected_data = {0}
    check_step(desk, shapes.remove_selected, "Delete a prompt of object 2", both | {(0, 2): OTHER})


def test_labels(clicked: Desk) -> None:
    desk, labels = clicked, clicked.widget.layers.labels
    desk.viewer.dims.set_point(0, 6)
    labels.selected_label = 2
    painted = {(0, 1): FIRST, (0, 2): OTHER, (6, 2): []}
    triangle = [(6, 30, 30), (6, 30, 44), (6, 44, 44)]
    check_step(desk, lambda: labels.paint_polygon(triangle, 2), "Paint object 2", painted)
    check_step(desk, lambda: labels.fill((6, 0, 0), 2), "Paint object 2", painted)
    desk.viewer.dims.order = (1, 0, 2)
    pixel = tuple(np.array([index]) for index in (5, 20, 20))
    del painted[6, 2]
    check_step(desk, lambda: labels.data_setitem(pixel, 2), "Paint object 2", {**painted, (5, 2): []})


def test_a_deleted_layer_takes_nothing_along(clicked: Desk) -> None:
    desk = clicked
    desk.track()
    before = check_agreement(desk)
    for name in ("points", "labels"):
        desk.viewer.layers.remove(getattr(desk.widget.layers, name))
        desk.settle()
    assert drawn(desk) == before[0]
    # One undo takes back what was done last, and nothing else.
    desk.press("undo")
    desk.settle()
    assert drawn(desk) == before[0]
    assert not desk.widget.session.labels.to_array()[1:].any()
    desk.press("redo")
    # A new layer shows what the session has.
    desk.press("tool_click")
    assert check_agreement(desk) == before


def test_every_step_is_there_after_reopening(
    clicked: Desk, open_desk: Callable[..., Desk], frames: np.ndarray, tmp_path: Path
) -> None:
    desk = clicked
    desk.track()
    desk.widget._select(1)
    desk.click_shown(30, 12)
    desk.track("update")
    names = [step.name for step in desk.widget.session.history[0]]
    assert names == [
        *("Click on object 1", "Click on object 1", "Click on object 2", "Track both ways", "Click on object 1"),
        "Update",
    ]
    desk.widget.files.keeping.save(tmp_path / "s.napari-sam2")
    desk.until(lambda: desk.widget.session.folder is not None)
    last = check_agreement(desk)
    desk.viewer.window.remove_dock_widget("all")
    other = open_desk(frames)
    done: list[object] = []
    other.widget.files.keeping.opened.connect(lambda *what: done.append(what))
    other.widget.files.open(str(tmp_path / "s.napari-sam2"))
    other.until(lambda: done)
    assert check_agreement(other) == last
    for name in names[::-1]:
        assert other.find("undo").toolTip().startswith(f"Undo {name[0].lower()}")
        other.press("undo")
        other.settle()
    assert other.widget.session.prompts == ()
    assert not other.labels.any()
    for _ in names:
        other.press("redo")
        other.settle()
    assert check_agreement(other) == last


# The test of each row of the table in docs/widget.md, here or in the file that is named.
ROWS = {
    "add, drag, delete points or shapes; move several at once; move corners; replace `layer.data`": "test_points",
    "copy and paste": "test_a_pasted_shape",
    "change the features `object` or `prompt`": "test_points",
    "recolour, resize, rename a layer, another order of layers": "test_what_is_no_prompt",
    "delete a layer of clicks, shapes or results": "test_a_deleted_layer_takes_nothing_along",
    "choose another layer as clicks or shapes": "test_another_layer_of_shapes_is_chosen",
    "duplicate a layer": "test_what_is_no_prompt",
    "napari's undo keys": "test_napari_s_undo_keys",
    "brush, polygon and fill in the result": "test_labels",
    "transpose the view": "test_what_is_no_prompt",
    "roll the view": "test_labels",
    "points outside the image, or on another place of the sliders": (
        "test_layer_prompts.py::test_points_outside_the_image_are_passed_over"
    ),
    "a prompt that the model cannot take, such as an outline between the pixels": (
        "test_layer_prompts.py::test_an_outline_between_the_pixels_is_refused_in_words"
    ),
}


def test_every_row_of_the_table_has_a_test() -> None:
    text = (Path(__file__).parents[3] / "docs" / "widget.md").read_text(encoding="utf-8")
    table = text.partition("## What napari's own ways do")[2].partition("\n## ")[0]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")]
    assert rows[2:] == list(ROWS)
    for place in ROWS.values():
        file, name = place.split("::") if "::" in place else (Path(__file__).name, place)
        assert f"def {name}(" in Path(__file__).with_name(file).read_text(encoding="utf-8"), place


def test_an_outline_drawn_almost_on_a_line_is_no_error(desk: Desk) -> None:
    desk.press("new_object")
    desk.press("tool_outline")
    with capture_exceptions() as raised:
        desk.drag((3, 5), (2, 41))
        desk.settle()
    assert not raised
    shapes = desk.widget.layers.shapes
    assert len(shapes.features) == len(shapes.data)

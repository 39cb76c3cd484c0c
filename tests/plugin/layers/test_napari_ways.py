"""What a user does in napari's own ways has the effect that the table in docs/widget.md says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from shown_session import check_agreement, drawn

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


def test_a_layer_of_the_users_is_taken_and_never_written_to(clicked: Desk) -> None:
    desk = clicked
    mine = desk.viewer.add_points(np.array([[0, 10, 10], [4, 12, 12]], float), name="mine", face_color="blue")
    rows = mine.data.copy()
    desk.find("points_layer").setCurrentText("mine")
    desk.settle()
    # Selected is the second object.
    assert drawn(desk) == {(0, 1): FIRST, (0, 2): [*OTHER, (10, 10, 1)], (4, 2): [(12, 12, 1)]}
    assert desk.widget.session.undo_name == "Change prompts of object 2"
    desk.press("undo")
    desk.settle()
    assert drawn(desk) == {(0, 1): FIRST, (0, 2): OTHER}
    np.testing.assert_array_equal(mine.data, rows)


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

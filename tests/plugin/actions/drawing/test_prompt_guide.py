"""A second prompt apart from the first one: what it is taken for is said, and nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from conftest import Desk

FIRST, SECOND, ON_FIRST = ((4, 4), (16, 16)), ((28, 34), (44, 50)), ((6, 6), (20, 20))


def draw(desk: Desk, *boxes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    desk.press("tool_box")
    for box in boxes:
        desk.drag(*box)
        desk.settle()


def note(desk: Desk) -> str:
    return str(desk.find("prompt_note").text())


def test_a_box_apart_is_another_object(desk: Desk) -> None:
    draw(desk, FIRST)
    first = desk.labels[0] == 1
    assert note(desk) == ""
    draw(desk, SECOND)
    assert {(p.object_id, p.frame) for p in desk.widget.session.prompts} == {(1, 0), (2, 0)}
    assert "Taken as another object, object 2" in note(desk)
    assert desk.find("prompt_note").isVisibleTo(desk.widget)
    assert desk.widget.layers.selected == 2
    # One step, back and forth.
    desk.press("undo")
    desk.settle()
    np.testing.assert_array_equal(desk.labels[0] == 1, first)
    assert [p.object_id for p in desk.widget.session.prompts] == [1]
    desk.press("redo")
    desk.settle()
    assert [p.object_id for p in desk.widget.session.prompts] == [1, 2]
    # A third is a third; on another frame a box is the selected object's, as ever.
    draw(desk, ((4, 36), (14, 50)))
    desk.viewer.dims.set_point(0, 5)
    draw(desk, FIRST)
    assert {(p.object_id, p.frame) for p in desk.widget.session.prompts} == {(1, 0), (2, 0), (3, 0), (3, 5)}


def test_a_box_on_the_first_takes_its_place_and_says_so(desk: Desk) -> None:
    draw(desk, FIRST)
    first = desk.labels.copy()
    draw(desk, ON_FIRST)
    (prompt,) = desk.widget.session.prompts
    np.testing.assert_allclose(prompt.box, (6.5, 6.5, 20.5, 20.5), atol=0.5)
    assert "takes the place of the one before" in note(desk)
    desk.press("undo")
    desk.settle()
    np.testing.assert_array_equal(desk.labels, first)


def test_a_box_after_a_click_elsewhere_is_another_object(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(10, 10)
    draw(desk, SECOND)
    assert [p.object_id for p in desk.widget.session.prompts] == [1, 2]
    # Around the click it is the same object's.
    draw(desk, ((28, 34), (44, 52)))
    assert [p.object_id for p in desk.widget.session.prompts] == [1, 2]


def test_a_click_far_from_the_object_says_that_it_is_taken_as_a_part(desk: Desk) -> None:
    desk.press("new_object")
    rows = np.array([[0, 4, 4], [0, 4, 10], [0, 10, 10], [0, 10, 4]])
    desk.widget.layers.need_shapes().add(rows, shape_type="polygon")
    desk.settle()
    first = desk.labels.copy()
    desk.press("tool_click")
    desk.click_shown(14, 14)
    assert note(desk) == ""
    desk.press("undo")
    desk.settle()
    desk.click_shown(44, 50)
    assert "Taken as a part of object 1" in note(desk)
    assert len(desk.widget.session.prompts) == 1
    desk.press("undo")
    desk.settle()
    np.testing.assert_array_equal(desk.labels, first)

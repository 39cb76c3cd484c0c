"""Which frames each tracking button visits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from napari.layers import Points

if TYPE_CHECKING:
    from conftest import Desk


@pytest.mark.parametrize(
    ("button", "expected"),
    [
        ("track_both", [*range(4, 12), *range(3, -1, -1)]),
        ("track_forward", list(range(6, 12))),
        ("track_backward", list(range(6, -1, -1))),
        ("track_range", [4, 5, 6, 7, 3, 2]),
    ],
)
def test_frames_visited(desk: Desk, button: str, expected: list[int]) -> None:
    desk.viewer.dims.set_point(0, 4)
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.viewer.dims.set_point(0, 6)
    desk.find("range_first").setValue(2)
    desk.find("range_last").setValue(7)
    visited: list[int] = []
    desk.widget.controller.tracking_stepped.connect(lambda step: visited.append(step.update.frame))
    assert desk.track(button)
    assert visited == expected
    assert desk.find("progress").maximum() == desk.find("progress").value()


def test_points_layer_of_the_users_own_can_be_chosen(desk: Desk) -> None:
    mine = desk.viewer.add_points([[0, 20, 30], [2, 10, 10]], name="mine")
    assert desk.widget.layers.points is None
    desk.find("points_layer").setCurrentText("mine")
    desk.settle()
    assert isinstance(mine, Points)
    assert mine.features["prompt"].tolist() == ["positive", "positive"]
    assert {(p.frame, p.object_id) for p in desk.widget.session.prompts} == {(0, 1), (2, 1)}

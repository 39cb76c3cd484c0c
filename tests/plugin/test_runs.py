"""Which frames each tracking button visits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from napari.layers import Points

if TYPE_CHECKING:
    from conftest import Desk
    from napari_sam2.plugin.worker.messages import Tracked


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


def test_without_an_object_the_line_says_what_to_do(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.settle()
    desk.widget.act("track_both")
    assert "nothing to track yet: click an object" in desk.find("status_line").text()
    assert not desk.widget.controller.is_running
    desk.settle()
    assert "a run failed" not in caplog.text


def test_keys_during_a_run_leave_its_buttons_alone(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    seen: list[bool] = []

    def strike(step: Tracked) -> None:
        if step.done == 3:
            for name in ("undo", "redo", "track_both", "find_objects", "accept", "next_doubtful", "resume"):
                desk.widget.act(name)
                seen.append(desk.find("cancel").isVisible() and desk.find("progress").isVisible())
            seen.append(desk.find("status_line").text().startswith("… Tracking. Next click: on object 1"))
            desk.press("cancel")

    desk.widget.controller.tracking_stepped.connect(strike)
    assert not desk.track()
    assert seen == [True] * 8


def test_a_run_that_was_undone_is_not_the_one_to_continue(desk: Desk) -> None:
    line = desk.find("status_line")
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.widget.controller.tracking_stepped.connect(lambda step: step.done == 3 and desk.press("cancel"))
    assert not desk.track()
    assert "Stopped after frame" in line.text()
    desk.press("undo")
    desk.settle()
    assert "Stopped" not in line.text()
    desk.press("redo")
    desk.settle()
    # Which frame it was is known no more; how far it was, the session knows.
    assert re.search(r"Stopped \(\d of 12\): Continue\.", line.text())


def test_points_layer_of_the_users_own_can_be_chosen(desk: Desk) -> None:
    mine = desk.viewer.add_points([[0, 20, 30], [2, 10, 10]], name="mine")
    assert desk.widget.layers.points is None
    desk.find("points_layer").setCurrentText("mine")
    desk.settle()
    assert isinstance(mine, Points)
    # It is read, and stays as it is.
    assert mine.features.empty
    assert {(p.frame, p.object_id) for p in desk.widget.session.prompts} == {(0, 1), (2, 1)}


def test_a_correction_reaches_both_ways(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    assert not desk.find("update_both_ways").isVisibleTo(desk.widget)
    desk.viewer.dims.set_point(0, 4)
    desk.click_shown(30, 12)
    assert desk.find("update_both_ways").isVisibleTo(desk.widget)
    visited: list[int] = []
    desk.widget.controller.tracking_stepped.connect(lambda step: visited.append(step.update.frame))
    assert desk.track("update_both_ways")
    assert visited == [1, 2, 3, 3, 2, 1, *range(5, 12)]
    assert desk.find("progress").maximum() == desk.find("progress").value()
    assert not desk.find("update_both_ways").isVisibleTo(desk.widget)
    assert desk.widget.session.undo_name == "Update both ways"


def test_what_is_accepted_is_locked(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    desk.viewer.dims.set_point(0, 5)
    desk.widget.act("accept")
    desk.settle()
    session = desk.widget.session
    assert session.accepted == {1: (5,)}
    assert "locked" in desk.find("status_line").text()
    assert "locked" in desk.find("frame_note").text()
    before = desk.labels[5].copy()
    desk.viewer.dims.set_point(0, 2)
    desk.click_shown(30, 12)
    desk.track("update")
    assert (desk.labels[5] == before).all()
    # Neither another model's session nor the threshold changes it.
    desk.find("threshold").setValue(0.99)
    desk.widget.controller.reopen()
    desk.until(lambda: desk.widget.session not in (None, session), "a new session")
    desk.settle()
    desk.track()
    assert desk.widget.session.accepted == {1: (5,)}
    assert (desk.labels[5] == before).all()
    # The step that is undone here is that of the run; the acceptance is one of its own.
    desk.viewer.dims.set_point(0, 5)
    desk.widget.act("accept")
    desk.settle()
    assert desk.widget.session.accepted == {}
    desk.widget.act("undo")
    desk.settle()
    assert desk.widget.session.accepted == {1: (5,)}
    assert desk.widget.controller.results.is_accepted(5)

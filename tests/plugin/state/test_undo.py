"""Every step of the user's is taken back and done again by itself, and by itself alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

if TYPE_CHECKING:
    from conftest import Desk


def state(desk: Desk) -> dict[str, Any]:
    """What there is to see, and what the session knows."""
    desk.settle()
    session, results = desk.widget.session, desk.widget.controller.results
    points = desk.widget.layers.points
    prompts = {(p.frame, p.object_id): None if p.mask is None else p.mask.tobytes() for p in session.prompts}
    return {
        "labels": desk.labels.tobytes(),
        "session": session.labels.to_array().tobytes(),
        "scores": {i: results.series(i, "object_score").tobytes() for i in results.object_ids},
        "stale": {i: tuple(frames) for i, frames in session.stale.items()},
        "hatched": {i: np.flatnonzero(results.stale(i)).tolist() for i in results.object_ids},
        "prompts": prompts,
        "points": np.round(points.data).tolist(),
        "objects": points.features["object"].tolist(),
    }


def test_prompts_strokes_and_runs_are_one_step_each(desk: Desk) -> None:
    native = desk.viewer.window._qt_viewer.canvas.native
    desk.press("new_object")
    desk.click_shown(20, 30)
    states = [state(desk)]

    def second_object() -> None:
        desk.press("new_object")
        desk.click_shown(40, 10)

    def correct() -> None:
        desk.viewer.dims.set_point(0, 6)
        desk.click_shown(30, 12)

    def paint() -> None:
        desk.viewer.dims.set_point(0, 3)
        desk.press("tool_paint")
        desk.widget.layers.labels.brush_size = 5
        desk.drag((4, 4), (4, 16))

    steps = [second_object, desk.track, correct, lambda: desk.track("update"), paint, lambda: desk.track("update")]
    for step in (*steps, lambda: desk.press("remove_object")):
        step()
        states.append(state(desk))
        assert states[-1] != states[-2]
    for known in states[-2::-1]:
        QTest.keyClick(native, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert state(desk) == known
    for known in states[1:]:
        QTest.keyClick(native, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
        assert state(desk) == known
    assert not desk.find("redo").isEnabled()


def test_a_run_that_was_cut_short_is_done_again_and_continued(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    whole = state(desk)
    desk.press("undo")
    before = state(desk)
    cancelled = len(desk.finished)
    desk.widget.controller.tracking_stepped.connect(
        lambda step: step.done == 4 and len(desk.finished) == cancelled and desk.press("cancel")
    )
    assert not desk.track()
    half = state(desk)
    desk.press("undo")
    assert state(desk) == before
    assert not desk.find("resume").isVisibleTo(desk.widget)
    desk.press("redo")
    assert state(desk) == half
    desk.press("resume")
    desk.until(lambda: len(desk.finished) == 3)
    assert state(desk)["labels"] == whole["labels"]


def test_an_update_of_nothing_is_no_step(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    QTest.keyClick(desk.viewer.window._qt_viewer.canvas.native, Qt.Key.Key_U)
    desk.settle()
    assert desk.finished == [True]
    desk.press("undo")
    assert not state(desk)["stale"]
    assert not desk.labels[1:].any()


def test_prompts_given_without_a_preview_can_be_updated(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.find("live_preview").setChecked(False)
    assert not desk.find("update").isEnabled()
    desk.track()
    before = desk.labels.copy()
    desk.viewer.dims.set_point(0, 6)
    desk.click(30, 12)
    desk.settle()
    assert "new prompts" in desk.find("frame_note").text()
    visited: list[int] = []
    desk.widget.controller.tracking_stepped.connect(lambda step: visited.append(step.update.frame))
    assert desk.track("update")
    assert visited == list(range(7, 12))
    assert not desk.find("update").isEnabled()
    assert "new prompts" not in desk.find("frame_note").text()
    np.testing.assert_array_equal(desk.labels[:6], before[:6])
    desk.press("undo")
    desk.press("undo")
    desk.settle()
    np.testing.assert_array_equal(desk.labels, before)

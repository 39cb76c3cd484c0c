"""Accepted frames, and teaching from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam2 import load_model
from napari_sam2.plugin.actions.teaching import settings_trial

if TYPE_CHECKING:
    from conftest import Desk


@pytest.fixture
def tracked(desk: Desk) -> Desk:
    """An object tracked, with the sections of later in the work unfolded."""
    desk.widget.panel.sections["Teach"].title.click()
    desk.press("new_object")
    desk.click_shown(20, 30)
    assert desk.track()
    return desk


def teach(desk: Desk, seconds: float = 1.0) -> None:
    desk.find("teach_minutes").setMinimum(0.001)
    desk.find("teach_minutes").setDecimals(3)
    desk.find("teach_minutes").setValue(seconds / 60)
    desk.press("teach")


def test_frames_are_accepted_by_button_and_key_and_shown_in_the_plot(tracked: Desk) -> None:
    plot, native = tracked.find("score_plot"), tracked.viewer.window._qt_viewer.canvas.native
    assert not tracked.find("teach").isEnabled()
    tracked.press("accept")
    assert plot.accepted == [(0, 0)]
    assert tracked.find("accept").isChecked()
    tracked.viewer.dims.set_point(0, 4)
    assert not tracked.find("accept").isChecked()
    QTest.keyClick(native, Qt.Key.Key_Y)
    assert plot.accepted == [(0, 0), (4, 4)]
    tracked.press("accept_up_to")
    assert plot.accepted == [(0, 4)]
    assert tracked.find("teach_accepted").text() == "5 frames accepted"
    assert tracked.find("teach").isEnabled()
    QTest.keyClick(native, Qt.Key.Key_Y)
    assert plot.accepted == [(0, 3)]


def test_frame_without_a_result_cannot_be_accepted(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.viewer.dims.set_point(0, 5)
    desk.widget.panel.sections["Teach"].title.click()
    desk.press("accept")
    assert "Nothing is known of frame 5" in notification_manager.records[-1].message
    assert not desk.find("accept").isChecked()
    assert desk.find("score_plot").accepted == []


def test_frame_that_is_drawn_differently_is_not_accepted_any_more(tracked: Desk) -> None:
    tracked.viewer.dims.set_point(0, 11)
    tracked.press("accept_up_to")
    before = tracked.labels.copy()
    tracked.viewer.dims.set_point(0, 6)
    tracked.click_shown(30, 12)
    tracked.settle()
    same = (tracked.labels == before).all(axis=(1, 2))
    assert np.flatnonzero(~same).tolist() == [6]
    assert tracked.widget.controller.results.accepted.frames_done == [t for t in range(12) if t != 6]
    # The others are locked: nothing waits for an update.
    assert not tracked.widget.session.stale


def test_teaching_says_whether_it_helped_and_the_new_model_can_be_used(tracked: Desk, tmp_path: Path) -> None:
    tracked.viewer.dims.set_point(0, 7)
    tracked.press("accept_up_to")
    old = tracked.widget.controller.model
    weights = {name: value.clone() for name, value in old.state_dict().items()}
    said: list[str] = []
    tracked.widget.teaching.progressed.connect(lambda _: said.append(tracked.find("teach_status").text()))
    teach(tracked)
    assert not tracked.find("track_both").isEnabled()
    assert tracked.find("stop_teaching").isVisible()
    tracked.until(lambda: not tracked.widget.teaching.is_running, "teaching")
    assert any(text.startswith("Teaching · step") and text.endswith("left") for text in said)
    verdict = tracked.find("teach_status").text()
    assert verdict.startswith(("It helped: ", "It did not help: ", "It made no difference: "))
    assert "on 2 frames it did not learn from" in verdict
    assert tracked.find("track_both").isEnabled()
    # The model in use has not been touched.
    assert all(torch.equal(value, weights[name]) for name, value in old.state_dict().items())

    saved: list[str] = []
    tracked.widget.teaching.saved.connect(saved.append)
    tracked.widget.teaching.save(str(tmp_path / "mine.safetensors"))
    tracked.until(lambda: saved, "the file")
    before = tracked.labels.copy()
    tracked.press("use_taught")
    tracked.until(lambda: tracked.widget.session is not None, "the session")
    tracked.settle()
    new = tracked.widget.session.model
    assert any(not torch.equal(value, weights[name]) for name, value in new.state_dict().items())
    written = load_model(checkpoint=tmp_path / "mine.safetensors").state_dict()
    assert all(torch.allclose(value, written[name]) for name, value in new.state_dict().items())
    # Nothing is lost, and nothing old is passed off as new.
    np.testing.assert_array_equal(tracked.labels[1:], before[1:])
    # What was accepted stays as it is, and up to date.
    assert tracked.find("score_plot").stale == [(8, 11)]
    assert tracked.track("update")
    assert tracked.find("score_plot").stale == []
    np.testing.assert_array_equal(tracked.labels, tracked.widget.session.labels.to_array())


def test_old_model_can_be_kept(tracked: Desk) -> None:
    tracked.viewer.dims.set_point(0, 3)
    tracked.press("accept_up_to")
    session = tracked.widget.session
    teach(tracked, 0.2)
    tracked.until(lambda: not tracked.widget.teaching.is_running, "teaching")
    tracked.press("keep_old")
    assert tracked.widget.session is session
    assert not tracked.find("use_taught").isVisible()


def test_teaching_can_be_stopped_and_prompts_are_answered_meanwhile(tracked: Desk) -> None:
    tracked.viewer.dims.set_point(0, 11)
    tracked.press("accept_up_to")
    session = tracked.widget.session
    teach(tracked, 60)
    tracked.click_shown(40, 12)
    assert tracked.widget.teaching.is_running
    assert not tracked.find("undo").isEnabled()
    tracked.press("stop_teaching")
    tracked.settle()
    assert not tracked.widget.teaching.is_running
    assert tracked.widget.session is session
    assert tracked.find("undo").isEnabled()
    assert tracked.track()


def test_settings_are_tried_and_the_best_is_chosen(tracked: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not tracked.find("try_settings").isEnabled()
    tracked.viewer.dims.set_point(0, 11)
    tracked.press("accept_up_to")
    # A few are enough here.
    monkeypatch.setattr(settings_trial, "MEMORIES", {"auto": (), "gated": ()})
    monkeypatch.setattr(settings_trial, "_PRESETS", ("balanced",))
    monkeypatch.setattr(settings_trial, "is_available", lambda name: False)
    tracked.press("try_settings")
    assert not tracked.find("try_settings").isVisible()
    tracked.until(lambda: tracked.find("try_settings").isVisible(), "trying")
    text = tracked.find("teach_status").text()
    assert text.count("<tr>") == 1 + 3
    assert "zoom off" in text
    actions = tracked.widget.teach_actions
    # What is best here hangs on the machine: say that the last one is.
    first, *_, last = actions._trial._outcome
    actions._box.show_tried((replace(first, figures={"J&F": 0.0}), last))
    actions._trial._outcome = (replace(first, figures={"J&F": 0.0}), last)
    tracked.press("use_best")
    assert tracked.widget.controller.memory == "gated"
    assert tracked.find("memory").currentData() == "gated"
    assert not tracked.find("use_best").isVisible()


def test_trying_can_be_stopped(tracked: Desk) -> None:
    tracked.viewer.dims.set_point(0, 11)
    tracked.press("accept_up_to")
    tracked.press("try_settings")
    tracked.press("stop_teaching")
    assert tracked.find("try_settings").isVisible()
    assert tracked.find("teach_status").text() == "Stopped; all is as it was."
    assert tracked.find("track_both").isEnabled()

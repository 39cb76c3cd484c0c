"""What a user does from beginning to end, with real mouse and keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.layers import Labels, Points
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QProgressBar,
    QWidget,
)

from napari_sam2 import Session, load_model
from napari_sam2.plugin.state.doubts import DOUBT_KINDS, MIXED, find_doubts
from napari_sam2.plugin.state.result_store import DOUBTS

if TYPE_CHECKING:
    from conftest import Desk

NAMES = [
    *("image_layer", "points_layer", "shapes_layer", "labels_layer", "model", "device", "axis", "live_preview"),
    *("object_table", "new_object", "track_both", "track_forward", "track_backward", "update", "cancel", "undo"),
    *("redo", "next_doubtful", "progress", "score_plot"),
]


def test_controls_have_names_and_tips(desk: Desk) -> None:
    assert [name for name in NAMES if not desk.find(name).toolTip()] == []


def test_every_control_has_a_tip(desk: Desk) -> None:
    kinds = (QAbstractButton, QComboBox, QAbstractSpinBox, QProgressBar, QLineEdit, QAbstractItemView)
    own = [
        part
        for part in desk.widget.panel.widget().findChildren(QWidget)
        if isinstance(part, kinds) and not isinstance(part.parent(), QComboBox | QAbstractSpinBox | QAbstractItemView)
    ]
    assert len(own) > 40
    # Views explain their columns in their headings.
    assert [part.objectName() for part in own if not (part.toolTip() or isinstance(part, QAbstractItemView))] == []


def test_click_shows_a_mask_at_once(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    assert isinstance(desk.viewer.layers.selection.active, Points)
    np.testing.assert_allclose(desk.widget.layers.points.data, [[0, 20, 30]], atol=0.2)
    assert isinstance(desk.widget.layers.labels, Labels)
    assert desk.labels.dtype.kind == "u"
    assert desk.labels.shape == (12, 48, 56)
    assert (desk.labels[0] == 1).any()
    assert not desk.labels[1:].any()
    assert desk.previews == [0]


def test_tracking_gives_what_a_session_alone_gives(desk: Desk, frames: np.ndarray, checkpoint: Path) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    ((frame, y, x),) = desk.widget.layers.points.data
    assert desk.track("track_both")

    image = desk.widget.layers.image
    alone = Session(load_model(checkpoint=checkpoint), frames, contrast_limits=image.contrast_limits)
    alone.add_points(int(frame), 1, [(y, x)], [1])
    for _ in alone.propagate():
        pass
    np.testing.assert_array_equal(desk.labels, alone.labels.to_array())
    scores = alone.scores.object_score.to_numpy()
    plot = desk.find("score_plot")
    np.testing.assert_allclose(plot.scores, scores)
    metadata = desk.widget.layers.labels.metadata["object_scores"]
    np.testing.assert_allclose(metadata.object_score, scores)
    assert desk.find("progress").value() == desk.find("progress").maximum()


def test_cancel_keeps_what_is_done_and_continue_ends_as_if_never_stopped(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    whole, scores = desk.labels.copy(), desk.find("score_plot").scores.copy()
    desk.press("undo")
    desk.settle()
    assert not desk.labels[1:].any()

    stepped = []
    desk.widget.controller.tracking_stepped.connect(stepped.append)
    # The run that goes on counts anew.
    desk.widget.controller.tracking_stepped.connect(lambda _step: len(stepped) == 4 and desk.press("cancel"))
    assert not desk.track()
    desk.settle()
    # The frame under way when the button was pressed is the last one; one more may have been on its way here.
    assert 4 <= len(stepped) <= 6
    assert desk.labels[:4].any(axis=(1, 2)).tolist() == whole[:4].any(axis=(1, 2)).tolist()
    assert not desk.labels[7:].any()

    desk.press("resume")
    desk.until(lambda: desk.finished == [True, False, True])
    np.testing.assert_array_equal(desk.labels, whole)
    np.testing.assert_array_equal(desk.find("score_plot").scores, scores)


def test_correction_makes_frames_stale_and_update_tracks_only_those(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    before = desk.labels.copy()
    desk.viewer.dims.set_point(0, 6)
    desk.click_shown(30, 12)
    assert desk.widget.controller.results.stale_frames() == list(range(7, 12))
    assert desk.find("score_plot").stale == [(7, 11)]
    assert desk.find("update").text() == "Update 5 frames"
    visited = []
    desk.widget.controller.tracking_stepped.connect(lambda step: visited.append(step.update.frame))
    assert desk.track("update")
    assert visited == list(range(7, 12))
    np.testing.assert_array_equal(desk.labels[:6], before[:6])
    assert desk.widget.controller.results.stale_frames() == []
    assert not desk.find("update").isEnabled()


def test_plot_follows_the_slider_and_the_slider_follows_the_plot(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    plot = desk.find("score_plot")
    desk.viewer.dims.set_point(0, 7)
    assert plot.cursor_frame == 7
    view = plot.getPlotItem().getViewBox()
    place = plot.mapFromScene(view.mapViewToScene(view.viewRect().center()))
    QTest.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    desk.until(lambda: desk.viewer.dims.current_step[0] in (5, 6))
    assert plot.cursor_frame == desk.viewer.dims.current_step[0]


@pytest.mark.parametrize("doubt", list(DOUBTS))
def test_doubtful_frames_come_most_doubtful_first(desk: Desk, doubt: str) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    desk.find("doubt").setCurrentText(DOUBTS[doubt])
    scores = desk.widget.session.scores
    growth = np.abs(np.diff(np.log(scores.area + 1), prepend=np.nan))
    doubts = {"score": scores.object_score, "iou": scores.predicted_iou, "area": -growth}
    order = np.argsort(np.asarray(doubts[doubt]), kind="stable")
    visited = []
    for _ in range(4):
        desk.press("next_doubtful")
        visited.append(desk.viewer.dims.current_step[0])
    assert visited == order[:4].tolist()


def test_doubtful_frame_comes_with_its_reason(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    desk.find("doubt").setCurrentText(DOUBT_KINDS[MIXED])
    doubts = find_doubts(desk.widget.controller.results, 1)
    for doubt in doubts[:2]:
        desk.press("next_doubtful")
        assert desk.viewer.dims.current_step[0] == doubt.frame
        assert f"doubtful: {doubt.reason} (" in desk.find("frame_note").text()
    desk.viewer.dims.set_point(0, next(t for t in range(12) if t != doubt.frame))
    assert "doubtful" not in desk.find("frame_note").text()


def test_a_reason_for_which_no_frame_stands_is_told(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    kind = "overlap"
    assert not find_doubts(desk.widget.controller.results, 1, kind)
    desk.find("doubt").setCurrentText(DOUBT_KINDS[kind])
    frame = desk.viewer.dims.current_step[0]
    desk.press("next_doubtful")
    assert desk.viewer.dims.current_step[0] == frame
    assert desk.find("frame_note").text().endswith("no frame of object 1: overlaps another")
    desk.find("doubt").setCurrentText(DOUBT_KINDS["score"])
    desk.press("next_doubtful")
    assert "no frame of" not in desk.find("frame_note").text()


def test_a_review_leads_to_where_corrections_bring_most_and_says_what_is_reached(desk: Desk) -> None:
    for name, place in (("new_object", (20, 30)), ("new_object", (40, 50))):
        desk.press(name)
        desk.click_shown(*place)
    desk.track()
    widget, line = desk.widget, desk.find("status_line")
    outlook = widget.session.outlook()
    assert f"Tracked: expected overlap {outlook.mean:.2f} ± {outlook.margin:.2f} over 24 masks" in line.text()
    first = widget.session.next_correction()
    desk.press("next_doubtful")
    assert (desk.viewer.dims.current_step[0], widget.layers.selected) == first
    assert "doubtful: expected overlap" in desk.find("frame_note").text()
    # To the end, accepting what is shown, as quick as the keys: the next is asked for before the session has answered.
    for _ in range(11):
        widget.act("accept")
        desk.press("next_doubtful")
    desk.until(lambda: widget.controller.worker.is_idle and "Looking" not in line.text())
    assert "Looked at 11 frames" in line.text()
    assert "no correction is expected to bring more" in line.text()
    assert widget.session.next_correction() is None


def test_keys_do_what_buttons_do(desk: Desk) -> None:
    native = desk.viewer.window._qt_viewer.canvas.native
    QTest.keyClick(native, Qt.Key.Key_N)
    desk.click_shown(20, 30)
    QTest.keyClick(native, Qt.Key.Key_Q)
    desk.click_shown(40, 50)
    assert desk.widget.layers.points.features["prompt"].tolist() == ["positive", "negative"]
    colours = desk.widget.layers.points.face_color
    assert not np.allclose(colours[0], colours[1])
    QTest.keyClick(native, Qt.Key.Key_K)
    desk.until(lambda: desk.finished == [True])
    QTest.keyClick(native, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    desk.settle()
    assert not desk.labels[1:].any()

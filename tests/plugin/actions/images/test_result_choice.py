"""Labels that the widget did not write: asked about before results go near them, and never changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtWidgets import QMessageBox, QPushButton

from napari_sam2.plugin.actions.images import result_choice

if TYPE_CHECKING:
    from napari.layers import Labels

    from conftest import Desk


def hand_made(desk: Desk, frames: np.ndarray) -> tuple[Labels, np.ndarray]:
    mine = np.zeros(frames.shape, np.uint16)
    mine[:, 35:45, 5:20], mine[2:, 5:12, 30:50] = 7, 9
    return desk.viewer.add_labels(mine.copy(), name="hand made"), mine


def choose(desk: Desk, layer: Labels) -> None:
    """Choose a result layer as the user does."""
    combo = desk.find("labels_layer")
    combo.setCurrentIndex(combo.findText(layer.name))
    desk.settle()


def work(desk: Desk) -> None:
    """Click, track, and undo both."""
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    for _ in range(2):
        desk.press("undo")
        desk.settle()


@pytest.mark.parametrize("answer", ["keep", "cancel"])
@pytest.mark.parametrize("at_once", [result_choice._AT_ONCE, 0], ids=["at once", "on the worker"])
def test_labels_of_the_user_stay_as_they_are(
    desk: Desk, frames: np.ndarray, monkeypatch: pytest.MonkeyPatch, *, answer: str, at_once: int
) -> None:
    monkeypatch.setattr(result_choice, "_AT_ONCE", at_once)
    layer, mine = hand_made(desk, frames)
    asked: list[Any] = []
    desk.widget.result_choice.asked.connect(asked.append)
    choose(desk, layer)
    assert asked == [layer]
    # Nothing goes into it while the question is open, either.
    desk.press("new_object")
    desk.click_shown(20, 30)
    np.testing.assert_array_equal(layer.data, mine)
    desk.widget.result_choice.answer(answer)
    work(desk)
    np.testing.assert_array_equal(layer.data, mine)
    assert desk.widget.layers.labels is not layer
    assert desk.find("labels_layer").currentText() == "image: objects"
    assert not [box for box in desk.viewer.window._qt_window.findChildren(QMessageBox) if box.isVisible()]
    # Asked each time that it is chosen, and never of a layer of the widget's own.
    choose(desk, desk.widget.layers.labels)
    assert asked == [layer]


def test_labels_of_the_user_become_objects(desk: Desk, frames: np.ndarray) -> None:
    layer, mine = hand_made(desk, frames)
    choose(desk, layer)
    (question,) = desk.viewer.window._qt_window.findChildren(QMessageBox, "result_question")
    (button,) = [part for part in question.findChildren(QPushButton) if part.text() == "Take as objects"]
    button.click()
    desk.settle()
    # Each from the first frame that it is on, in one step.
    assert {(p.frame, p.object_id) for p in desk.widget.session.prompts} == {(0, 7), (2, 9)}
    np.testing.assert_array_equal(desk.labels[0], mine[0])
    assert not layer.visible
    assert desk.track()
    np.testing.assert_array_equal(desk.labels[2] == 9, mine[2] == 9)
    np.testing.assert_array_equal(layer.data, mine)
    for _ in range(2):
        desk.press("undo")
        desk.settle()
    assert desk.widget.session.prompts == ()
    assert not desk.labels.any()
    np.testing.assert_array_equal(layer.data, mine)


def test_an_empty_layer_of_the_user_is_used(desk: Desk, frames: np.ndarray) -> None:
    layer = desk.viewer.add_labels(np.zeros(frames.shape, np.uint16), name="empty")
    choose(desk, layer)
    assert desk.widget.result_choice.pending is None
    desk.press("new_object")
    desk.click_shown(20, 30)
    assert desk.widget.layers.labels is layer
    assert layer.data[0].any()


def test_a_copy_of_the_result_is_the_users(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    result = desk.widget.layers.labels
    copy = desk.viewer.add_layer(type(result).create(*result.as_layer_data_tuple()))
    before = np.array(copy.data)
    assert before.any()
    choose(desk, copy)
    assert desk.widget.result_choice.pending is copy
    desk.widget.result_choice.answer("cancel")
    work(desk)
    np.testing.assert_array_equal(copy.data, before)


def test_an_answer_that_there_is_not(open_desk: Callable[..., Desk], frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match="'maybe'"):
        open_desk(frames).widget.result_choice.answer("maybe")

"""What must do no harm: layers that go, images that change, sliders that move, windows that close, failures."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtTest import QTest

from napari_sam2.plugin.worker.engine import Engine

if TYPE_CHECKING:
    from conftest import Desk


def start(desk: Desk) -> None:
    """Prompt, and start tracking."""
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.press("track_both")


def end(desk: Desk) -> None:
    desk.until(lambda: desk.finished)
    desk.settle()


def test_slider_and_clicks_during_tracking(desk: Desk) -> None:
    start(desk)
    for frame in (3, 9, 1, 6):
        desk.viewer.dims.set_point(0, frame)
        desk.click(30 + frame, 20)
        QTest.qWait(5)
    end(desk)
    assert desk.finished == [True]
    assert {p.frame for p in desk.widget.session.prompts} == {0, 3, 9, 1, 6}
    if desk.find("update").isEnabled():
        desk.track("update")
        desk.settle()
    np.testing.assert_array_equal(desk.labels, desk.widget.session.labels.to_array())
    assert desk.widget.session.stale == {}


def test_result_layer_removed_during_tracking_comes_back_whole(desk: Desk) -> None:
    start(desk)
    desk.until(lambda: desk.widget.controller.results.table.get(3, 1) is not None)
    desk.viewer.layers.remove(desk.widget.layers.labels)
    end(desk)
    desk.until(lambda: desk.widget.layers.labels is not None)
    desk.settle()
    np.testing.assert_array_equal(desk.labels, desk.widget.session.labels.to_array())


def test_points_layer_removed_keeps_its_prompts(desk: Desk) -> None:
    start(desk)
    end(desk)
    desk.viewer.layers.remove(desk.widget.layers.points)
    desk.settle()
    assert desk.widget.layers.points is None
    assert desk.widget.session.object_ids == (1,)
    assert desk.labels.any()
    desk.press("tool_click")
    desk.click_shown(40, 10)
    (prompt,) = desk.widget.session.prompts
    np.testing.assert_allclose(prompt.points, [[20, 30], [40, 10]], atol=0.3)


def test_shapes_layer_removed_during_tracking_keeps_its_prompts(desk: Desk) -> None:
    before = desk.draw_box()
    desk.press("track_both")
    desk.viewer.layers.remove(desk.widget.layers.shapes)
    end(desk)
    assert desk.finished == [True]
    (prompt,) = desk.widget.session.prompts
    assert prompt.box == before.box
    assert desk.widget.session.stale == {}


def test_layers_renamed_during_tracking(desk: Desk) -> None:
    start(desk)
    for layer in desk.viewer.layers:
        layer.name = f"my {layer.name}"
    end(desk)
    assert desk.finished == [True]
    assert desk.find("image_layer").currentText() == "my image"
    assert desk.find("labels_layer").currentText() == "my image: objects"
    assert desk.labels.any()


def test_image_removed_during_tracking(desk: Desk) -> None:
    start(desk)
    desk.viewer.layers.remove("image")
    QTest.qWait(100)
    assert desk.widget.session is None
    assert not desk.widget.controller.is_running


def test_another_image_gets_a_session_of_its_own(desk: Desk, frames: np.ndarray) -> None:
    start(desk)
    first = desk.widget.session
    desk.viewer.add_image(frames[:5, ::-1], name="other")
    desk.find("image_layer").setCurrentText("other")
    desk.until(lambda: desk.widget.session not in (None, first))
    assert desk.widget.session.stack.shape == (5, 48, 56)
    assert desk.widget.session.prompts == ()
    assert desk.widget.layers.labels is None
    # The tool drew on the image that was left.
    desk.click(40, 10)
    assert len(desk.viewer.layers["image: clicks"].data) == 1
    assert "Press New object" in desk.find("status_line").text()
    desk.press("new_object")
    desk.click_shown(20, 30)
    assert desk.widget.layers.labels.data.shape == (5, 48, 56)


def test_another_model_gets_the_prompts(desk: Desk, checkpoint: Path) -> None:
    start(desk)
    end(desk)
    first = desk.widget.session
    desk.find("device").setCurrentText("cpu")
    desk.until(lambda: desk.widget.session not in (None, first))
    desk.settle()
    assert len(desk.widget.session.prompts) == 1


def test_closing_the_dock_during_tracking(desk: Desk) -> None:
    start(desk)
    widget, worker = desk.widget, desk.widget.controller.worker
    desk.viewer.window.remove_dock_widget(widget)
    assert not worker._thread.is_alive()
    desk.viewer.dims.set_point(0, 4)
    desk.widget.layers.points or desk.viewer.layers["image: clicks"].add([0, 5, 5])
    QTest.qWait(50)
    desk.viewer.layers.remove("image")


@pytest.mark.slow
def test_program_that_ends_while_the_model_loads_ends_well() -> None:
    code = (
        "import napari\n"
        "from qtpy.QtTest import QTest\n"
        "from napari_sam2.plugin.widget import Sam2Widget\n"
        "viewer = napari.Viewer()\n"
        "viewer.window.add_dock_widget(Sam2Widget(viewer))\n"
        "QTest.qWait(400)\n"
        "viewer.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_closing_the_viewer_during_tracking(desk: Desk) -> None:
    start(desk)
    worker = desk.widget.controller.worker
    desk.viewer.close()
    desk.until(lambda: not worker._thread.is_alive())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "ran out of memory"),
        (MemoryError(), "ran out of memory"),
        (RuntimeError("no such operator"), "no such operator"),
        (ValueError("frame 3 holds 2 values that are NaN"), "frame 3 holds 2 values that are NaN"),
    ],
)
def test_errors_of_the_worker_are_told_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, error: Exception, words: str
) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)

    def fail(_self: Engine, _frame: int) -> None:
        raise error

    monkeypatch.setattr(Engine, "frame_update", fail)
    told = len(notification_manager.records)
    with caplog.at_level(logging.ERROR, "napari_sam2"):
        assert not desk.track()
    new = [record for record in notification_manager.records[told:] if "refusing" not in record.message]
    assert len(new) == 1
    assert words in new[0].message
    assert "Traceback" in caplog.text
    monkeypatch.undo()
    assert desk.track()


@pytest.mark.filterwarnings("ignore:frame . holds .* NaN")
def test_frame_that_cannot_be_read_is_told_and_the_rest_goes_on(
    open_desk: Callable[..., Desk], frames: np.ndarray, checkpoint: Path
) -> None:
    broken = frames.astype(np.float32)
    broken[3, 0, 0] = np.nan
    desk = open_desk(broken, contrast_limits=(0, 255), checkpoint=checkpoint)
    desk.widget.session.stack.missing.refuse = True
    desk.press("new_object")
    desk.click_shown(20, 30)
    assert not desk.track()
    assert "frame 3 holds 1 values that are NaN" in notification_manager.records[-1].message
    assert desk.labels[0].any()


@pytest.mark.filterwarnings("ignore:frame . holds .* NaN")
def test_nan_around_the_sample_is_background(
    open_desk: Callable[..., Desk], frames: np.ndarray, checkpoint: Path
) -> None:
    ragged = frames.astype(np.float32)
    ragged[:, :, :4] = np.nan
    desk = open_desk(ragged, checkpoint=checkpoint)
    before = len(notification_manager.records)
    desk.press("new_object")
    desk.click_shown(20, 30)
    assert desk.track()
    assert len(notification_manager.records) == before
    assert desk.labels[0].any()

"""The widget with its model on a worker of a cluster."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam2.remote.remote_model import RemoteModel
from served_model import kill_worker, serving

if TYPE_CHECKING:
    from conftest import Desk


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as (address, _):
        yield address


def go_to(desk: Desk, address: str) -> None:
    """Choose a cluster as the device, and type its address."""
    device = desk.find("device")
    device.setCurrentText("on a cluster…")
    QTest.keyClicks(desk.find("cluster_address"), address)
    QTest.keyClick(desk.find("cluster_address"), Qt.Key.Key_Return)


def tracked_here(desk: Desk) -> np.ndarray:
    """Click and track with the model of this computer; gives the labels."""
    desk.press("new_object")
    desk.click_shown(20, 30)
    assert desk.track()
    return desk.labels.copy()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL") or sys.platform == "win32", reason="sends SIGKILL")
def test_a_cluster_is_a_device_like_others(desk: Desk, address: str) -> None:
    expected = tracked_here(desk)
    go_to(desk, address)
    # Meanwhile there is no session.
    desk.until(lambda: isinstance(getattr(desk.widget.session, "model", None), RemoteModel), "the model there")
    desk.settle()
    assert desk.find("model_status").text().endswith(f"on {address}")
    # The prompts came along; a click and a run are as they were.
    assert desk.track()
    np.testing.assert_array_equal(desk.labels, expected)
    # The worker ends in the middle of a run: one message, and Continue goes on with one that was started again.
    desk.widget.controller.undo()
    desk.settle()
    told, ended = len(notification_manager.records), len(desk.finished)
    desk.press("track_both")
    desk.until(lambda: desk.widget.session.unfinished, "a frame")
    kill_worker(desk.widget.session.model)
    desk.until(lambda: len(desk.finished) > ended, "the end")
    said = [record.message for record in notification_manager.records[told:]]
    assert len(said) == 1
    assert "does not answer any more" in said[0]
    desk.settle()
    assert desk.track("resume")
    desk.settle()
    np.testing.assert_array_equal(desk.labels, expected)


def test_an_address_at_which_nobody_is(desk: Desk) -> None:
    model, told = desk.widget.session.model, len(notification_manager.records)
    go_to(desk, "tcp://127.0.0.1:9")
    desk.until(lambda: len(notification_manager.records) > told, "the message")
    assert "no worker answers at tcp://127.0.0.1:9" in notification_manager.records[-1].message
    assert "stays in use" in desk.find("model_status").text()
    assert desk.widget.session.model is model
    # Half an address is none; another device is chosen as ever.
    desk.find("device").setCurrentText("cpu")
    assert not desk.find("device").isEditable()
    desk.find("device").setCurrentText("on a cluster…")
    QTest.keyClicks(desk.find("cluster_address"), "host")
    QTest.keyClick(desk.find("cluster_address"), Qt.Key.Key_Return)
    assert desk.find("device").device == "cpu"

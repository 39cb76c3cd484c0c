"""What tracking takes is said before it starts, where it is much; labels can be kept on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
import zarr
from napari.utils.notifications import notification_manager

from napari_sam2.plugin import memory_notice as budget
from napari_sam2.session.memory_estimate import estimate_memory
from napari_sam2.session.steps.history import MAX_STEPS

if TYPE_CHECKING:
    from conftest import Desk


def test_memory_is_said_where_it_is_much(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    assert not desk.find("memory_note").isVisible()
    assert not desk.find("labels_on_disk").isVisible()
    model = desk.widget.controller.model
    needed = estimate_memory(model, (12, 48, 56), 1, frame_bytes=48 * 56).with_undo(MAX_STEPS).total

    class Little:
        available = needed - 1

    monkeypatch.setattr(psutil, "virtual_memory", Little)
    desk.widget.view.catch_up()
    assert f"Tracking takes about {needed / 1e6:.0f} MB" in desk.find("memory_note").text()
    assert "choose a smaller model" in desk.find("memory_note").text()
    Little.available = needed + 1
    desk.widget.view.catch_up()
    assert "that is enough" in desk.find("memory_note").text()


def test_labels_are_kept_on_disk(desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(budget, "_LARGE_LABELS", 2 * 12 * 48 * 56)
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.until(desk.find("labels_on_disk").isVisible)
    in_memory = desk.widget.layers.labels
    desk.widget.files.keep_labels_on_disk(str(tmp_path / "labels.zarr"))
    desk.until(desk.find("labels_on_disk").isHidden)
    assert not in_memory.visible
    desk.track()
    on_disk: Any = zarr.open_array(tmp_path / "labels.zarr", mode="r")
    assert on_disk[:].any()
    np.testing.assert_array_equal(on_disk[:], desk.widget.session.labels.to_array())
    np.testing.assert_array_equal(desk.labels, on_disk[:])

    notification_manager.records.clear()
    desk.widget.files.keep_labels_on_disk(str(tmp_path / "labels.zarr"))
    (record,) = notification_manager.records
    assert "is there already: take another name" in record.message

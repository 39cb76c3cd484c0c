"""Frames that are drawn again."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_sam2.plugin.worker.engine import FRAMES_AT_ONCE, Engine
from napari_sam2.plugin.worker.messages import FrameUpdate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Desk

STEPS = 8


def test_a_newer_threshold_gives_up_the_older_redraw(
    open_desk: Callable[..., Desk], frames: np.ndarray, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk(np.tile(frames, (6, 1, 1)), checkpoint=checkpoint)
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    engine, n_frames = desk.widget.controller.engine, len(frames) * 6
    drawn: list[int] = []
    real = Engine.frame_update

    def counted(self: Engine, frame: int) -> FrameUpdate:
        drawn.append(frame)
        return real(self, frame)

    monkeypatch.setattr(Engine, "frame_update", counted)
    desk.viewer.dims.set_point(0, 50)
    for step in range(STEPS):
        before = len(drawn)
        desk.widget.panel.threshold.setValue(0.55 + 0.05 * step)
        first: list[int] = []

        def is_near(before: int = before, first: list[int] = first) -> bool:
            first[:] = [n for n, frame in enumerate(drawn[before:]) if abs(frame - 50) < FRAMES_AT_ONCE][:1]
            return bool(first)

        desk.until(is_near, "the frames around the one that is looked at")
        # They come first, but for a batch that was under way.
        assert first[0] <= FRAMES_AT_ONCE
    last = len(drawn)
    desk.until(lambda: desk.widget.controller.worker.is_idle)
    assert set(drawn) == set(range(n_frames))
    # Seen from the last step on: a batch may be under way, and the rest of all frames once.
    assert max(Counter(drawn[last:]).values()) <= 2
    assert len(drawn) - last <= n_frames + FRAMES_AT_ONCE
    monkeypatch.undo()
    for frame in range(n_frames):
        np.testing.assert_array_equal(desk.labels[frame], engine.frame_update(frame).image)


def test_a_frame_that_cannot_be_drawn_does_not_keep_others_from_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    with monkeypatch.context() as patch:
        told: list[Exception] = []
        desk.widget.controller.failed.disconnect()
        desk.widget.controller.failed.connect(told.append)
        patch.setattr(Engine, "show", lambda _engine, _frames: (_ for _ in ()).throw(OSError("the disk is gone")))
        desk.widget.panel.threshold.setValue(0.99)
        desk.until(lambda: told)
    desk.widget.panel.threshold.setValue(0.98)
    desk.until(lambda: desk.widget.controller.worker.is_idle)
    engine = desk.widget.controller.engine
    for frame in range(len(desk.labels)):
        np.testing.assert_array_equal(desk.labels[frame], engine.frame_update(frame).image)

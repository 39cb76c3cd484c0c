"""napari answers while the model works."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from qtpy.QtCore import QTimer
from qtpy.QtTest import QTest

from napari_sam2.plugin.commands import KEYS
from napari_sam2.plugin.worker.engine import Engine

if TYPE_CHECKING:
    import pytest

    from conftest import Desk


def test_events_are_handled_while_a_frame_is_being_tracked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Engine.frame_update

    def slow(self: Engine, frame: int) -> object:
        # As long as a large model takes on a CPU, and with the lock released as torch does.
        time.sleep(0.4)
        return whole(self, frame)

    desk.press("new_object")
    desk.click_shown(20, 30)
    monkeypatch.setattr(Engine, "frame_update", slow)
    ticks = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(len(desk.finished)))
    timer.start(20)
    desk.press("track_both")
    QTest.qWait(100)
    desk.viewer.dims.set_point(0, 5)
    desk.until(lambda: desk.finished)
    # Twelve frames of 0.4 s, and a tick every 20 ms if nothing were ever drawn: a window that hangs has about twelve.
    assert ticks.count(0) > 48


def test_the_model_never_works_on_the_threads_of_the_window(desk: Desk) -> None:
    threads: set[str] = set()
    model = desk.widget.session.model
    parts = (model.image_encoder, model.sam_mask_decoder, model.memory_encoder, model.memory_attention)
    hooks = [part.register_forward_hook(lambda *_: threads.add(threading.current_thread().name)) for part in parts]
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    desk.viewer.dims.set_point(0, 6)
    desk.click_shown(30, 12)
    desk.press("undo")
    desk.find("zoom").setCurrentText("off")
    desk.until(lambda: desk.widget.session is not None and desk.widget.session.zoom == "off")
    desk.settle()
    for hook in hooks:
        hook.remove()
    assert threads == {"napari-sam2"}


def test_a_click_asks_nothing_of_the_system_before_its_mask_is_shown(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each such call lets the worker's thread go first.
    asked: list[str] = []

    def noting(function: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*args: Any, **options: Any) -> Any:
            if threading.current_thread() is threading.main_thread():
                asked.append(f"{function.__name__} {args}")
            return function(*args, **options)

        return ask

    # Of a file that is not there, chosen beside the model in use, nothing is to be read either.
    desk.find("model").setCurrentText("sam2.1_hiera_tiny")
    desk.press("new_object")
    desk.click_shown(20, 30)
    # Tables and notes of before are written first.
    desk.until(lambda: not (desk.widget.view._rest.isActive() or desk.widget.files.keeping._rest.isActive()))
    desk.settle()
    for module, name in ((os, "stat"), (psutil, "virtual_memory")):
        monkeypatch.setattr(module, name, noting(getattr(module, name)))
    at_once: list[list[str]] = []
    desk.widget.preview_shown.connect(lambda _frame: at_once.append(list(asked)))
    desk.click_shown(22, 31)
    assert at_once == [[]]
    # They are read when the hand is at rest.
    desk.until(lambda: any("virtual_memory" in one for one in asked))


def test_every_key_is_in_the_guide() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "widget.md").read_text(encoding="utf-8")
    for key in KEYS:
        assert f"`{key.key.replace('Control', 'Ctrl').replace('-', '+')}`" in guide

"""Interrupts while a session is saved, at any line: nothing is lost, and the folder is whole."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from napari_sam2 import Session
from napari_sam2.model.sam2 import Sam2
from napari_sam2.storage import writer
from session_state import assert_same_sessions

pytestmark = pytest.mark.usefixtures("one_thread")

# Which lines to try: all of them would take minutes.
STRIDE = 67


@contextmanager
def interrupted_at(line: int, error: type[BaseException]) -> Iterator[list[int]]:
    """Raise an error before the n-th line that runs in the modules of session folders; counts those that ran."""
    ran = [0]

    def trace(frame: FrameType, event: str, _argument: Any) -> Callable[..., Any] | None:
        if "/napari_sam2/storage/" not in frame.f_code.co_filename.replace("\\", "/"):
            return None
        if event == "line":
            ran[0] += 1
            if ran[0] == line:
                raise error
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield ran
    finally:
        sys.settrace(before)


def begin(model: Sam2, frames: np.ndarray, folder: Path | None) -> Session:
    session = Session(model, frames, folder=folder)
    session.add_points(0, 1, [[20, 30]], [1])
    session.add_points(2, 2, [[30, 20]], [1])
    return session


def prompt(session: Session) -> None:
    session.add_points(1, 3, [[24, 24]], [1])


def track(session: Session) -> None:
    run = session.resume() if session.unfinished else session.propagate()
    next(run)
    # Not left to the garbage collector: what is raised while it closes would be lost.
    run.close()


def opened(folder: Path, like: Session) -> Session:
    session = Session.open(folder, frames=like.stack, model=like.model)
    assert session.problems == ()
    session.catch_up()
    return session


@pytest.mark.parametrize(("act", "least"), [(prompt, 1), (prompt, 30), (track, 1), (track, 30)])
def test_an_interrupt_at_any_line_loses_nothing(
    act: Callable[[Session], None],
    least: int,
    model: Sam2,
    frames: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer, "_LEAST_FRAMES", least)
    whole = begin(model, frames[:5], None)
    track(whole)
    act(whole)
    list(whole.resume())
    for line in count(1, STRIDE):
        folder = tmp_path / f"{line}.napari-sam2"
        session = begin(model, frames[:5], folder)
        track(session)
        error = KeyboardInterrupt if line % 2 else MemoryError
        with interrupted_at(line, error) as ran, suppress(error):
            act(session)
        if ran[0] < line:
            break
        # The program could end here, or go on.
        shutil.copytree(folder, tmp_path / "copy")
        assert len(opened(tmp_path / "copy", session).prompts) >= 2
        shutil.rmtree(tmp_path / "copy")
        session.save()
        session.close()
        again = opened(folder, session)
        assert_same_sessions(session, again)
        list(again.resume())
        assert_same_sessions(whole, again)
        again.close()
    assert line > 100


def test_an_interrupt_while_a_folder_is_made_leaves_none(model: Sam2, frames: np.ndarray, tmp_path: Path) -> None:
    session = begin(model, frames, None)
    for line in range(1, 200, 40):
        with pytest.raises(KeyboardInterrupt), interrupted_at(line, KeyboardInterrupt):
            session.save(tmp_path / "work.napari-sam2")
        assert list(tmp_path.iterdir()) == []
    session.save(tmp_path / "work.napari-sam2")
    assert_same_sessions(session, Session.open(tmp_path / "work.napari-sam2", frames=frames, model=model))

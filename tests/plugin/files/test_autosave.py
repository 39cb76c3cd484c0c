"""Work that was not saved: kept, offered at the next start, and never too much of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QMessageBox

from napari_sam2 import Session, load_model
from napari_sam2.plugin.files import autosave as recovery

if TYPE_CHECKING:
    from conftest import Desk

Opener = Callable[..., "Desk"]


def click_and_close(desk: Desk) -> np.ndarray:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    desk.until(lambda: desk.widget.session.folder is not None, "recovery")
    desk.settle()
    labels = desk.labels.copy()
    desk.viewer.window.remove_dock_widget("all")
    return labels


def test_unsaved_work_is_brought_back_and_saved(
    desk: Desk, open_desk: Opener, frames: np.ndarray, tmp_path: Path
) -> None:
    assert not desk.find("bring_back").isVisible()
    labels = click_and_close(desk)
    (folder,) = recovery.recovery_folder().iterdir()

    notification_manager.records.clear()
    other = open_desk(frames)
    assert "not saved" in notification_manager.records[0].message
    assert other.find("recoveries").currentText().startswith("image, ")
    other.press("bring_back")
    other.until(lambda: other.widget.session is not None and other.widget.session.prompts)
    other.settle()
    np.testing.assert_array_equal(other.labels, labels)
    assert other.widget.session.folder == folder
    other.until(lambda: other.find("session_folder").text() == "Not saved in a folder of yours yet")
    assert not other.find("bring_back").isVisible()

    other.widget.files.keeping.save(tmp_path / "mine")
    other.until(lambda: other.widget.session.folder == tmp_path / "mine.napari-sam2")
    other.settle()
    assert not folder.exists()
    assert recovery.find_unsaved() == []


def test_unsaved_work_is_discarded_only_after_a_question(desk: Desk, open_desk: Opener, frames: np.ndarray) -> None:
    click_and_close(desk)
    other = open_desk(frames)
    for answer, left in ((QMessageBox.StandardButton.Cancel, 1), (QMessageBox.StandardButton.Discard, 0)):
        other.press("discard")
        other.widget.files._question.button(answer).click()
        QTest.qWait(20)
        assert len(recovery.find_unsaved()) == left


def test_nothing_is_kept_where_nothing_was_done_or_it_is_not_wanted(desk: Desk) -> None:
    desk.widget.files.keeping.keep_up()
    desk.settle()
    assert desk.widget.session.folder is None
    desk.widget.files.keeping._keep_unsaved = lambda: False
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.widget.files.keeping.keep_up()
    desk.settle()
    assert desk.widget.session.folder is None
    desk.widget.files.keeping._keep_unsaved = lambda: True
    desk.widget.files.keeping.keep_up()
    desk.until(lambda: desk.widget.session.folder is not None)
    # What was removed can be undone, also later.
    desk.press("remove_object")
    desk.settle()
    folder = desk.widget.session.folder
    desk.viewer.window.remove_dock_widget("all")
    assert list(recovery.recovery_folder().resolve().iterdir()) == [folder]


def test_another_model_goes_on_in_a_folder_beside(desk: Desk, tmp_path: Path) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.widget.files.keeping.save(tmp_path / "mine.napari-sam2")
    desk.until(lambda: desk.widget.session.folder is not None)
    desk.settle()
    first = desk.widget.session
    desk.widget.controller.reopen()
    desk.until(lambda: desk.widget.session not in (None, first))
    desk.until(lambda: desk.widget.session.folder == tmp_path / "mine-2.napari-sam2")
    desk.until(lambda: desk.find("session_folder").text() == "Saved as you work, in mine-2.napari-sam2")


def test_there_is_never_too_much(frames: np.ndarray, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(checkpoint=checkpoint)
    sessions = [Session(model, frames, folder=recovery.new_folder(f"image {number}")) for number in range(4)]
    folders = [session.folder for session in sessions]
    for number, folder in enumerate(folders):
        for path in folder.glob("*.json*"):
            os.utime(path, (1000 + number, 1000 + number))
    for session in sessions[1:]:
        session.close()
    monkeypatch.setattr(recovery, "MOST_FOLDERS", 2)
    assert [one.folder for one in recovery.find_unsaved()] == folders[:0:-1]
    recovery.prune()
    # The first is open.
    assert sorted(recovery.recovery_folder().iterdir()) == [folders[0], *folders[2:]]
    monkeypatch.setattr(recovery, "MOST_BYTES", 1)
    recovery.prune()
    assert [one.folder for one in recovery.find_unsaved()] == [folders[3]]
    recovery.discard(checkpoint.parent)
    assert checkpoint.exists()

"""Words name what is looked for: from the line beside Find objects to proposals that are taken."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QInputDialog

from napari_sam2.plugin.layers.layer_frames import is_proposals
from napari_sam2.plugin.panel.population import text_find_box
from tiny_detectors import save_owl

if TYPE_CHECKING:
    from conftest import Desk


# Not skipped in a fixture: napari's own looks at what became of the test.
needs_text = pytest.mark.skipif(find_spec("transformers") is None, reason="the extra [text] is not installed")


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    return save_owl(tmp_path / "owl")


@needs_text
def test_words_lead_to_proposals_that_are_taken_in_one_step(
    open_desk: Callable[..., Desk], frames: np.ndarray, checkpoint: Path, detector: Path
) -> None:
    desk = open_desk(frames, checkpoint=checkpoint)
    desk.find("find_bar").setValue(0)
    line = desk.find("find_text")
    QTest.keyClicks(line, "nucleus, cell")
    # Nobody has said which detector, so that is asked for; then the words are looked for.
    QTest.keyClick(line, Qt.Key.Key_Return)
    question = desk.widget.findChild(QInputDialog, "text_model_question")
    assert question.isVisible()
    question.setTextValue(str(detector))
    question.accept()
    desk.until(lambda: desk.find("find_take").isVisible(), "proposals")
    assert desk.widget.session.object_ids == ()
    assert any(is_proposals(layer) for layer in desk.viewer.layers)
    desk.press("find_take")
    desk.settle()
    taken = desk.widget.session.object_ids
    assert taken
    assert all((desk.labels[desk.widget.layers.frame] == number).any() for number in taken)
    desk.press("undo")
    desk.settle()
    assert desk.widget.session.object_ids == ()


@needs_text
def test_a_folder_without_a_detector_is_told_and_another_can_be_given(
    open_desk: Callable[..., Desk], frames: np.ndarray, checkpoint: Path, detector: Path, tmp_path: Path
) -> None:
    desk = open_desk(frames, checkpoint=checkpoint)
    failures: list[Exception] = []
    desk.widget.controller.failed.connect(failures.append)
    words = desk.widget.panel.find_box.words
    words.text.setText("cell")
    words.set_source(str(tmp_path / "nothing" / "there"))
    desk.until(lambda: failures, "the message")
    assert "there is no folder" in str(failures[0])
    desk.settle()
    assert desk.find("find_text").isEnabled()
    words.set_source(str(detector))
    desk.until(lambda: desk.find("find_take").isVisible(), "proposals")
    desk.press("find_cancel")
    desk.settle()


def test_without_the_extra_the_line_is_away_and_the_button_says_how_to_get_it(
    open_desk: Callable[..., Desk], frames: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_find_box, "_IS_INSTALLED", False)
    desk = open_desk(frames)
    assert not desk.find("find_text").isVisible()
    assert 'pip install "napari-sam2[text]"' in desk.find("find_objects").toolTip()

"""Sheets and the page: which frames are shown, in which order, and what is drawn on them."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_sam2.data.images.stack import Stack
from napari_sam2.evaluation.labelled_sequences import LabelledSequence
from napari_sam2.evaluation.reports.contact_sheets import draw_sheet, frame_accuracy, spread_frames, worst_frames
from napari_sam2.evaluation.reports.html_report import Page, make_entry

FRAMES = 12


@pytest.fixture
def sequence() -> LabelledSequence:
    labels = np.zeros((FRAMES, 60, 60), np.uint8)
    labels[:, 10:30, 10:30] = 2
    return LabelledSequence("dark", "t", Stack.from_array(np.zeros((FRAMES, 60, 60), np.uint8), "t"), labels)


def half_right(sequence: LabelledSequence, wrong: int) -> dict[tuple[int, int], np.ndarray]:
    masks = {(t, 2): sequence.truth(t, 2) for t in range(FRAMES)}
    half = masks[wrong, 2].copy()
    half[:20] = False
    return masks | {(wrong, 2): half}


def test_the_worst_frames_come_first(sequence: LabelledSequence) -> None:
    accuracy = frame_accuracy(sequence, half_right(sequence, 7))
    # the prompted frame is not graded
    assert sorted(accuracy) == list(range(1, FRAMES))
    assert accuracy[7] == 0.5
    assert worst_frames(accuracy)[0] == 7
    assert len(worst_frames(accuracy)) == 8
    del accuracy[7]
    assert set(accuracy.values()) == {1}


def test_frames_are_spread_and_the_prompted_one_is_among_them(sequence: LabelledSequence) -> None:
    frames = spread_frames(sequence)
    assert (frames[0], frames[-1], len(frames)) == (0, FRAMES - 1, 8)
    late = LabelledSequence("late", "z", sequence.stack, sequence.labels.copy())
    late.labels[4, :, 10:30] = 2
    assert 4 in spread_frames(late)
    short = LabelledSequence("short", "t", sequence.stack, sequence.labels[:3])
    assert spread_frames(short) == [0, 1, 2]


def test_truth_is_white_and_the_answer_coloured(sequence: LabelledSequence) -> None:
    masks = half_right(sequence, 7)
    sheet = draw_sheet(sequence, masks, frames=[7, 8], captions={7: "J 0.50"}, title="dark, mask")
    pixels = np.asarray(sheet, int)[26:]
    assert pixels.shape == (180, 360, 3)
    # rim of the truth: row 10 of 60, three times enlarged
    assert (pixels[30, 45] == 255).all()
    inside_missed, inside_found = pixels[45, 60], pixels[75, 60]
    assert inside_missed.max() == 0
    assert np.ptp(inside_found) > 20
    # the title stands in its own strip
    assert np.asarray(sheet)[:26].max() > 200


def test_the_page_begins_with_the_worst_sequence(sequence: LabelledSequence, tmp_path: Path) -> None:
    page = Page()
    masks, scores = half_right(sequence, 7), {(t, 2): 0.9 for t in range(FRAMES)}
    page.entries.append(make_entry("good <one>", sequence, masks, accuracy=0.9))
    page.entries.append(make_entry("bad", sequence, masks, accuracy=0.2, scores=scores))
    page.write(tmp_path / "page.html", title="a & b", table="| x |")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert re.findall("<h2>(.*?)</h2>", text) == ["bad: J&amp;F 0.20", "good &lt;one&gt;: J&amp;F 0.90"]
    assert "<h1>a &amp; b</h1>" in text
    pictures = [Image.open(io.BytesIO(base64.b64decode(code))) for code in re.findall('base64,(.*?)"', text)]
    assert [picture.height for picture in pictures] == [206, 206, 150, 206, 206]

"""A review in the real widget: what a frame takes, and how good the result gets, by two ways to choose the next frame.

Run it where there is a screen, or under a virtual one; the sequences are looked for as by ``stories.py``::

    scripts/qt_run.sh --virtual-display .venv/bin/python benchmarks/review.py [SEQUENCE...] [--pictures FOLDER]

The largest object is clicked on once and tracked. Then ``J`` leads from frame to frame: a good mask is accepted
(``Y``), an object that is not there is absent (``Shift+A``), any other mask is corrected with up to three clicks, and
what is out of date is tracked again (``U``). Once the next frame is the one where a correction is expected to bring
most, once the one of the lowest confidence.
"""

from __future__ import annotations

# First: it keeps napari, which reads its settings when it is imported, from the user's.
from newcomer import Newcomer

# isort: split

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from stories import DATA, WINDOW

from napari_sam2.evaluation.grading import grade_object
from napari_sam2.evaluation.interactive import GOOD_ENOUGH
from napari_sam2.evaluation.labelled_sequences import LabelledSequence, deepest_point, read_sequences
from napari_sam2.evaluation.metrics import region_similarity
from napari_sam2.evaluation.simulated.simulated_clicks import first_click, worst_click
from napari_sam2.plugin.layers.points_and_shapes import next_sign
from napari_sam2.plugin.widget import Sam2Widget

QUEUES = ("most to gain", "lowest confidence")
REPORTED = (0, 1, 2, 4, 8)
CLICKS = 3
# In a row, of which none needs a correction: then the review is over.
MOST_GOOD = 12


@dataclass
class Reviewer:
    """Goes from frame to frame of one object, and knows the truth about each."""

    hand: Newcomer
    sequence: LabelledSequence
    object_id: int
    # Looked at, and corrected.
    frames: list[int] = field(default_factory=list)
    corrected: list[int] = field(default_factory=list)
    # J&F after each correction, the first before any.
    figures: list[float] = field(default_factory=list)

    def begin(self) -> None:
        """Click on the object once and track it."""
        first = self.sequence.prompt_frame(self.object_id)
        self.hand.viewer.dims.set_point(0, first)
        self.hand.key(Qt.Key.Key_N)
        self.hand.click(*deepest_point(self.sequence.truth(first, self.object_id)))
        self.hand.track()
        self.figures.append(self.grade())

    def review(self, corrections: int) -> None:
        """Go on until so many frames are corrected, or nothing is left to look at."""
        good = 0
        while len(self.corrected) < corrections and good < MOST_GOOD:
            self.hand.key(Qt.Key.Key_J)
            if self.hand.widget.view.reader.looked_at[0]:
                return
            frame = self.hand.widget.layers.frame
            if frame in self.frames:
                good += 1
                continue
            self.frames.append(frame)
            good = 0 if self._judge(frame) else good + 1

    def _judge(self, frame: int) -> bool:
        """Accept what is on show, or correct it and track again; whether there was something to correct."""
        truth = self.sequence.truth(frame, self.object_id)
        if region_similarity(self.mask(frame), truth) >= GOOD_ENOUGH:
            self.hand.key(Qt.Key.Key_Y)
            self.hand.wait(lambda: self.hand.widget.controller.worker.is_idle)
            return False
        if truth.any():
            self._click(frame, truth)
        else:
            self.hand.key(Qt.Key.Key_A, Qt.KeyboardModifier.ShiftModifier)
        self.hand.wait(lambda: self.hand.widget.controller.worker.is_idle)
        self.corrected.append(frame)
        if self.hand.widget.session.stale:
            before = len(self.hand.ended)
            self.hand.key(Qt.Key.Key_U)
            self.hand.wait(lambda: len(self.hand.ended) > before)
        self.figures.append(self.grade())
        return True

    def _click(self, frame: int, truth: np.ndarray) -> None:
        for _ in range(CLICKS):
            mask = self.mask(frame)
            click = worst_click(mask, truth) if mask.any() else first_click(truth)
            if click is None or region_similarity(mask, truth) >= 0.9:
                return
            y, x, sign = click
            points = self.hand.widget.layers.points
            if (next_sign(points) == "positive") != bool(sign):
                self.hand.key(Qt.Key.Key_Q)
            self.hand.click(y, x)

    def mask(self, frame: int) -> np.ndarray:
        layers = self.hand.widget.layers
        return np.asarray(layers.labels.data[frame]) == layers.selected

    def grade(self) -> float:
        masks = {frame: self.mask(frame) for frame in self.sequence.graded}
        return grade_object(self.sequence, self.object_id, masks)["J&F"]


def reviewed(sequence: LabelledSequence, queue: str, *, corrections: int, pictures: Path | None) -> str:
    """Review a sequence; return its row of the table."""
    # Work of the review before would be offered in this one.
    os.environ["NAPARI_SAM2_HOME"] = tempfile.mkdtemp()
    viewer = napari.Viewer()
    viewer.window.resize(*WINDOW)
    frames = np.stack([sequence.stack.read(frame) for frame in range(len(sequence.labels))])
    viewer.add_image(frames, name=sequence.name, axis_labels=(sequence.axis, "y", "x"), rgb=frames.ndim == 4)
    try:
        widget = Sam2Widget(viewer)
        viewer.window.add_dock_widget(widget, name="SAM 2")
        place = None if pictures is None else pictures / f"{sequence.name}-{queue.replace(' ', '-')}"
        hand = Newcomer(viewer, widget, pictures=place)
        hand.wait(lambda: widget.session is not None)
        reviewer = Reviewer(hand, sequence, sequence.objects()[0])
        reviewer.begin()
        widget.panel.doubt.setCurrentText(queue)
        hand.picture("begin")
        hand.actions.clear()
        begun = time.perf_counter()
        reviewer.review(corrections)
        seconds = time.perf_counter() - begun
        QTest.qWait(300)
        hand.picture("end")
        return row(reviewer, queue, seconds)
    finally:
        viewer.close()


def row(reviewer: Reviewer, queue: str, seconds: float) -> str:
    figures, hand = reviewer.figures, reviewer.hand
    keys = sum(action.startswith("key") for action in hand.actions)
    looked = max(len(reviewer.frames), 1)
    reached = " ".join(f"{figures[n]:.3f}" if n < len(figures) else "-" for n in REPORTED)
    return (
        f"| {reviewer.sequence.name} | {queue} | {len(reviewer.frames)} | {len(reviewer.corrected)} | {keys} | "
        f"{len(hand.actions) - keys} | {len(hand.actions) / looked:.1f} | {seconds:.0f} s | {reached} |"
    )


def sequences(names: list[str]) -> Iterator[LabelledSequence]:
    for name in names:
        yield from read_sequences(DATA, (name,))


def main() -> None:
    """Review the sequences that are asked for, by both queues."""
    parser = argparse.ArgumentParser(description="What a review takes, and what comes of it.")
    parser.add_argument("sequences", nargs="*", default=["plantseg_nuclei_1135"], metavar="SEQUENCE")
    parser.add_argument("--queues", nargs="+", default=QUEUES, choices=QUEUES)
    parser.add_argument("--corrections", type=int, default=8)
    parser.add_argument("--pictures", type=Path, help="folder for pictures of the window")
    options = parser.parse_args()
    sys.stdout.write(
        "| sequence | next frame | looked at | corrected | keys | clicks | actions a frame | time | "
        f"J&F after {', '.join(map(str, REPORTED))} |\n|---|---|---:|---:|---:|---:|---:|---:|---|\n"
    )
    for sequence in sequences(options.sequences):
        for queue in options.queues:
            told = reviewed(sequence, queue, corrections=options.corrections, pictures=options.pictures)
            sys.stdout.write(told + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Teach a model a user's own objects: fine-tune a copy of it on corrected labels, and see whether that helped."""

from __future__ import annotations

import copy
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from napari_sam2.generators import StepsWithResult
from napari_sam2.model.sam2 import Sam2
from napari_sam2.training.train_settings import TeachSettings

from .examples import LabelledStack, split_stacks
from .holdout import Figures, measure
from .steps import Lesson

__all__ = ["LabelledStack", "Taught", "TeachProgress", "TeachSettings", "teach"]

BEFORE, TEACHING, AFTER = ("measuring before", "teaching", "measuring after")
# Share of the whole that a progress bar gives to measuring, each time; nothing better is known in advance.
_MEASURING_SHARE = 0.1
# How much of what was learned is tried, in this order, until it helps: weights half-way to the taught ones often keep
# what the model could do before (Wortsman et al. 2022).
LEARNED_SHARES = (1.0, 0.5)


@dataclass(frozen=True)
class TeachProgress:
    """Where teaching is.

    Attributes
    ----------
    stage : str
        ``"measuring before"``, ``"teaching"`` or ``"measuring after"``.
    step : int
        Optimiser steps done.
    share_done : float
        Of everything, 0 to 1; never falls.
    seconds_left : float or None
        Until the end of the last stage; ``None`` while nothing tells.
    loss : float or None
        Smoothed; ``None`` before the first step.
    before : float or None
        J&F of the untaught model on the held-out frames; ``None`` until it is measured, and where none are held out.
    """

    stage: str
    step: int
    share_done: float
    seconds_left: float | None
    loss: float | None
    before: float | None


@dataclass(frozen=True, eq=False)
class Taught:
    """What came of teaching.

    Attributes
    ----------
    model : Sam2
        The taught copy, of the type and on the device of the model it was made from.
    before, after : dict or None
        ``"J"``, ``"F"`` and ``"J&F"`` of the old and of the taught model on the held-out frames, each object prompted
        with its mask on the last training frame; ``None`` where no frames could be held out.
    held_out_frames : tuple of tuple of int
        For each stack that was learned from, the frames measured on; empty for stacks too short for it.
    weights : mapping of str to Tensor
        Of the taught model, in float32 whatever the model computes in: what is to be saved.
    learned_share : float
        How far the weights are from the old ones towards the taught ones: 1, or less where all of it did not help and
        less of it did better.
    """

    model: Sam2
    before: Figures | None
    after: Figures | None
    held_out_frames: tuple[tuple[int, ...], ...]
    weights: Mapping[str, Tensor]
    learned_share: float = 1.0

    def in_full(self) -> Sam2:
        """Return the taught model in float32, as it is to be saved: that of ``model`` may be rounded."""
        full = copy.deepcopy(self.model).float()
        full.load_state_dict(dict(self.weights))
        return full

    @property
    def helped(self) -> bool:
        """Whether J&F has risen; not known to have where nothing was held out."""
        return self.before is not None and self.after is not None and self.after["J&F"] > self.before["J&F"]


def teach(
    model: Sam2, stacks_with_labels: Sequence[LabelledStack], *, settings: TeachSettings | None = None
) -> Generator[TeachProgress, None, Taught]:
    """Fine-tune a copy of a model on corrected labels.

    Parameters
    ----------
    model : Sam2
        From `napari_sam2.load_model`; it is not changed.
    stacks_with_labels : sequence of LabelledStack
        What to learn from.
    settings : TeachSettings, optional
        The defaults where not given.

    Returns
    -------
    generator
        Yields a `TeachProgress` after each frame measured and each step, returns a `Taught`. Closed earlier, it leaves
        nothing behind.

    Raises
    ------
    ValueError
        At once, if the labels do not fit the frames, fewer than three frames are accepted or none shows an object.
    """
    settings = settings or TeachSettings()
    examples = split_stacks(stacks_with_labels, settings.held_out)
    return _Teaching(model, Lesson(model, examples, settings), settings).run()


class _Teaching:
    def __init__(self, model: Sam2, lesson: Lesson, settings: TeachSettings) -> None:
        self.model = model
        self.lesson = lesson
        self.settings = settings
        self.before: Figures | None = None
        self.measuring_seconds = 0.0

    def run(self) -> Generator[TeachProgress, None, Taught]:
        begun = time.monotonic()
        self.before = yield from self._measure(self.model, BEFORE)
        self.measuring_seconds = time.monotonic() - begun
        yield from self._steps()
        held_out = tuple(example.held_out for example in self.lesson.examples)
        best: Taught | None = None
        for number, share in enumerate(LEARNED_SHARES):
            taught = copy.deepcopy(self.model)
            # Copied into place, each number becomes of the type it has in the model that was given.
            learned = self.lesson.learned(share)
            taught.load_state_dict(learned)
            after = yield from self._measure(taught, AFTER, number=number)
            tried = Taught(taught, self.before, after, held_out, learned, share)
            if best is None or best.after is None or (after is not None and after["J&F"] > best.after["J&F"]):
                best = tried
            if after is None or best.helped:
                break
        assert best is not None
        if best.after is not None:
            yield self._progress(AFTER, 1.0, 0.0)
        return best

    def _measure(self, model: Sam2, stage: str, *, number: int = 0) -> Generator[TeachProgress, None, Figures | None]:
        begun, measuring = time.monotonic(), StepsWithResult(measure(model, self.lesson.examples))
        for share in measuring:
            whole = (time.monotonic() - begun) / share
            left: float | None = whole * (1 - share)
            if stage == BEFORE:
                # The same again comes after the teaching, whose time is known only where it is set.
                left = None if self.settings.steps else whole * (2 - share) + 60 * self.settings.minutes
            offset, room = 0.0, _MEASURING_SHARE
            if stage == AFTER:
                room = _MEASURING_SHARE / len(LEARNED_SHARES)
                offset = 1 - _MEASURING_SHARE + number * room
            yield self._progress(stage, offset + room * share, left)
        return measuring.result

    def _steps(self) -> Iterator[TeachProgress]:
        begun, done = time.monotonic(), 0.0
        while done < 1:
            self.lesson.step(done)
            spent = time.monotonic() - begun
            steps = self.settings.steps
            done = self.lesson.steps / steps if steps else spent / 60 / self.settings.minutes
            done = min(done, 1.0)
            share = _MEASURING_SHARE + (1 - 2 * _MEASURING_SHARE) * done
            yield self._progress(TEACHING, share, spent * (1 - done) / done + self.measuring_seconds)

    def _progress(self, stage: str, share: float, left: float | None) -> TeachProgress:
        before = None if self.before is None else self.before["J&F"]
        return TeachProgress(stage, self.lesson.steps, share, left, self.lesson.loss, before)

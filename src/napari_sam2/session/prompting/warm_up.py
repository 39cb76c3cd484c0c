"""A click that nobody gave, so that the first one somebody gives is answered as quickly as all others."""

from __future__ import annotations

import numpy as np

from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.session.tracking.memory_bank import MemoryBank, MemoryRule
from napari_sam2.session.tracking.object_track import ObjectTrack

from .predictor import PromptAnswerer
from .threads import answers_at_once, threads_for_a_click


def rehearse(answerer: PromptAnswerer, rule: MemoryRule, frame: int) -> None:
    """Answer a click and a box in the middle of a frame, and forget them.

    What torch and others do at their first call takes longer than an answer. With a model that does not
    answer at once nothing is done: there, the second look that is practised takes seconds, and a click is no matter of
    milliseconds.
    """
    if not answers_at_once(answerer.model):
        return
    height, width = answerer.frame_size
    y, x = height / 2, width / 2
    click = Prompt(frame, 1, points=np.array([[y, x]], np.float32), labels=np.array([1], np.int32))
    # A click may find nothing in the whole frame; a box is looked at through a window whatever is in it.
    box = Prompt(frame, 1, box=(y - height / 16, x - width / 16, y + height / 16, x + width / 16))
    with threads_for_a_click(answerer.model):
        for prompt in (click, box):
            answerer.predict(ObjectTrack(1, MemoryBank(rule, spare_bytes=0)), prompt)

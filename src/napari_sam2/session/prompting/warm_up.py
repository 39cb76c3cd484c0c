"""Warm the model up with a click and a box, so that the user's first click is answered as quickly as others."""

from __future__ import annotations

import numpy as np

from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.session.tracking.memory_bank import MemoryBank
from napari_sam2.session.tracking.object_track import ObjectTrack

from .predictor import PromptPredictor
from .threads import answers_at_once, threads_for_a_click


def warm_up(predictor: PromptPredictor, frame: int) -> None:
    """Answer a click and a box in the middle of a frame, and forget them.

    The first call of torch and others takes longer than an answer of a small model. Large models are not warmed up:
    the work would take seconds, and their clicks are slow anyway.
    """
    if not answers_at_once(predictor.model):
        return
    height, width = predictor.frame_size
    y, x = height / 2, width / 2
    click = Prompt(frame, 1, points=np.array([[y, x]], np.float32), labels=np.array([1], np.int32))
    # A click may find nothing in the whole frame; a box is cropped to whatever is in it.
    box = Prompt(frame, 1, box=(y - height / 16, x - width / 16, y + height / 16, x + width / 16))
    with threads_for_a_click(predictor.model):
        # Each on an object of its own that is then dropped: the session does not change.
        for prompt in (click, box):
            predictor.predict(ObjectTrack(1, MemoryBank(predictor.tracker.policy, spare_bytes=0)), prompt)

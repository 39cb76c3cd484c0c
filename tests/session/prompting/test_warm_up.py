"""A frame that is prepared answers its first click as quickly as any other, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from napari_sam2 import Session
from napari_sam2.model.sam2 import Sam2
from session_state import everything
from small_model import SMALL

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_prepared_frame_is_encoded_and_nothing_else_is_changed(model: Sam2, frames: np.ndarray) -> None:
    prepared, plain = Session(model, frames), Session(model, frames)
    prepared.prepare(3)
    assert (prepared.object_ids, prepared.prompts, prepared.labels.frames_done) == ((), (), [])
    for session in (prepared, plain):
        session.add_points(3, 1, [(20, 30)], [1])
    assert everything(prepared) == everything(plain)
    encoded = prepared.encoder.frames_encoded
    prepared.prepare(3)
    assert prepared.encoder.frames_encoded == encoded


def test_a_click_through_the_decoder_is_practised_once(model: Sam2, frames: np.ndarray) -> None:
    answers: list[int] = []
    hook = model.sam_mask_decoder.register_forward_hook(lambda *_: answers.append(1))
    try:
        session = Session(model, frames)
        session.prepare(0)
        practised = len(answers)
        assert practised >= 2
        session.prepare(1)
    finally:
        hook.remove()
    assert len(answers) == practised


def test_a_large_model_is_not_kept_busy_with_practice(make_model: Callable[..., Sam2], frames: np.ndarray) -> None:
    large = make_model(3, config=replace(SMALL, name="large_for_tests", image_size=1024))
    session = Session(large, frames)
    session.prepare(0)
    assert session.encoder.frames_encoded == 1


def test_a_frame_that_is_not_there_cannot_be_prepared(model: Sam2, frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match="12"):
        Session(model, frames).prepare(12)

"""A mask prompt without any pixel: the object is not there on that frame."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.data import Prompt
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.session import Session

pytestmark = pytest.mark.usefixtures("one_thread")
NOTHING = np.zeros((48, 56), bool)


def tracked(model: Sam2, frames: np.ndarray, **options: object) -> Session:
    session = Session(model, frames, **options)  # type: ignore[arg-type]
    session.add_box(0, 1, (14, 18, 28, 34))
    for _ in session.propagate():
        pass
    assert session.scores.object_score.min() > 0.5
    return session


@pytest.mark.parametrize("zoom", ["off", 2.0])
def test_nothing_is_drawn_and_what_follows_is_tracked_again(model: Sam2, frames: np.ndarray, zoom: str | float) -> None:
    session = tracked(model, frames, zoom=zoom)
    before = session.labels.to_array()
    result = session.add_mask(5, 1, NOTHING)
    assert result.object_scores[0] < 1e-3
    assert not result.masks.any()
    assert not session.labels[5].any()
    assert session.stale == {1: (6, 7, 8, 9, 10, 11)}
    for _ in session.update():
        pass
    row = session.outputs.scores.get(5, 1)
    assert row is not None
    assert row.object_score < 1e-3
    assert row.area == 0
    np.testing.assert_array_equal(session.labels.to_array()[:5], before[:5])
    assert not session.labels[5].any()


def test_memory_says_hidden(model: Sam2, frames: np.ndarray) -> None:
    session = tracked(model, frames)
    after = {}
    for name, mask in {"absent": NOTHING, "there": session.labels[5] > 0}.items():
        session.add_prompt(Prompt(5, 1, mask=mask))
        after[name] = [result.object_score_logits[0] for result in session.update()]
    assert not np.allclose(after["absent"], after["there"])


def test_undo_brings_the_object_back(model: Sam2, frames: np.ndarray) -> None:
    session = tracked(model, frames)
    before = session.labels.to_array()
    session.add_mask(5, 1, NOTHING)
    session.undo()
    np.testing.assert_array_equal(session.labels.to_array(), before)
    assert session.stale == {}


def test_other_objects_keep_their_pixels(model: Sam2, frames: np.ndarray) -> None:
    session = tracked(model, frames)
    other = np.zeros((48, 56), bool)
    other[30:40, 5:15] = True
    session.add_mask(5, 2, other)
    session.add_mask(5, 1, NOTHING)
    np.testing.assert_array_equal(session.labels[5], np.where(other, 2, 0))


def test_clicks_after_it_start_afresh(model: Sam2, frames: np.ndarray) -> None:
    session, fresh = Session(model, frames), Session(model, frames)
    session.add_mask(3, 1, NOTHING)
    corrected = session.add_points(3, 1, [(20, 25)], [1])
    np.testing.assert_array_equal(corrected.logits, fresh.add_points(3, 1, [(20, 25)], [1]).logits)

"""The motion of boxes, the candidate that agrees with it, and the frames that do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_sam2.session.tracking.memory.choice import MemoryRule
from napari_sam2.session.tracking.memory.motion import MotionMemory, begin, correct, predict
from napari_sam2.session.tracking.memory.observation import NOTHING_SEEN, Box, Motion, Observation
from napari_sam2.session.tracking.memory.policies import make_policy
from scripted_memory import Scripted

MEMORY = MotionMemory(MemoryRule())


def box(frame: int, step: int = 1) -> Box:
    """Twenty by ten pixels that go two down and three to the right a frame."""
    y, x = 2.0 * frame * step, 3.0 * frame * step
    return y, x, y + 20, x + 10


def followed(frames: int, iou: float = 0.9, step: int = 1) -> Observation:
    before = NOTHING_SEEN
    for frame in range(frames):
        shown = Observation(box(frame, step), 200.0, areas=(200.0,), ious=(iou,))
        before = MEMORY.observe(frame * step, Scripted(5.0, iou, shown), before, step=step, recent={})
    return before


def test_the_filter_is_the_one_of_its_matrices() -> None:
    """The same with 8 x 8 matrices, as it is usually written."""
    motion = begin(box(0), 1)
    h = 20.0
    mean = np.array([5, 10, 0.5, h, 0, 0, 0, 0])
    covariance = np.diag(np.square([h / 10, h / 10, 0.01, h / 10, h / 16, h / 16, 1e-5, h / 16]))
    moves, sees = np.eye(8) + np.eye(8, k=4), np.eye(4, 8)
    for frame in range(1, 6):
        h = mean[3]
        noise = np.diag(np.square([h / 20, h / 20, 0.01, h / 20, h / 160, h / 160, 1e-5, h / 160]))
        mean, covariance = moves @ mean, moves @ covariance @ moves.T + noise
        motion = predict(motion)
        h = mean[3]
        measured = np.diag(np.square([h / 20, h / 20, 0.1, h / 20]))
        gain = covariance @ sees.T @ np.linalg.inv(sees @ covariance @ sees.T + measured)
        y0, x0, y1, x1 = box(frame)
        seen = np.array([(x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / (y1 - y0), y1 - y0])
        mean, covariance = mean + gain @ (seen - sees @ mean), covariance - gain @ sees @ covariance
        motion = correct(motion, box(frame))
        np.testing.assert_allclose([*motion.place, *motion.velocity], mean, rtol=1e-9)
        np.testing.assert_allclose([s[0] for s in motion.spread], np.diag(covariance)[:4], rtol=1e-9)
        np.testing.assert_allclose([s[2] for s in motion.spread], np.diag(covariance)[4:], rtol=1e-9)


@pytest.mark.parametrize("step", [1, -1])
def test_a_steady_object_is_expected_where_it_goes(step: int) -> None:
    assert MEMORY.expect(followed(14, step=step), step=step) is None
    known = followed(20, step=step)
    expected = MEMORY.expect(known, step=step)
    assert expected is not None
    np.testing.assert_allclose(expected, box(20, step), atol=0.5)
    # A pass the other way begins anew.
    assert MEMORY.expect(known, step=-step) is None
    assert known.motion is not None and known.motion.overlap is not None and known.motion.overlap > 0.9


def test_who_is_seen_badly_or_not_at_all_begins_anew() -> None:
    known = followed(20)
    for shown, iou in ((NOTHING_SEEN, 0.9), (Observation(box(20), 200.0, (200.0,)), 0.3)):
        assert MEMORY.observe(20, Scripted(5.0, iou, shown), known, step=1, recent={}).motion is None
    again = MEMORY.observe(30, Scripted(5.0, 0.9, Observation(box(0), 200.0)), NOTHING_SEEN, step=1, recent={})
    assert again.motion == begin(box(0), 1)


def test_the_candidate_that_lies_on_the_way() -> None:
    there, elsewhere = box(20), (100.0, 100.0, 120.0, 110.0)
    assert MEMORY.prefer([elsewhere, there, None], [0.9, 0.7, 0.9], there) == 1
    assert MEMORY.prefer([elsewhere, there, None], [0.9, 0.5, 0.9], there) == 0
    assert MEMORY.prefer([None, None, None], [0.1, 0.3, 0.2], there) == 1


def test_frames_that_count() -> None:
    moving = Motion((1.0,) * 4, (0.0,) * 4, ((1.0, 0.0, 1.0),) * 4, stable=15, step=1, overlap=0.4)
    lost = replace(moving, overlap=0.0)
    assert MEMORY.counts(Scripted(0.1, 0.51))
    assert MEMORY.counts(Scripted(0.1, 0.51, Observation(motion=moving)))
    assert not MEMORY.counts(Scripted(0.1, 0.51, Observation(motion=lost)))
    assert not MEMORY.counts(Scripted(0.1, 0.5))
    assert not MEMORY.counts(Scripted(-0.1, 0.9))


def test_slices_do_not_move() -> None:
    policy = make_policy("motion", MemoryRule(), axis="z")
    assert (
        policy.observe(3, Scripted(5.0, 0.9, Observation(box(0), 200.0)), NOTHING_SEEN, step=1, recent={}).motion
        is None
    )
    assert policy.expect(followed(20), step=1) is None

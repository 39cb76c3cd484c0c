"""Motion of an object's box: a Kalman filter with constant velocity, as in SAMURAI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .gated import GatedMemory
from .observation import Box, Motion, Observation, box_iou
from .policy import Frames, RememberedFrame

# Standard deviations of positions and of velocities: of x, y and height in heights of the box, and of the aspect.
_POSITION, _VELOCITY = 1 / 20, 1 / 160
_ASPECT, _ASPECT_VELOCITY, _ASPECT_MEASURED = 1e-2, 1e-5, 1e-1
# Factors on them where the filter begins.
_UNSURE_OF_POSITION, _UNSURE_OF_VELOCITY = 2, 10


def begin(box: Box, step: int) -> Motion:
    """Begin with a box at rest, of unknown velocity."""
    place = _place(box)
    h = place[3]
    positions = (_UNSURE_OF_POSITION * _POSITION * h,) * 2 + (_ASPECT, _UNSURE_OF_POSITION * _POSITION * h)
    velocities = (_UNSURE_OF_VELOCITY * _VELOCITY * h,) * 2 + (_ASPECT_VELOCITY, _UNSURE_OF_VELOCITY * _VELOCITY * h)
    spread = tuple((p**2, 0.0, v**2) for p, v in zip(positions, velocities, strict=True))
    return Motion(place, (0.0,) * 4, spread, stable=1, step=step)


def predict(motion: Motion) -> Motion:
    """Go on by one frame."""
    # The four numbers of a box do not depend on one another, so each is filtered by itself with its velocity.
    h = motion.place[3]
    positions, velocities = _deviations(h, _ASPECT), (_VELOCITY * h, _VELOCITY * h, _ASPECT_VELOCITY, _VELOCITY * h)
    spread = tuple(
        (pp + 2 * pv + vv + p**2, pv + vv, vv + v**2)
        for (pp, pv, vv), p, v in zip(motion.spread, positions, velocities, strict=True)
    )
    place = tuple(x + v for x, v in zip(motion.place, motion.velocity, strict=True))
    return replace(motion, place=place, spread=spread)


def correct(motion: Motion, box: Box) -> Motion:
    """Take in the box that was seen on the frame that was predicted."""
    rows = zip(
        motion.place,
        motion.velocity,
        motion.spread,
        _place(box),
        _deviations(motion.place[3], _ASPECT_MEASURED),
        strict=True,
    )
    place, velocity, spread = [], [], []
    for x, v, (pp, pv, vv), seen, deviation in rows:
        total = pp + deviation**2
        place.append(x + pp / total * (seen - x))
        velocity.append(v + pv / total * (seen - x))
        spread.append((pp - pp * pp / total, pv - pp * pv / total, vv - pv * pv / total))
    return replace(motion, place=tuple(place), velocity=tuple(velocity), spread=tuple(spread))


def expected_box(motion: Motion) -> Box:
    """Box of a state."""
    x, y, aspect, h = motion.place
    return y - h / 2, x - aspect * h / 2, y + h / 2, x + aspect * h / 2


def _place(box: Box) -> tuple[float, ...]:
    height = box[2] - box[0]
    return (box[1] + box[3]) / 2, (box[0] + box[2]) / 2, (box[3] - box[1]) / height, height


def _deviations(h: float, aspect: float) -> tuple[float, float, float, float]:
    return _POSITION * h, _POSITION * h, aspect, _POSITION * h


@dataclass(frozen=True)
class MotionMemory(GatedMemory):
    """Prefers the candidate that lies where the object's motion leads to, and frames that agree with it."""

    # Weight of the motion against the predicted IoU.
    weight: float = 0.25
    # Frames seen in a row after which the motion is known, and least predicted IoU of a frame that goes into it.
    steady: int = 15
    least_iou: float = 0.3
    # Least predicted IoU of a frame that is attended to.
    good: float = 0.5
    # Off for slices, between which nothing moves.
    predicts: bool = True

    @property
    def observes(self) -> bool:
        """The motion is part of the observation."""
        return True

    def counts(self, seen: RememberedFrame) -> bool:
        """Whether a tracked frame was seen well and, as far as known, where it was expected."""
        motion = None if seen.observation is None else seen.observation.motion
        agrees = motion is None or motion.overlap is None or motion.overlap > 0
        return seen.object_score_logit > 0 and seen.iou > self.good and agrees

    def expect(self, before: Observation, *, step: int) -> Box | None:
        """Box in which the object is expected on the next frame; ``None`` where its motion is not known."""
        motion = before.motion
        if not self.predicts or motion is None or motion.step != step or motion.stable < self.steady:
            return None
        return expected_box(predict(motion))

    def prefer(self, boxes: Sequence[Box | None], ious: Sequence[float], expected: Box) -> int:
        """Index of the candidate to choose."""
        overlaps = [0.0 if box is None else box_iou(box, expected) for box in boxes]
        worth = [self.weight * m + (1 - self.weight) * u for m, u in zip(overlaps, ious, strict=True)]
        return worth.index(max(worth))

    def observe(
        self, frame: int, seen: RememberedFrame, before: Observation, *, step: int, recent: Frames
    ) -> Observation:
        """Follow the motion."""
        now = super().observe(frame, seen, before, step=step, recent=recent)
        return replace(now, motion=self._moved(now, seen.iou, before.motion, step)) if self.predicts else now

    def _moved(self, now: Observation, iou: float, motion: Motion | None, step: int) -> Motion | None:
        # Where the object is not seen, or badly, its motion begins anew when it is seen again.
        if now.box is None:
            return None
        if motion is None or motion.step != step:
            return begin(now.box, step)
        if iou <= self.least_iou:
            return None
        guess = predict(motion)
        overlap = box_iou(expected_box(guess), now.box) if motion.stable >= self.steady else None
        return replace(correct(guess, now.box), stable=min(motion.stable + 1, self.steady), overlap=overlap)

"""How likely objects of a frame are to be those of the frame before, or their daughters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.spatial import cKDTree

from .proposals.candidates import Candidate, ious, shared_pixels

# An object is looked for within so many of its diameters; half as likely at somewhat more than one.
_REACH = 2.5
# What is less alike is something else.
_LEAST_LIKENESS = 0.2
# Daughters lie within so many diameters of their mother, and the smaller has at least this share of the larger one.
_BIRTH_REACH, _LEAST_SISTER = 1.5, 0.4
# What is smaller than this share of its mother is a part of her.
_LEAST_DAUGHTER = 0.2
# Dividing has to explain more than going on does by this share of the weight: most objects do not divide.
_RARE = 0.15
# Successors that are considered for each object, the likeliest first.
_MOST, _MOST_PAIRS = 6, 6


@dataclass(frozen=True)
class Succession:
    """One object of a frame and what follows it on the next: one object, or two daughters."""

    parent: int
    children: tuple[int, ...]
    # Its likeness times the mean weight of those that take part.
    gain: float


def successions(
    before: Sequence[Candidate], after: Sequence[Candidate], width: int, *, least: float = _LEAST_LIKENESS
) -> list[Succession]:
    """Find what may follow each candidate of a frame of that width, and is at least so much alike."""
    if not before or not after:
        return []
    shared = shared_pixels(before, after, width)
    iou_nm = ious(shared, np.array([one.size for one in before]), np.array([one.size for one in after]))
    tree = cKDTree([one.centre for one in after])
    found = []
    for index, one in enumerate(before):
        near = tree.query_ball_point(one.centre, _REACH * one.diameter)
        alike = [(max(float(iou_nm[index, other]), _likeness(one, after[other])), other) for other in near]
        gains = [(likeness * _together(one, after[other]), other) for likeness, other in alike if likeness > least]
        found += [Succession(index, (other,), gain) for gain, other in sorted(gains, reverse=True)[:_MOST]]
    return found


def divisions(before: Sequence[Candidate], after: Sequence[Candidate]) -> list[Succession]:
    """Find the pairs that may be daughters of each candidate: apart from each other, around it, and alike."""
    if not before or len(after) < 2:
        return []
    tree = cKDTree([one.centre for one in after])
    found = []
    for index, mother in enumerate(before):
        near = tree.query_ball_point(mother.centre, _BIRTH_REACH * mother.diameter)
        gains = []
        for pair in combinations(near, 2):
            daughters = [after[other] for other in pair]
            gain = (_birth_likeness(mother, *daughters) - _RARE) * _together(mother, *daughters)
            if gain > 0:
                gains.append((gain, pair))
        found += [Succession(index, pair, gain) for gain, pair in sorted(gains, reverse=True)[:_MOST_PAIRS]]
    return found


def _together(*candidates: Candidate) -> float:
    """Geometric mean of weights: an object that is sure before lifts what is left of it in a bad frame."""
    return math.prod(one.weight for one in candidates) ** (1 / len(candidates))


def _likeness(one: Candidate, other: Candidate) -> float:
    """Alike in size and box, and near: 1 for the same mask in the same place."""
    near = _nearness(math.dist(one.centre, other.centre), one.diameter)
    return near * _alike(one.size, other.size)


def _birth_likeness(mother: Candidate, one: Candidate, other: Candidate) -> float:
    if _alike(one.size, other.size) < _LEAST_SISTER or _touching(one, other):
        return 0.0
    if min(one.size, other.size) < _LEAST_DAUGHTER * mother.size:
        return 0.0
    # They part to opposite sides, and have together what their mother had.
    middle = [(a + b) / 2 for a, b in zip(one.centre, other.centre, strict=True)]
    near = _nearness(math.dist(mother.centre, middle), mother.diameter)
    return near * math.sqrt(_alike(one.size, other.size) * _alike(mother.size, one.size + other.size))


def _nearness(distance: float, diameter: float) -> float:
    return math.exp(-0.5 * (distance / diameter) ** 2)


def _alike(one: float, other: float) -> float:
    return min(one, other) / max(one, other)


def _touching(one: Candidate, other: Candidate) -> bool:
    """Whether two masks lie on each other rather than side by side."""
    return math.dist(one.centre, other.centre) < 0.5 * min(one.diameter, other.diameter)

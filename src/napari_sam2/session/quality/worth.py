"""Where a correction brings most, and how good the result is in all, by the expected quality of its masks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from .expected_quality import ExpectedQuality

# What a corrected frame is expected to have, and the share of it that each further frame keeps where nothing is known
# about that yet. Frames farther away than that gain nothing that counts.
_CORRECTED, _KEPT, _FARTHEST = 0.9, 0.93, 128
# In slices: how much a mask of which nothing is expected, and none at all, speak for the object's end, as logits, and
# the expected J that says nothing. Slices side by side say much the same, so it is little. Fitted to held-out stacks.
_NOTHING_EXPECTED, _NO_MASK, _EXPECTED = 0.1, 0.2, 0.4
# From the expected J up to which a mask may be of nothing at all to that from which it is none such.
_DOUBTFUL, _SURE = 0.5, 0.8


@dataclass(frozen=True)
class Outlook:
    """How good the masks of all objects are in the mean, and would be after more corrections."""

    frames: int
    mean: float
    # The mean J lies within so much of it in four of five cases.
    margin: float
    # So many bring it to that: those asked for, or fewer if no more would bring anything.
    corrections: int
    after: float


def worth_of_corrections(quality: ExpectedQuality, prompted: Collection[int]) -> NDArray[np.float64]:
    """What a correction on each frame of one object is expected to bring, summed over the frames that depend on it.

    A frame depends on those between it and its nearest prompt. In slices, an object may have ended before: saying so
    clears all slices beyond. Result: (n,), in frames made wholly right; 0 on prompted frames.
    """
    offsets = _from_prompts(quality.frames, prompted)
    steps, own = np.sign(offsets), np.arange(len(offsets))
    reached = _reached(quality, np.abs(offsets))
    worth: NDArray[np.float64] = np.clip(reached[0] - quality.mean, 0, None)
    for ahead in range(1, min(len(own), _FARTHEST)):
        following = own + ahead * steps
        here = (steps != 0) & (following >= 0) & (following < len(own))
        here[here] = (offsets[following[here]] - offsets[here]) == ahead * steps[here]
        worth[here] += np.clip(reached[ahead] - quality.mean[following[here]], 0, None)
    if quality.in_slices:
        ended, cleared = beyond_the_end(quality, offsets)
        worth = ended * cleared + (1 - ended) * worth
    worth[np.isin(quality.frames, list(prompted))] = 0
    return worth


def beyond_the_end(
    quality: ExpectedQuality, offsets: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n,) how likely an object has ended before a slice, and how many masks from there on would then be wrong.

    Beyond the last prompt on each side; 0 between prompts. Each slice may be the first without the object, or none.
    """
    empty = np.zeros(len(offsets), bool) if quality.empty is None else quality.empty
    speaks = np.where(empty, _NO_MASK, _NOTHING_EXPECTED - (_NOTHING_EXPECTED / _EXPECTED) * quality.mean)
    ended, cleared, numbers = np.zeros(len(offsets)), np.zeros(len(offsets)), np.arange(len(offsets))
    # Outwards on either side. A prompted slice itself may have no result.
    last, first = numbers[offsets <= 0].max(initial=-1), numbers[offsets >= 0].min(initial=len(offsets))
    for side in (numbers[last + 1 :], numbers[:first][::-1]):
        # That it ends with a slice is as likely as all of the slices from there on are unlike the object.
        beyond = np.cumsum(speaks[side][::-1])[::-1]
        likely = np.exp(np.append(beyond, 0.0) - beyond.max(initial=0.0))
        ended[side] = np.cumsum(likely / likely.sum())[:-1]
        cleared[side] = np.cumsum(~empty[side][::-1])[::-1]
    return ended * ((_SURE - quality.mean) / (_SURE - _DOUBTFUL)).clip(0, 1), cleared


def corrected(quality: ExpectedQuality, frame: int, prompted: Collection[int]) -> ExpectedQuality:
    """What is expected once a frame has been corrected and the object tracked again."""
    offsets = _from_prompts(quality.frames, prompted)
    at = int(np.searchsorted(quality.frames, frame))
    ways = (np.arange(len(offsets)) - at) * (np.sign(offsets[at]) or 1)
    better = np.where(ways >= 0, _reached(quality, np.abs(offsets))[np.abs(ways)], 0.0)
    mean = np.maximum(quality.mean, better)
    if quality.in_slices:
        # If the object has ended before, saying so leaves nothing wrong beyond.
        ended = np.where(ways >= 0, beyond_the_end(quality, offsets)[0][at], 0.0)
        mean = ended + (1 - ended) * mean
    return replace(quality, mean=mean)


def _reached(quality: ExpectedQuality, distances: NDArray[np.intp]) -> NDArray[np.float64]:
    """(n,) what a frame so far behind a prompt is expected to have: as usual, and as it was behind earlier prompts."""
    n = len(distances)
    behind = distances > 0
    usual = _CORRECTED * _KEPT ** np.arange(n)
    sums = np.bincount(distances[behind], weights=quality.mean[behind], minlength=n)[:n]
    reached = (usual + sums) / (1 + np.bincount(distances[behind], minlength=n)[:n])
    return np.minimum.accumulate(reached)


@dataclass(frozen=True)
class Correction:
    """A frame of an object that is worth correcting."""

    frame: int
    object_id: int
    # What it is expected to bring, in frames made wholly right.
    worth: float


def corrections_in_turn(
    qualities: Mapping[int, ExpectedQuality], prompted: Mapping[int, Collection[int]]
) -> Iterator[tuple[Correction, Mapping[int, ExpectedQuality]]]:
    """Correct where it brings most, again and again, as long as anything is gained.

    Each comes with what is then expected of all objects.
    """
    known = dict(qualities)
    seen = {i: {*prompted.get(i, ())} for i in known}
    worths = {i: worth_of_corrections(quality, seen[i]) for i, quality in known.items() if len(quality.frames)}
    while worths:
        best = max(worths, key=lambda i: worths[i].max())
        at = int(worths[best].argmax())
        if worths[best][at] <= 0:
            return
        found = Correction(int(known[best].frames[at]), best, float(worths[best][at]))
        known[best] = corrected(known[best], found.frame, seen[best])
        seen[best].add(found.frame)
        worths[best] = worth_of_corrections(known[best], seen[best])
        yield found, dict(known)


def outlook(
    qualities: Mapping[int, ExpectedQuality], prompted: Mapping[int, Collection[int]], *, corrections: int = 3
) -> Outlook | None:
    """Say how good the result is and what a few corrections, each where it brings most, would make of it.

    ``None`` where nothing has been tracked.
    """
    known = [quality for quality in qualities.values() if len(quality.frames)]
    if not known:
        return None
    # Errors on the frames of one object go together; those of different objects do not.
    margin = float(np.mean([np.mean(quality.high - quality.low) for quality in known])) / 2 / np.sqrt(len(known))
    done = [after for _, after in islice(corrections_in_turn(qualities, prompted), corrections)]
    frames = sum(len(quality.frames) for quality in known)
    return Outlook(frames, _mean(known), margin, len(done), _mean((done or [qualities])[-1].values()))


def _mean(qualities: Iterable[ExpectedQuality]) -> float:
    return float(np.mean(np.concatenate([quality.mean for quality in qualities])))


def _from_prompts(frames: NDArray[np.intp], prompted: Collection[int]) -> NDArray[np.intp]:
    """(n,) how far each frame lies behind its nearest prompt, below 0 before it: those farther out depend on it."""
    anchors = np.array(sorted(prompted) or [frames[0]])
    nearest: NDArray[np.intp] = anchors[np.abs(frames[:, None] - anchors).argmin(axis=1)]
    return frames - nearest

"""Joint choice of objects and of what became of them: which candidates are objects, which follow which, which divide.

One linear program with whole numbers for a stretch of frames: a mask that goes on in the next frames is likelier to be
an object, and an object that goes on is likelier than one that ends while another begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from .proposals.candidates import MOST_SHARED, Candidate, shared_pixels
from .succession import Succession, divisions, successions

# What it costs to begin or to end away from the border of the frame, times the score: more than an object without any
# support weighs, and far less than a good one, which must not be tied to whatever was there before.
_BEGINNING = 0.5
# What a likeness counts where an object is missed on the frame between, and the least that it is believed at: a
# newcomer must not be tied to a speck that was near.
_MISSED, _LEAST_MISSED = 0.5, 0.5
# The search ends within a hundredth of the best there can be, or after so many branches; seconds are a last resort, as
# results should not depend on the machine.
_CLOSE, _BRANCHES, _SECONDS = 0.01, 100, 300.0
# A candidate is (frame of the stretch, index).
Node = tuple[int, int]


@dataclass(frozen=True)
class Choice:
    """Objects of a stretch of frames, and how they go on."""

    # The candidates chosen of each frame.
    objects: tuple[tuple[int, ...], ...]
    # What follows a candidate: one, or two where it divides.
    next_of: Mapping[Node, tuple[Node, ...]] = field(default_factory=dict)


def choose_objects(
    frames: Sequence[Sequence[Candidate]],
    frame_size: tuple[int, int],
    *,
    chosen: Sequence[int] | None = None,
    dividing: bool = True,
) -> Choice:
    """Choose among the candidates of frames in a row.

    ``frames``: of each, the heaviest first.
    ``chosen``: the objects of the first frame, where they are known already.
    ``dividing``: whether objects may have two followers.
    """
    program = _Program(frames, frame_size)
    for before in range(len(frames) - 1):
        program.link(before, dividing=dividing)
        program.bridge(before)
    program.hold_apart()
    if chosen is not None:
        program.fix(0, chosen)
    choice = program.solve()
    if choice is not None:
        return choice
    # Too many to choose from: the heavier half of them is. What is known already is not touched.
    fewer = [frame[: len(frame) // 2] for frame in frames]
    if chosen is not None:
        fewer[0] = frames[0]
    return choose_objects(fewer, frame_size, chosen=chosen, dividing=dividing)


class _Program:
    """Variables, gains and constraints of the choice."""

    def __init__(self, frames: Sequence[Sequence[Candidate]], frame_size: tuple[int, int]) -> None:
        self.frames = frames
        self.frame_size = frame_size
        # Variables: candidates first, frame by frame, then beginnings, then ends, then successions.
        self.first = np.cumsum([0, *map(len, frames)]).tolist()
        self.count = self.first[-1]
        gains, costs = [], []
        for index, frame in enumerate(frames):
            gains += [one.weight for one in frame]
            for one in frame:
                price = 0.0 if at_border(one, frame_size) else _BEGINNING * one.score
                # What the stretch begins or ends with may have begun before or may go on.
                costs.append((0.0 if index == 0 else price, 0.0 if index == len(frames) - 1 else price))
        self.gains = [*gains, *(-begin for begin, _ in costs), *(-end for _, end in costs)]
        # With the frames that they go from and to.
        self.successions: list[tuple[int, int, Succession]] = []
        self.rows: list[list[tuple[int, float]]] = []
        self.limits: list[tuple[float, float]] = []
        self.fixed: dict[int, float] = {}

    def link(self, before: int, *, dividing: bool) -> None:
        """Let the objects of a frame go on in the next one."""
        pair = self.frames[before], self.frames[before + 1]
        found = successions(*pair, self.frame_size[1])
        for one in [*found, *(divisions(*pair) if dividing else ())]:
            self.successions.append((before, before + 1, one))
            self.gains.append(one.gain)

    def bridge(self, before: int) -> None:
        """Let the objects of a frame be missed on the next one."""
        if before + 2 < len(self.frames):
            ends = self.frames[before], self.frames[before + 2]
            for one in successions(*ends, self.frame_size[1], least=_LEAST_MISSED):
                self.successions.append((before, before + 2, one))
                self.gains.append(_MISSED * one.gain)

    def hold_apart(self) -> None:
        """Let no two objects of a frame share more than a part of the smaller one."""
        for index, frame in enumerate(self.frames):
            sizes = np.array([one.size for one in frame])
            shared = shared_pixels(frame, frame, self.frame_size[1])
            apart = shared > MOST_SHARED * np.minimum(sizes[:, None], sizes[None]) if len(frame) else shared
            for group in _cliques(np.asarray(apart, bool)):
                self._add([(self.first[index] + one, 1.0) for one in group], -np.inf, 1.0)

    def fix(self, index: int, chosen: Sequence[int]) -> None:
        """Take the objects of a frame as given."""
        for one in range(len(self.frames[index])):
            self.fixed[self.first[index] + one] = float(one in chosen)

    def solve(self) -> Choice | None:
        """Solve it; ``None`` if no answer was found in time."""
        if not self.count:
            return Choice(tuple(() for _ in self.frames))
        self._conserve()
        entries = [(row, column, value) for row, terms in enumerate(self.rows) for column, value in terms]
        rows, columns, values = zip(*entries, strict=True)
        matrix = coo_array((values, (rows, columns)), (len(self.rows), len(self.gains))).tocsr()
        low, high = np.zeros(len(self.gains)), np.ones(len(self.gains))
        for variable, value in self.fixed.items():
            low[variable] = high[variable] = value
        lower, upper = zip(*self.limits, strict=True)
        result = milp(
            -np.array(self.gains),
            constraints=LinearConstraint(matrix, lower, upper),
            integrality=np.ones(len(self.gains)),
            bounds=Bounds(low, high),
            options={"mip_rel_gap": _CLOSE, "node_limit": _BRANCHES, "time_limit": _SECONDS},
        )
        return None if result.x is None else self._choice(result.x > 0.5)

    def _conserve(self) -> None:
        # An object begins or follows another one; it ends or is followed by one, or by two.
        incoming: list[list[tuple[int, float]]] = [[(v, -1.0), (self.count + v, 1.0)] for v in range(self.count)]
        outgoing: list[list[tuple[int, float]]] = [[(v, -1.0), (2 * self.count + v, 1.0)] for v in range(self.count)]
        for offset, (before, after, one) in enumerate(self.successions):
            variable = 3 * self.count + offset
            outgoing[self.first[before] + one.parent].append((variable, 1.0))
            for child in one.children:
                incoming[self.first[after] + child].append((variable, 1.0))
        for terms in [*incoming, *outgoing]:
            self._add(terms, 0.0, 0.0)

    def _add(self, terms: list[tuple[int, float]], low: float, high: float) -> None:
        self.rows.append(terms)
        self.limits.append((low, high))

    def _choice(self, taken: NDArray[np.bool_]) -> Choice:
        objects = tuple(tuple(np.flatnonzero(taken[a:b]).tolist()) for a, b in pairwise(self.first))
        next_of = {
            (before, one.parent): tuple((after, child) for child in one.children)
            for (before, after, one), is_taken in zip(self.successions, taken[3 * self.count :], strict=True)
            if is_taken
        }
        return Choice(objects, next_of)


def at_border(one: Candidate, frame_size: tuple[int, int]) -> bool:
    """Whether an object may have come over the border, or may be about to leave: it is less than its radius away."""
    margin = one.diameter / 2
    y0, x0, y1, x1 = one.box
    return min(y0, x0) < margin or y1 > frame_size[0] - margin or x1 > frame_size[1] - margin


def _cliques(apart_nn: NDArray[np.bool_]) -> list[list[int]]:
    """Cover the pairs that exclude each other with groups in which each excludes all others: fewer, tighter rows."""
    left = np.triu(apart_nn, 1)
    groups = []
    for one in range(len(left)):
        while left[one].any():
            group = [one]
            for other in np.flatnonzero(left[one]).tolist():
                if apart_nn[other, group].all():
                    group.append(other)
            left[np.ix_(group, group)] = False
            groups.append(group)
    return groups

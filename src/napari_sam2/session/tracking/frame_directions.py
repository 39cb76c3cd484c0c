"""A table of frames with the direction, forward or backward, in which each was tracked or is to be tracked."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, MutableMapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


class FrameDirections(MutableMapping[int, int]):
    """Direction, 1 or -1, by frame, rising; an array, so that long stacks are copied and compared in microseconds."""

    def __init__(self, directions: Mapping[int, int] | Iterable[tuple[int, int]] = ()) -> None:
        # 0 where there is none.
        self._array: NDArray[np.int8] = np.zeros(0, np.int8)
        self.update(directions)

    @classmethod
    def of(cls, array: NDArray[np.integer]) -> FrameDirections:
        """Make it from an array with the direction of each frame, 0 for none."""
        made = cls()
        made._array = array.astype(np.int8)
        return made

    @classmethod
    def from_spans(cls, spans: Iterable[Iterable[int]]) -> FrameDirections:
        """Make it from (first, last, direction), as from `spans`, or (frame, direction), as in older folders."""
        made = cls()
        for first, *middle, direction in spans:
            # Frames in a row are (first, last, direction); older folders have (frame, direction).
            last = middle[0] if middle else first
            made._grow(last + 1)
            made._array[first : last + 1] = direction
        return made

    def __getitem__(self, frame: int) -> int:
        if frame not in self:
            raise KeyError(frame)
        return int(self._array[frame])

    def __contains__(self, frame: object) -> bool:
        return isinstance(frame, int) and 0 <= frame < len(self._array) and bool(self._array[frame])

    def __setitem__(self, frame: int, direction: int) -> None:
        self._grow(frame + 1)
        self._array[frame] = direction

    def __delitem__(self, frame: int) -> None:
        if frame not in self:
            raise KeyError(frame)
        self._array[frame] = 0

    def __iter__(self) -> Iterator[int]:
        return iter(self.frames.tolist())

    def __len__(self) -> int:
        return int(np.count_nonzero(self._array))

    @property
    def frames(self) -> NDArray[np.intp]:
        """Frames that have a direction, rising."""
        return np.flatnonzero(self._array)

    def going(self, direction: int) -> list[int]:
        """Frames that have this direction, rising."""
        return np.flatnonzero(self._array == direction).tolist()

    def array(self, length: int) -> NDArray[np.int8]:
        """Direction of each of so many frames, 0 for none."""
        made = np.zeros(length, np.int8)
        made[: len(self._array)] = self._array[:length]
        return made

    def copy(self) -> FrameDirections:
        """Make an independent copy."""
        return FrameDirections.of(self._array)

    def merge(self, other: FrameDirections) -> None:
        """Add the frames of another table; where both have a direction, the other's counts."""
        self._grow(len(other._array))
        np.copyto(self._array[: len(other._array)], other._array, where=other._array != 0)

    def after(self, frame: int) -> FrameDirections:
        """Keep the frames reached after this one: later ones that were tracked forward, earlier ones backward."""
        # A frame comes later in its pass if it lies on the side to which its own direction points.
        ahead = (np.arange(len(self._array)) - frame) * self._array > 0
        return FrameDirections.of(self._array * ahead)

    def after_volume(self, frame: int, n_planes: int) -> FrameDirections:
        """Keep the planes of a plane's own volume, and of those that were reached from it, of so many planes each."""
        volumes, here = np.arange(len(self._array)) // n_planes, frame // n_planes
        step = self._array[frame] if frame < len(self._array) else 0
        reached = (volumes - here) * self._array > 0
        # Both ways lead away from the first volume; from any other, one.
        first = volumes[self._array > 0].min(initial=here) if step > 0 else here
        if step < 0 or here > first:
            reached &= self._array == step
        return FrameDirections.of(self._array * (reached | (volumes == here)))

    def only(self, frames: Container[int]) -> FrameDirections:
        """Keep some frames."""
        return FrameDirections.of(self._array * np.array([t in frames for t in range(len(self._array))], bool))

    def spans(self) -> list[tuple[int, int, int]]:
        """(first, last, direction) of frames in a row."""
        frames = self.frames
        steps = self._array[frames]
        # A span ends where a frame is skipped or the direction changes.
        breaks = np.flatnonzero((np.diff(frames) != 1) | (np.diff(steps) != 0)) + 1
        ends = [0, *breaks.tolist(), len(frames)]
        return [(int(frames[a]), int(frames[b - 1]), int(steps[a])) for a, b in pairwise(ends) if b]

    def changes_since(self, earlier: FrameDirections) -> tuple[FrameDirections, list[int]]:
        """Find what must be put into an earlier table, and which frames dropped from it, to turn it into this one."""
        length = max(len(self._array), len(earlier._array))
        now, before = self.array(length), earlier.array(length)
        # What differs and still has a direction is to be put; what differs and has none is to be dropped.
        changed = now != before
        return FrameDirections.of(now * changed), np.flatnonzero(changed & (now == 0)).tolist()

    def _grow(self, length: int) -> None:
        # Twice as long each time, so that a pass over a long stack copies the array only a few times.
        if length > len(self._array):
            self._array = self.array(max(length, 2 * len(self._array)))

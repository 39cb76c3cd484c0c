"""Does random things to a session, for tests of what must hold whatever is done."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from napari_sam2 import FrameResult, Session


class Driver:
    """Does random things to a session, keeping generators that rest half-way."""

    def __init__(self, session: Session, seed: int) -> None:
        self.session = session
        self.rng = np.random.default_rng(seed)
        self.resting: list[Iterator[FrameResult]] = []
        self.log: list[str] = []

    def step(self) -> None:
        names = ["points", "points", "more_points", "box", "mask", "mask", "clear", "remove", "undo", "undo", "redo"]
        names += ["propagate", "propagate", "update", "rest", "go_on", "go_on"]
        name = str(self.rng.choice(names))
        self.log.append(name)
        getattr(self, name)()

    def prompt(self) -> None:
        getattr(self, str(self.rng.choice(["points", "more_points", "box", "mask"])))()

    def _frame(self) -> int:
        return int(self.rng.integers(self.session.stack.n_frames))

    def _id(self) -> int:
        return int(self.rng.choice([1, 2, 3, 70000]))

    def _size(self) -> np.ndarray:
        return np.array(self.session.stack.shape[1:])

    def points(self, replace: bool = True) -> None:
        count = int(self.rng.integers(1, 4))
        points = self.rng.random((count, 2)) * (self._size() - 1)
        self.session.add_points(self._frame(), self._id(), points, self.rng.integers(0, 2, count), replace=replace)

    def more_points(self) -> None:
        self.points(replace=False)

    def box(self) -> None:
        corner = self.rng.random(2) * (self._size() - 9)
        self.session.add_box(self._frame(), self._id(), [*corner, *(corner + 8)])

    def mask(self) -> None:
        mask = np.zeros(self._size(), bool)
        y, x = self.rng.integers(0, self._size() - 8)
        mask[y : y + int(self.rng.integers(1, 20)), x : x + int(self.rng.integers(1, 20))] = True
        self.session.add_mask(self._frame(), self._id(), mask)

    def clear(self) -> None:
        prompts = self.session.prompts
        if prompts:
            prompt = prompts[int(self.rng.integers(len(prompts)))]
            self.session.clear_prompts(prompt.frame, prompt.object_id)

    def remove(self) -> None:
        if self.session.object_ids:
            self.session.remove_object(int(self.rng.choice(self.session.object_ids)))

    def undo(self) -> None:
        self.session.undo()

    def redo(self) -> None:
        self.session.redo()

    def _start(self) -> Iterator[FrameResult] | None:
        prompted = sorted({prompt.object_id for prompt in self.session.prompts})
        if not prompted:
            return None
        direction = str(self.rng.choice(["forward", "backward", "both", "outward"]))
        start = None if direction == "outward" or self.rng.random() < 0.5 else self._frame()
        some = self.rng.permutation(prompted)[: int(self.rng.integers(1, len(prompted) + 1))].tolist()
        return self.session.propagate(start, direction, max_frames=int(self.rng.integers(1, 9)), object_ids=some)

    def propagate(self) -> None:
        for result in self._start() or ():
            check_result(self.session, result)

    def rest(self) -> None:
        pending = self._start()
        if pending is not None:
            self.resting.append(pending)
            self.go_on()

    def go_on(self) -> None:
        for pending in self.resting:
            for _ in range(int(self.rng.integers(1, 4))):
                result = next(pending, None)
                if result is not None:
                    check_result(self.session, result)

    def update(self) -> None:
        if {prompt.object_id for prompt in self.session.prompts} == set(self.session.object_ids):
            expected = self.session.stale
            tracked: dict[int, set[int]] = {object_id: set() for object_id in expected}
            for result in self.session.update():
                check_result(self.session, result)
                for object_id in result.object_ids:
                    tracked[object_id].add(result.frame)
            assert {object_id: tuple(sorted(seen)) for object_id, seen in tracked.items()} == expected
            assert self.session.stale == {}


def check_result(session: Session, result: FrameResult) -> None:
    """Labels and scores agree with what was just yielded, and what was yielded is well formed."""
    count = len(result.object_ids)
    assert count > 0
    assert result.logits.shape == (count, *session.stack.shape[1:])
    assert np.isfinite(result.logits).all()
    assert np.isfinite(result.object_score_logits).all()
    scores = session.scores.set_index(["frame", "object"])
    for row, object_id in enumerate(result.object_ids):
        assert scores.loc[(result.frame, object_id), "object_score"] == pytest.approx(result.object_scores[row])
        if result.object_score_logits[row] <= 0 and object_id not in painted_on(session, result.frame):
            assert not (session.labels[result.frame] == object_id).any()


def painted_on(session: Session, frame: int) -> dict[int, np.ndarray]:
    return {p.object_id: p.mask for p in session.prompts if p.frame == frame and p.mask is not None}

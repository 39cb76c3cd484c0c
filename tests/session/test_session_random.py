"""Random sequences of operations, and what must hold after each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from napari_sam2 import FrameResult, Session
from napari_sam2.model.sam2 import Sam2

pytestmark = pytest.mark.usefixtures("one_thread")
SEEDS = range(8)


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
        if result.object_score_logits[row] <= 0 and object_id not in _painted(session, result.frame):
            assert not (session.labels[result.frame] == object_id).any()


def _painted(session: Session, frame: int) -> dict[int, np.ndarray]:
    return {p.object_id: p.mask for p in session.prompts if p.frame == frame and p.mask is not None}


def check_invariants(session: Session) -> None:
    labels = session.labels
    known = set(session.object_ids)
    table = session.scores
    assert set(table["object"]) <= known
    areas = {(row.frame, row.object): row.area for row in table.itertuples()}
    assert len(areas) == len(table)
    for frame in range(session.stack.n_frames):
        image = labels[frame]
        ids, counts = np.unique(image[image > 0], return_counts=True)
        assert set(ids.tolist()) <= known
        drawn = dict(zip(ids.tolist(), counts.tolist(), strict=True))
        listed = {object_id: area for (t, object_id), area in areas.items() if t == frame and area > 0}
        assert drawn == listed
        painted = _painted(session, frame)
        if painted:
            everything = np.logical_or.reduce(list(painted.values()))
            assert set(image[everything].tolist()) <= set(painted)
            for object_id, mask in painted.items():
                assert not (image == object_id)[~mask].any()
    for track in session._objects.tracks.values():
        # No result is forgotten: each is a prompt's, up to date, or waiting to be tracked again.
        shown = {t for t, object_id in areas if object_id == track.object_id}
        assert shown <= {*track.visited, *track.stale, *track.prompts}
    for object_id, stale in session.stale.items():
        assert object_id in known
        assert list(stale) == sorted(set(stale))


def state(session: Session) -> dict[str, Any]:
    return {
        "ids": session.object_ids,
        "labels": session.labels.to_array(),
        "scores": session.scores.to_csv(index=False),
        "stale": session.stale,
        "prompts": {
            (p.frame, p.object_id): (p.box, *(None if a is None else a.tolist() for a in (p.points, p.labels, p.mask)))
            for p in session.prompts
        },
    }


def assert_same_state(one: dict[str, Any], other: dict[str, Any]) -> None:
    for key in one:
        np.testing.assert_equal(one[key], other[key], err_msg=key)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_done_the_outputs_agree(seed: int, model: Sam2, flickering_model: Sam2, frames: np.ndarray) -> None:
    session = Session(flickering_model if seed % 2 else model, frames)
    driver = Driver(session, seed)
    for _ in range(25):
        driver.step()
        check_invariants(session)


@pytest.mark.parametrize("seed", SEEDS)
def test_undoing_everything_leaves_nothing_and_redoing_brings_it_back(
    seed: int, model: Sam2, flickering_model: Sam2, frames: np.ndarray
) -> None:
    session = Session(flickering_model if seed % 2 else model, frames)
    driver = Driver(session, seed)
    for _ in range(15):
        driver.step()
    driver.prompt()  # after which there is nothing to redo
    states = [state(session)]
    while session.undo() is not None:
        check_invariants(session)
        states.append(state(session))
    assert session.object_ids == ()
    assert not session.labels.to_array().any()
    assert session.scores.empty
    for earlier in states[-2::-1]:
        assert session.redo() is not None
        assert_same_state(state(session), earlier)
    assert session.redo() is None


@pytest.mark.parametrize("seed", SEEDS)
def test_every_prompt_is_undone_exactly(seed: int, model: Sam2, flickering_model: Sam2, frames: np.ndarray) -> None:
    session = Session(flickering_model if seed % 2 else model, frames)
    driver = Driver(session, seed)
    for _ in range(8):
        driver.step()
    states = [state(session)]
    for _ in range(6):
        driver.prompt()
        states.append(state(session))
    for earlier in states[-2::-1]:
        assert session.undo() is not None
        assert_same_state(state(session), earlier)

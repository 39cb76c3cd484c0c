"""Random sequences of operations, and what must hold after each of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_sam2 import Session
from napari_sam2.model.sam2 import Sam2
from session_driver import Driver, painted_on

pytestmark = pytest.mark.usefixtures("one_thread")
SEEDS = range(8)


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
        painted = painted_on(session, frame)
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
def test_drawing_what_changed_is_as_drawing_everything(
    seed: int, model: Sam2, flickering_model: Sam2, frames: np.ndarray
) -> None:
    zoom = ("off", "auto", 2)[seed % 3]
    sessions = [Session(flickering_model if seed % 2 else model, frames, zoom=zoom) for _ in range(2)]
    sparing, thorough = (Driver(session, seed) for session in sessions)
    for _ in range(25):
        sparing.step()
        thorough.session._objects.outdate(range(len(frames)))
        thorough.step()
        assert_same_state(state(sparing.session), state(thorough.session))


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

"""Runs through volumes over time: one step of undo, cut short and gone on with, and only what is out of date again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drawn_discs import picture
from napari_sam2.data.images.volume_series import VolumeSeries
from napari_sam2.data.labels.lineage import LifeSpan
from napari_sam2.data.prompts.drawing import Drawing, DrawnPoint, PromptKey
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.model.sam2 import Sam2
from napari_sam2.plugin.worker.engine import Engine
from napari_sam2.plugin.worker.messages import TrackingRequest
from napari_sam2.session.session import Session
from napari_sam2.session.volumes.volume_session import VolumeSession
from small_model import build_small

N_TIMES, N_PLANES = 3, 4
SIZE = (48, 56)
TRACK, UPDATE, RESUME = (TrackingRequest(kind) for kind in ("both", "update", "resume"))
NAME = "Track through time and depth"


@pytest.fixture(scope="module")
def model() -> Sam2:
    return build_small(5, presence=1.0)


@pytest.fixture(scope="module")
def volumes() -> np.ndarray:
    """(T, Z, Y, X): two discs that drift."""
    planes = [
        picture((14 + 2 * t, 15 + z, 9, 140), (14, 40 - 2 * t, 8, 100), size=SIZE, seed=10 * t + z)
        for t in range(N_TIMES)
        for z in range(N_PLANES)
    ]
    return np.stack(planes).reshape(N_TIMES, N_PLANES, *SIZE)


@pytest.fixture
def engine(model: Sam2, volumes: np.ndarray) -> Engine:
    return Engine(Session(model, VolumeSeries.from_array(volumes).planes))


def click(engine: Engine, time: int, plane: int, object_id: int, *, y: float = 14.0, x: float = 16.0) -> int:
    frame = time * N_PLANES + plane
    engine.edit({PromptKey(frame, object_id): Drawing(points=(DrawnPoint(y, x, 1),))}, "Click")
    return frame


def test_results_are_those_of_a_volume_session(engine: Engine, model: Sam2, volumes: np.ndarray) -> None:
    frame = click(engine, 1, 2, 5)
    mask = engine.session.outputs.mask(frame, 5)
    assert mask is not None
    steps = list(engine.track(TRACK))
    alone = VolumeSession(model, volumes)
    alone.add_prompt(1, Prompt(2, 5, mask=mask))
    assert len(list(alone.propagate()))
    found, expected = engine.session.labels.to_array(), np.asarray(alone.labels).reshape(-1, *SIZE)
    others = [t for t in range(len(found)) if t != frame]
    np.testing.assert_array_equal(found[others], expected[others])
    # The answer to the click stays, to the pixel.
    np.testing.assert_array_equal(found[frame] == 5, mask)
    shown = {step.update.frame: step.update.image for step in steps}
    assert all(np.array_equal(shown[t], found[t]) for t in range(len(found)))
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert steps[-1].done == steps[-1].total == N_TIMES * N_PLANES
    rows = {row.frame: row.object_score for row in engine.session.outputs.scores if row.frame != frame}
    assert rows == {t: pytest.approx(alone.labels.scores.get(t, 5).object_score) for t in others}  # type: ignore[union-attr]


def test_a_run_is_one_step_which_an_edit_divides(engine: Engine) -> None:
    frame = click(engine, 0, 1, 1)
    before = engine.session.labels[frame].copy()
    list(engine.track(TRACK))
    assert engine.state().undo == NAME
    tracked = engine.session.labels.to_array()
    engine.undo()
    assert engine.session.labels.frames_done == [frame]
    np.testing.assert_array_equal(engine.session.labels[frame], before)
    engine.redo()
    np.testing.assert_array_equal(engine.session.labels.to_array(), tracked)
    engine.undo()
    run = engine.track(TRACK)
    next(step for step in run if step.done > N_PLANES)
    click(engine, 0, 0, 2, y=14, x=40)
    list(run)
    assert [step.name for step in engine.session.history[0]] == ["Click", NAME, "Click", NAME]


def test_a_run_that_was_left_goes_on(engine: Engine, model: Sam2, volumes: np.ndarray) -> None:
    click(engine, 1, 1, 1)
    run = engine.track(TRACK)
    left = next(step for step in run if step.done > N_PLANES + 1)
    run.close()
    kept = engine.session.labels.to_array()
    assert {t // N_PLANES for t in engine.session.labels.frames_done} == {1}
    rest = list(engine.track(RESUME))
    assert N_PLANES <= rest[0].done <= left.done
    assert rest[-1].done == rest[-1].total
    np.testing.assert_array_equal(engine.session.labels[N_PLANES : 2 * N_PLANES], kept[N_PLANES : 2 * N_PLANES])
    whole = Engine(Session(model, VolumeSeries.from_array(volumes).planes))
    click(whole, 1, 1, 1)
    list(whole.track(TRACK))
    np.testing.assert_array_equal(engine.session.labels.to_array(), whole.session.labels.to_array())


def test_an_update_tracks_the_volumes_after_a_correction_and_newcomers(engine: Engine) -> None:
    click(engine, 0, 1, 1)
    list(engine.track(TRACK))
    assert not engine.state().stale
    before = engine.session.labels.to_array()
    corrected = click(engine, 1, 2, 1, y=30, x=30)
    stale = engine.state().stale[1].tolist()
    assert stale == [t for t in range(N_PLANES, N_TIMES * N_PLANES) if t != corrected]
    shown = engine.session.labels[corrected].copy()
    steps = list(engine.track(UPDATE))
    assert {step.update.frame // N_PLANES for step in steps} == {1, 2}
    assert not engine.state().stale
    np.testing.assert_array_equal(engine.session.labels[:N_PLANES], before[:N_PLANES])
    np.testing.assert_array_equal(engine.session.labels[corrected], shown)
    # An object that came later is tracked over all volumes that the others cover, and nothing else is.
    one = engine.session.labels.to_array() == 1
    click(engine, 2, 1, 2, y=14, x=36)
    assert set(engine.state().stale) == {2}
    list(engine.track(UPDATE))
    assert not engine.state().stale
    assert {row.frame // N_PLANES for row in engine.session.outputs.scores if row.object_id == 2} == {0, 1, 2}
    lost = one & (engine.session.labels.to_array() != 1)
    assert not lost[: 2 * N_PLANES].any()


def test_the_way_back_does_not_depend_on_later_volumes(engine: Engine) -> None:
    click(engine, 1, 1, 1)
    list(engine.track(TRACK))
    volumes = {0: {0}, 1: {0, 1, 2}, 2: {2}}
    for time, expected in volumes.items():
        click(engine, time, 3, 1, y=30, x=30)
        assert {int(t) // N_PLANES for t in engine.state().stale[1]} == expected
        engine.undo()
    assert not engine.state().stale


def test_what_is_said_not_to_be_there_and_what_is_accepted_stay(engine: Engine) -> None:
    click(engine, 0, 1, 1)
    list(engine.track(TRACK))
    absent, accepted = N_PLANES + 3, 2 * N_PLANES + 1
    engine.edit({PromptKey(absent, 1): Drawing.of_mask(np.zeros(SIZE, bool))}, "Not on this frame")
    engine.accept([accepted])
    kept = engine.session.labels[accepted].copy()
    list(engine.track(TRACK))
    assert not engine.session.labels[absent].any()
    np.testing.assert_array_equal(engine.session.labels[accepted], kept)
    assert engine.session.accepted == {1: (accepted,)}
    # The plane does not say where the object is: it comes from the volume before.
    assert all(engine.session.outputs.scores.get(t, 1) for t in range(N_PLANES, 2 * N_PLANES))


def test_an_object_that_has_ended_is_not_tracked(engine: Engine) -> None:
    click(engine, 0, 1, 1)
    list(engine.track(TRACK))
    engine.edit_tracks(lambda session: session.end(1, 2 * N_PLANES - 1))
    list(engine.track(TRACK))
    assert max(engine.session.labels.frames_done, key=lambda t: (engine.session.labels[t].any(), t)) < 2 * N_PLANES
    assert engine.session.spans[1] == LifeSpan(end=2 * N_PLANES - 1)


def test_a_saved_run_is_opened_with_what_is_out_of_date(engine: Engine, model: Sam2, tmp_path: Path) -> None:
    click(engine, 0, 1, 1)
    engine.session.save(tmp_path / "volumes.napari-sam2")
    run = engine.track(TRACK)
    # Volumes are saved as they come, also where the program ends in the middle of a run.
    next(step for step in run if step.done > N_PLANES + 1)
    copy = tmp_path / "copy.napari-sam2"
    copy.mkdir()
    for file in (tmp_path / "volumes.napari-sam2").iterdir():
        if file.is_file() and "lock" not in file.name:
            (copy / file.name).write_bytes(file.read_bytes())
    cut_off = Session.open(copy, frames=engine.session.stack, model=model)
    np.testing.assert_array_equal(cut_off.labels[:N_PLANES], engine.session.labels[:N_PLANES])
    cut_off.close()
    list(run)
    click(engine, 2, 0, 1, y=30, x=30)
    state, labels = engine.state(), engine.session.labels.to_array()
    engine.session.close()
    again = Engine(Session.open(tmp_path / "volumes.napari-sam2", frames=engine.session.stack, model=model))
    np.testing.assert_array_equal(again.session.labels.to_array(), labels)
    assert again.state().stale[1].tolist() == state.stale[1].tolist()
    assert again.state().undo == "Click"
    again.undo()
    assert not again.state().stale
    again.session.close()

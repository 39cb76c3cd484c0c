"""A session whose model is on a worker does, to the bit, what one with a model here does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from slow_line import SlowLine

from napari_sam2 import Session, load_model
from napari_sam2.data.readers.open_stack import open_stack
from napari_sam2.model.sam2 import Sam2
from napari_sam2.remote.line import ClusterError
from napari_sam2.remote.remote_model import RemoteModel
from napari_sam2.weights.source import device_of
from served_model import kill_worker
from session_driver import Driver
from session_state import assert_same_sessions


def prompted(session: Session) -> Session:
    session.add_points(0, 1, [[20, 20]], [1])
    session.add_box(0, 2, [24, 30, 40, 50])
    return session


def tracked(session: Session) -> Session:
    for _ in prompted(session).propagate():
        pass
    return session


@pytest.mark.parametrize(
    ("seed", "options"),
    [
        (0, {}),
        (1, {"zoom": "off"}),
        (2, {"memory": "distractor+exclusive+sparse"}),
        (3, {"memory": "long"}),
        (4, {"memory": "pathways"}),
    ],
)
def test_whatever_is_done_comes_out_the_same(
    here: Sam2, there: Sam2, frames: np.ndarray, seed: int, options: dict[str, str]
) -> None:
    drivers = [Driver(Session(model, frames, **options), seed) for model in (here, there)]
    for _ in range(15):
        for driver in drivers:
            driver.step()
        assert_same_sessions(*[driver.session for driver in drivers])


def test_both_ways_and_what_is_proposed(here: Sam2, there: Sam2, frames: np.ndarray) -> None:
    sessions = [tracked(Session(model, frames)) for model in (here, there)]
    for session in sessions:
        session.prepare(3)
        session.add_points(5, 1, [[22, 25]], [1])
        list(session.update(both_ways=True))
        session.accept(4)
        session.add_mask(2, 2, np.zeros(frames.shape[1:], bool))
        list(session.update())
    assert_same_sessions(*sessions)
    ours, theirs = ([mask.tolist() for mask in session.candidates(0, 1)] for session in sessions)
    assert ours == theirs
    found = [[(one.score, one.box, one.mask.tolist()) for one in s.find_objects(1, like=1)] for s in sessions]
    assert found[0] == found[1]


def test_exemplars_are_known_there(here: Sam2, there: Sam2, frames: np.ndarray) -> None:
    first = tracked(Session(here, frames))
    # Memories of one machine are those of the other: the weights are the same.
    sessions = [Session(model, frames[::-1]) for model in (here, there)]
    for session in sessions:
        session.take_memories(first.exemplary_memories())
        list(session.propagate())
    assert_same_sessions(*sessions)


def test_the_bundled_model_answers_clicks_the_same(address: str, frames: np.ndarray) -> None:
    # It looks several times, in several crops.
    sessions = [Session(load_model(dtype="float32", device=device), frames) for device in ("cpu", address)]
    for session in sessions:
        session.add_points(0, 1, [[20, 20]], [1])
        session.add_points(0, 1, [[30, 28]], [0], replace=False)
        list(session.propagate(max_frames=3))
    assert_same_sessions(*sessions)


def test_saved_here_and_opened_with_either(here: Sam2, there: Sam2, frames: np.ndarray, tmp_path: Path) -> None:
    for name, model in (("here", here), ("there", there)):
        session = prompted(Session(model, frames, folder=tmp_path / name))
        steps = session.propagate()
        for _ in range(4):
            next(steps)
        steps.close()
        session.close()
    opened = [Session.open(tmp_path / name, frames, model=model) for name, model in (("here", there), ("there", here))]
    for session in opened:
        assert session.problems == ()
        list(session.resume())
        session.undo()
        session.redo()
    assert_same_sessions(*opened)
    for session in opened:
        session.close()


def test_opened_without_a_model_its_own_runs_where_it_ran(
    there: RemoteModel, frames: np.ndarray, tmp_path: Path
) -> None:
    prompted(Session(there, frames, folder=tmp_path / "saved")).close()
    session = Session.open(tmp_path / "saved", frames)
    assert session.problems == ()
    assert device_of(session.model) == there.line.address
    session.close()
    # Nobody is there any more.
    header = tmp_path / "saved" / "session.json"
    elsewhere = header.read_text(encoding="utf-8").replace(there.line.address, "tcp://127.0.0.1:9")
    header.write_text(elsewhere, encoding="utf-8")
    with pytest.raises(ClusterError, match=r"no worker answers at tcp://127.0.0.1:9.*resume --device cpu"):
        Session.open(tmp_path / "saved", frames)


def test_a_worker_that_dies_is_one_message_and_going_on_is_the_same(
    here: Sam2, there: RemoteModel, frames: np.ndarray
) -> None:
    session = prompted(Session(there, frames))
    steps = session.propagate()
    for _ in range(3):
        next(steps)
    kill_worker(there)
    with pytest.raises(ClusterError, match=r"at tcp://127\.0\.0\.1:\d+ does not answer any more.*continue"):
        list(steps)
    assert session.unfinished > 0
    # By now the worker has been started again, or is waited for.
    list(session.resume())
    assert_same_sessions(tracked(Session(here, frames)), session)


def test_a_line_that_breaks_is_one_message_and_going_on_is_the_same(
    here: Sam2, slow: tuple[SlowLine, RemoteModel], frames: np.ndarray
) -> None:
    line, model = slow
    session = prompted(Session(model, frames))
    steps = session.propagate()
    for _ in range(3):
        next(steps)
    line.cut()
    with pytest.raises(ClusterError, match="does not answer any more"):
        list(steps)
    line.mend()
    list(session.resume())
    assert_same_sessions(tracked(Session(here, frames)), session)


def test_a_click_and_a_frame_are_one_round_trip_each(slow: tuple[SlowLine, RemoteModel], frames: np.ndarray) -> None:
    line, model = slow
    session = Session(model, frames)
    session.prepare(0)
    calls, trips = model.line.trips, line.round_trips
    session.add_points(0, 1, [[20, 20]], [1])
    assert model.line.trips - calls == 1
    # Dask says now and then that it is there, too.
    assert line.round_trips - trips <= 2
    calls, trips = model.line.trips, line.round_trips
    assert len(list(session.propagate())) == 8
    # The memory of the prompt, and seven frames after it.
    assert model.line.trips - calls == 1 + 7
    assert line.round_trips - trips <= 8 + 4


@pytest.mark.parametrize("zoom", ["off", "auto"])
def test_the_next_frame_is_encoded_before_it_is_asked_about(
    here: Sam2, there: Sam2, frames: np.ndarray, zoom: str
) -> None:
    sessions = [prompted(Session(model, frames, zoom=zoom)) for model in (here, there)]
    encoded = []
    for session in sessions:
        steps = session.propagate()
        for _ in range(3):
            next(steps)
        # Is told how many there are by now, and asks for nothing new.
        session.prepare(2)
        encoded.append(session.encoder.frames_encoded)
        list(steps)
    if zoom == "off":
        assert encoded == [3, 4]
    # None of them in vain.
    assert sessions[0].encoder.frames_encoded == sessions[1].encoder.frames_encoded
    assert_same_sessions(*sessions)


def test_frames_go_there_once(slow: tuple[SlowLine, RemoteModel]) -> None:
    line, model = slow
    frames = np.random.default_rng(5).integers(0, 2**16, (4, 256, 256)).astype(np.uint16)
    tracked(Session(model, frames, zoom="off"))
    first, line.sent = line.sent, 0
    assert first > frames.nbytes / 2
    # By their pixels, whatever session they are of.
    tracked(Session(model, frames[::-1], zoom="off"))
    assert line.sent < frames.nbytes / 4


def test_a_file_that_the_worker_sees_is_not_sent(
    slow: tuple[SlowLine, RemoteModel], here: Sam2, tmp_path: Path
) -> None:
    line, model = slow
    frames = np.random.default_rng(6).integers(0, 2**16, (4, 256, 256)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "frames.tif", frames, photometric="minisblack")
    line.sent = 0
    with open_stack(tmp_path / "frames.tif") as stack:
        part = stack.part(crop=(10, 20, 250, 240))
        there = tracked(Session(model, part, zoom="off"))
    assert line.sent < frames.nbytes / 4
    assert_same_sessions(tracked(Session(here, frames[:, 10:250, 20:240], zoom="off")), there)


def test_what_is_wrong_is_said(address: str, weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nosuch"):
        load_model("nosuch", device=address)
    with pytest.raises(FileNotFoundError, match="there is no checkpoint file"):
        load_model(checkpoint=tmp_path / "none.pt", device=address)
    with pytest.raises(ClusterError, match=r"no worker answers at tcp://127\.0\.0\.1:9.*serve"):
        load_model(device="tcp://127.0.0.1:9")
    with pytest.raises(ValueError, match="32"):
        load_model(checkpoint=weights, image_size=33, device=address)

"""Sessions that are saved as the work goes, opened again, and go on as if nothing had happened."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from napari_sam2 import Session
from napari_sam2.data import Stack
from napari_sam2.data.readers.open_stack import open_stack
from napari_sam2.model.sam2 import Sam2
from napari_sam2.storage import writer
from napari_sam2.storage.fingerprint import describe_data, describe_model, same_model
from napari_sam2.storage.folder.schema import DataRecord
from napari_sam2.weights.catalog import SAME_RESULTS
from napari_sam2.weights.load import load_model
from session_driver import Driver
from session_state import assert_same_sessions

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "work.napari-sam2"


def prompt(session: Session) -> Session:
    mask = np.zeros(session.stack.shape[1:], bool)
    mask[10:24, 20:40] = True
    session.add_mask(0, 1, mask)
    session.add_points(0, 2, [[30.125, 20.1], [5, 5]], [1, 0])
    session.add_box(4, 70000, [3, 30, 20, 50], points=[[10, 40]], labels=[1])
    return session


def reopened(session: Session) -> Session:
    folder = session.folder
    session.close()
    again = Session.open(folder, frames=session.stack, model=session.model)
    assert again.problems == ()
    assert again.folder == folder
    return again


def test_everything_comes_back(model: Sam2, frames: np.ndarray, folder: Path) -> None:
    session = prompt(
        Session(model, frames, folder=folder, zoom=2, memory="gated", fill_hole_area=3, contrast_limits=(5, 250))
    )
    list(session.propagate(direction="both", start=2))
    session.clear_prompts(0, 2)
    session.add_points(0, 2, [[40, 40]], [1])
    session.remove_object(1)
    again = reopened(session)
    assert_same_sessions(session, again)
    assert (again.zoom, again.memory, again._tracker.fill_hole_area) == (2, "gated", 3)
    assert again.encoder.window == session.encoder.window
    assert again.stack.axis == "t"


def test_undo_and_redo_go_back_beyond_the_reopening(model: Sam2, frames: np.ndarray, folder: Path) -> None:
    session = prompt(Session(model, frames, folder=folder))
    list(session.propagate())
    session.add_points(6, 2, [[8, 8]], [0])
    session.remove_object(1)
    session.undo()
    again = reopened(session)
    for name in ("redo", "undo", "undo", "undo", "undo", "undo", "undo", "redo", "redo", "redo", "redo", "redo"):
        assert (getattr(session, name)() is None) == (getattr(again, name)() is None)
        assert_same_sessions(session, again)


@pytest.mark.parametrize("done", [0, 1, 5, 9, 12])
def test_tracking_goes_on_where_it_stopped(model: Sam2, frames: np.ndarray, folder: Path, done: int) -> None:
    whole = prompt(Session(model, frames))
    expected = list(whole.propagate(direction="both", start=5))
    session = prompt(Session(model, frames, folder=folder))
    run = session.propagate(direction="both", start=5)
    for _ in range(done):
        next(run)
    session.close()
    again = Session.open(folder, frames=frames, model=model)
    assert again.unfinished == (12 - done if done else 0)
    if not done:
        rest = list(again.propagate(direction="both", start=5))
    else:
        rest = list(again.resume()) if again.unfinished else []
    assert [result.frame for result in rest] == [result.frame for result in expected[done:]]
    for ours, theirs in zip(rest, expected[done:], strict=True):
        np.testing.assert_array_equal(ours.low_res_logits, theirs.low_res_logits)
        np.testing.assert_array_equal(ours.object_pointers, theirs.object_pointers)
    again.catch_up()
    assert_same_sessions(whole, again)


@pytest.mark.parametrize("least", [1, 30])
@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_done_a_reopened_session_is_the_same(
    seed: int,
    least: int,
    model: Sam2,
    flickering_model: Sam2,
    frames: np.ndarray,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Whether memories are written with every frame, or made again.
    monkeypatch.setattr(writer, "_LEAST_FRAMES", least)
    chosen = flickering_model if seed % 2 else model
    plain, saved = (Driver(Session(chosen, frames, folder=place), seed) for place in (None, folder))
    rng = np.random.default_rng(seed)
    for _ in range(18):
        plain.step()
        saved.step()
        if rng.random() < 0.4:
            # Runs that rest half-way do not outlive the program.
            plain.resting.clear()
            saved.resting.clear()
            saved.session = reopened(saved.session)
            assert_same_sessions(plain.session, saved.session)
    assert_same_sessions(plain.session, reopened(saved.session))


def test_memories_lie_as_they_did(
    model: Sam2, frames: np.ndarray, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_LEAST_FRAMES", 1)
    session = prompt(Session(model, frames, folder=folder))
    list(session.propagate())
    again = reopened(session)
    for object_id in session.object_ids:
        made, kept = (one._objects.tracks[object_id].bank for one in (session, again))
        assert kept.recent
        for frame, memory in (kept.conditioning | kept.recent).items():
            # The sums of a product depend on how its numbers lie.
            for one, other in (
                (memory.memory_bchw, made[frame].memory_bchw),
                (memory.low_res_bhw, made[frame].low_res_bhw),
            ):
                assert one is None or (torch.equal(one, other) and one.stride() == other.stride())


@pytest.mark.parametrize("zoom", ["off", "auto"])
def test_memories_that_were_not_written_are_made_again(
    zoom: str, model: Sam2, frames: np.ndarray, folder: Path, tmp_path: Path
) -> None:
    whole, session = (prompt(Session(model, frames, folder=place, zoom=zoom)) for place in (None, folder))
    before = {path.name for path in (folder / "memories").iterdir()}
    runs = [one.propagate(direction="both", start=5) for one in (whole, session)]
    for _ in range(9):
        for run in runs:
            next(run)
    # As if the program were killed here.
    shutil.copytree(folder, tmp_path / "killed")
    assert {path.name for path in (tmp_path / "killed" / "memories").iterdir()} == before
    again = Session.open(tmp_path / "killed", frames=frames, model=model)
    assert (again.problems, again.unfinished, again.stale) == ((), 3, whole.stale)
    np.testing.assert_array_equal(again.labels.to_array(), whole.labels.to_array())
    for one in (whole, again):
        one.add_points(8, 2, [[20, 30]], [1])
    assert_same_sessions(whole, again)
    for ours, theirs in zip(again.resume(), whole.resume(), strict=True):
        np.testing.assert_array_equal(ours.low_res_logits, theirs.low_res_logits)
    assert_same_sessions(whole, again)


def test_what_is_written_of_a_frame_does_not_grow(model: Sam2, frames: np.ndarray, folder: Path) -> None:
    session = prompt(Session(model, np.resize(frames, (150, *frames.shape[1:])), folder=folder))
    for track in session._objects.tracks.values():
        track.bank.spare_bytes = 0
    (journal,) = folder.glob("journal-*")
    sizes = [journal.stat().st_size for _ in session.propagate()]
    lines = np.diff(sizes)
    # Frame numbers have more digits.
    assert lines[90:].mean() < lines[:60].mean() + 100


def test_update_after_reopening(model: Sam2, frames: np.ndarray, folder: Path) -> None:
    plain, saved = (prompt(Session(model, frames, folder=place)) for place in (None, folder))
    for session in (plain, saved):
        list(session.propagate(direction="outward"))
        session.add_points(6, 1, [[20, 30]], [1])
        next(session.update())
    again = reopened(saved)
    for ours, theirs in zip(again.update(), plain.update(), strict=True):
        np.testing.assert_array_equal(ours.low_res_logits, theirs.low_res_logits)
    assert_same_sessions(plain, again)


def test_a_tracking_run_that_is_undone_is_undone_on_disk(model: Sam2, frames: np.ndarray, folder: Path) -> None:
    session = prompt(Session(model, frames, folder=folder))
    list(session.propagate(max_frames=4))
    session.undo()
    assert_same_sessions(session, reopened(session))


def test_reset_and_what_comes_after(model: Sam2, frames: np.ndarray, folder: Path) -> None:
    session = prompt(Session(model, frames, folder=folder))
    list(session.propagate(max_frames=3))
    session.reset()
    session.add_points(3, 5, [[20, 20]], [1])
    again = reopened(session)
    assert_same_sessions(session, again)
    assert again.labels.frames_done == [3]


def test_saved_later_and_elsewhere(model: Sam2, frames: np.ndarray, folder: Path, tmp_path: Path) -> None:
    session = prompt(Session(model, frames))
    with pytest.raises(ValueError, match=r"save\(folder\)"):
        session.save()
    list(session.propagate(max_frames=3))
    session.save(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    session.save(tmp_path / "second.napari-sam2")
    session.add_points(1, 1, [[20, 20]], [1])
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    assert_same_sessions(session, reopened(session))
    assert len(Session.open(folder, frames=frames, model=model).prompts) == 3


def test_nothing_is_written_over(model: Sam2, frames: np.ndarray, folder: Path) -> None:
    session = Session(model, frames, folder=folder)
    with pytest.raises(ValueError, match="is there already"):
        Session(model, frames, folder=folder)
    (folder.parent / "notes").write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match="is there already"):
        session.save(folder.parent / "notes")
    assert session.folder == folder


def test_a_folder_has_one_writer(model: Sam2, frames: np.ndarray, folder: Path) -> None:
    session = prompt(Session(model, frames, folder=folder))
    second = Session.open(folder, frames=frames, model=model)
    assert second.folder is None
    assert "open already" in second.problems[0]
    second.remove_object(1)
    assert len(session.prompts) == 3
    session.close()
    assert Session.open(folder, frames=frames, model=model).problems == ()


def test_old_memories_and_journals_do_not_pile_up(model: Sam2, frames: np.ndarray, folder: Path) -> None:
    session = prompt(Session(model, frames, folder=folder))
    for track in session._objects.tracks.values():
        track.bank.spare_bytes = 0
    list(session.propagate())
    session.save()
    kept = {
        m for t in session._objects.tracks.values() for m in (*t.bank.recent.values(), *t.bank.conditioning.values())
    }
    files = list((folder / "memories").iterdir())
    assert 0 < len(files) <= len(kept)
    again = reopened(session)
    again.remove_object(2)
    again.reset()
    again.save()
    assert list((folder / "memories").iterdir()) == []
    assert len(list(folder.glob("journal-*"))) == 1


def write_stack(path: Path, frames: np.ndarray) -> Path:
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, frames, photometric="minisblack")
    return path


def test_the_image_is_found_where_it_was_and_beside_the_folder(model: Sam2, frames: np.ndarray, tmp_path: Path) -> None:
    path = write_stack(tmp_path / "project" / "cells.tif", frames)
    folder = tmp_path / "project" / "saved" / "work.napari-sam2"
    folder.parent.mkdir()
    prompt(Session(model, open_stack(path, axis="z"), folder=folder)).close()
    again = Session.open(folder, model=model)
    assert (again.stack.path, again.stack.axis) == (path, "z")
    again.close()
    moved = tmp_path / "elsewhere"
    (tmp_path / "project").rename(moved)
    again = Session.open(moved / "saved" / "work.napari-sam2", model=model)
    assert again.stack.path.samefile(moved / "cells.tif")
    again.close()
    (moved / "cells.tif").rename(tmp_path / "away.tif")
    with pytest.raises(FileNotFoundError, match=r"cells\.tif is not there any more: .*frames="):
        Session.open(moved / "saved" / "work.napari-sam2", model=model)
    again = Session.open(
        moved / "saved" / "work.napari-sam2", frames=open_stack(tmp_path / "away.tif", axis="z"), model=model
    )
    assert len(again.prompts) == 3


def test_another_image_is_refused(model: Sam2, frames: np.ndarray, tmp_path: Path, folder: Path) -> None:
    path = write_stack(tmp_path / "cells.tif", frames)
    prompt(Session(model, open_stack(path), folder=folder)).close()
    for other, what in (
        (frames[:5], "its shape is"),
        (frames.astype(np.uint16), "its dtype is"),
        (frames[::-1], "other pixels"),
        (np.repeat(frames[..., None], 3, axis=-1), "its rgb is"),
    ):
        with pytest.raises(ValueError, match=f"not the image of this session: .*{what}"):
            Session.open(folder, frames=other, model=model)
    write_stack(path, 255 - frames)
    with pytest.raises(ValueError, match=r"cells\.tif is not the image of this session"):
        Session.open(folder, model=model)


def test_a_part_of_an_image(model: Sam2, frames: np.ndarray, tmp_path: Path, folder: Path) -> None:
    path = write_stack(tmp_path / "cells.tif", frames)
    part = open_stack(path).part(crop=(4, 6, 44, 50), every=2)
    session = Session(model, part, folder=folder)
    session.add_points(1, 1, [[10, 10]], [1])
    list(session.propagate())
    session.close()
    for given in (None, frames, part):
        again = Session.open(folder, frames=given, model=model)
        assert again.problems == ()
        again.catch_up()
        assert_same_sessions(session, again)
        if given is not part:
            assert again.stack.geometry.frames == part.geometry.frames
        again.close()


def test_an_image_in_memory_has_to_be_given(model: Sam2, frames: np.ndarray, folder: Path) -> None:
    prompt(Session(model, frames, folder=folder)).close()
    with pytest.raises(ValueError, match="give it with frames="):
        Session.open(folder, model=model)
    with pytest.raises(ValueError, match="give it with model="):
        Session.open(folder, frames=frames)


def test_another_model_keeps_the_results_until_they_are_tracked_again(
    model: Sam2, flickering_model: Sam2, frames: np.ndarray, folder: Path
) -> None:
    session = prompt(Session(model, frames, folder=folder))
    list(session.propagate())
    session.close()
    again = Session.open(folder, frames=frames, model=flickering_model)
    assert "another model" in again.problems[0]
    assert again.folder is None
    np.testing.assert_array_equal(again.labels[8], session.labels[8])
    prompted = {1: {0}, 2: {0}, 70000: {4}}
    assert again.stale == {i: tuple(sorted(set(range(12)) - prompted[i])) for i in prompted}
    fresh = prompt(Session(flickering_model, frames))
    list(fresh.propagate())
    list(again.propagate())
    np.testing.assert_array_equal(fresh.labels.to_array(), again.labels.to_array())
    assert Session.open(folder, frames=frames, model=model).problems == ()


def test_a_header_says_what_was_used(model: Sam2, frames: np.ndarray, folder: Path, tmp_path: Path) -> None:
    path = write_stack(tmp_path / "cells.tif", frames)
    Session(model, open_stack(path), folder=folder)
    header = json.loads((folder / "session.json").read_text(encoding="utf-8"))
    assert header["data"]["path"] == str(path)
    assert header["data"]["relative"] == "../cells.tif"
    assert header["data"]["shape"] == list(frames.shape)
    assert header["model"]["variant"] == "small_for_tests"
    assert set(header["versions"]) == {"napari-sam2", "torch", "python"}


def test_which_of_several_series_is_kept() -> None:
    stack = Stack.from_array(np.zeros((4, 8, 9), np.uint8))
    stack.geometry = replace(stack.geometry, selection=replace(stack.geometry.selection, series="1.2.9"))
    record = DataRecord.model_validate_json(describe_data(stack, Path("x")).model_dump_json())
    assert record.geometry == stack.geometry


def test_what_the_bundled_file_before_made_is_of_the_same_model() -> None:
    model = load_model("sam2_nano", device="cpu")
    record = describe_model(model)
    earlier = SAME_RESULTS[record.sha256 or ""]
    assert same_model(record.model_copy(update={"sha256": earlier}), model)
    assert not same_model(record.model_copy(update={"sha256": "0" * 64}), model)

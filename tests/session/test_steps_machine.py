"""Whatever is done to a session, its steps lead back and forth to the bit, also after it was closed or killed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from many_examples import examples
from napari_sam2 import FrameResult, Session
from napari_sam2.session.population.proposed_divisions import DivisionProposal
from napari_sam2.session.results import object_set
from session_state import memory_values
from small_model import build_small, drifting_textures, single_thread

N_FRAMES = 7
FRAMES = drifting_textures()[:N_FRAMES]
MODELS = {seed: build_small(seed, presence=0.5) for seed in (1, 3)}
frame = st.integers(0, N_FRAMES - 1)
object_id = st.sampled_from([1, 2, 70_000])
place = st.tuples(st.integers(0, 47), st.integers(0, 55))
direction = st.sampled_from(["forward", "backward", "both", "outward"])


def plain(value: Any) -> Any:
    return value.float().numpy().tobytes() if isinstance(value, torch.Tensor) else value


def bits(session: Session) -> dict[str, Any]:
    """Everything that a session holds, and all that decides what it does next."""
    tracks = session._objects.tracks
    return {
        "objects": session.object_ids,
        "labels": session.labels.to_array().astype(np.uint32).tobytes(),
        "scores": list(session.outputs.scores),
        "unfinished": session.unfinished,
        "prompts": {i: list(track.prompts) for i, track in tracks.items()},
        "said": {i: (track.span, track.refused, track.class_name) for i, track in tracks.items()},
        "directions": {
            i: (track.visited.spans(), track.stale.spans(), track.fills.spans()) for i, track in tracks.items()
        },
        "memories": {
            (i, name): [(t, *map(plain, memory_values(memory))) for t, memory in table.items()]
            for i, track in tracks.items()
            for name, table in (
                ("staged", track.staged),
                ("conditioning", track.bank.conditioning),
                ("recent", track.bank.recent),
            )
        },
    }


def check_lineage(session: Session) -> None:
    """Nothing is known of an object where it is not there, and children begin after their parent."""
    spans = {i: track.span for i, track in session._objects.tracks.items()}
    for object_id, track in session._objects.tracks.items():
        known = {*track.state().frames, *session.outputs.frames_of(object_id)}
        assert all(frame in track.span for frame in known)
        if track.span.parent is not None:
            end, begin = spans[track.span.parent].end, track.span.begin
            assert end is not None and begin is not None and end < begin


class SessionMachine(RuleBasedStateMachine):
    """Does whatever a user or a script may do, and keeps what the session held after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.parent = Path(tempfile.mkdtemp())
        self.run: Iterator[FrameResult] | None = None
        self.n_folders = 0

    @initialize(seed=st.sampled_from([1, 3]), zoom=st.sampled_from(["off", "auto"]))
    def begin(self, seed: int, zoom: str) -> None:
        self.session = Session(MODELS[seed], FRAMES, zoom=zoom, folder=self.new_folder())
        # What the session held after each of the steps that can be undone, and before the first; and after those that
        # can be done again.
        self.done, self.undone = [bits(self.session)], list[dict[str, Any]]()

    def new_folder(self) -> Path:
        self.n_folders += 1
        return self.parent / f"{self.n_folders}.napari-sam2"

    def teardown(self) -> None:
        if hasattr(self, "session"):
            while self.done[1:]:
                self.undo()
            while self.undone:
                self.redo()
            self.session.close()
        shutil.rmtree(self.parent)

    def note(self) -> None:
        """Keep what the session holds now as the state after its last step."""
        steps, now = self.session.history[0], bits(self.session)
        assert len(self.done) <= len(steps) + 1 <= len(self.done) + 1
        if len(steps) == len(self.done):
            self.done.append(now)
            self.undone.clear()
        elif now != self.done[-1]:
            # A run goes on in the step that is there.
            self.done[-1] = now
            self.undone.clear()

    @rule(frame=frame, object_id=object_id, place=place, label=st.integers(0, 1), replace=st.booleans())
    def click(self, frame: int, object_id: int, place: tuple[int, int], label: int, replace: bool) -> None:
        self.attempt(self.session.add_points, frame, object_id, [place], [label], replace)

    @rule(frame=frame, object_id=object_id, place=place)
    def box(self, frame: int, object_id: int, place: tuple[int, int]) -> None:
        self.attempt(self.session.add_box, frame, object_id, (*place, place[0] + 9, place[1] + 12))

    @rule(frame=frame, object_id=object_id, place=place, side=st.integers(0, 20))
    def mask(self, frame: int, object_id: int, place: tuple[int, int], side: int) -> None:
        mask = np.zeros(FRAMES.shape[1:], bool)
        mask[place[0] : place[0] + side, place[1] : place[1] + side] = True
        self.attempt(self.session.add_mask, frame, object_id, mask)

    @precondition(lambda self: self.session.prompts)
    @rule(data=st.data())
    def clear(self, data: st.DataObject) -> None:
        prompt = data.draw(st.sampled_from(self.session.prompts))
        self.session.clear_prompts(prompt.frame, prompt.object_id)
        self.note()

    @precondition(lambda self: self.session.object_ids)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        self.session.remove_object(data.draw(st.sampled_from(self.session.object_ids)))
        self.note()

    @precondition(lambda self: self.session.object_ids)
    @rule(data=st.data(), frame=frame, place=place)
    def exchange(self, data: st.DataObject, frame: int, place: tuple[int, int]) -> None:
        """Several edits as one step."""
        with self.session.step("Exchange"):
            self.session.remove_object(data.draw(st.sampled_from(self.session.object_ids)))
            self.session.add_points(frame, new := max(self.session.object_ids, default=0) + 1, [place], [1])
            self.session.add_points(frame, new + 1, [place], [1])
        self.note()

    @precondition(lambda self: len(self.session.outputs.scores))
    @rule(data=st.data(), withdraws=st.booleans())
    def accept(self, data: st.DataObject, withdraws: bool) -> None:
        row = data.draw(st.sampled_from(list(self.session.outputs.scores)))
        (self.session.release if withdraws else self.session.accept)(row.frame, [row.object_id])
        self.note()

    def attempt(self, edit: Callable[..., object], *arguments: Any) -> None:
        """Do an edit that may be refused, which then changes nothing."""
        before = bits(self.session)
        with suppress(ValueError):
            edit(*arguments)
            before = bits(self.session)
        assert bits(self.session) == before
        self.note()
        check_lineage(self.session)

    @precondition(lambda self: self.session.object_ids)
    @rule(data=st.data(), frame=st.none() | frame)
    def end(self, data: st.DataObject, frame: int | None) -> None:
        self.attempt(self.session.end, data.draw(st.sampled_from(self.session.object_ids)), frame)

    @precondition(lambda self: self.session.object_ids)
    @rule(data=st.data(), frame=frame)
    def divide(self, data: st.DataObject, frame: int) -> None:
        ids = st.sampled_from(self.session.object_ids)
        mother = data.draw(ids)
        # Among her daughters there is mostly what follows of her.
        daughters = data.draw(st.lists(ids, max_size=2)) + data.draw(st.sampled_from([[mother], [mother], []]))
        self.attempt(self.session.divide, frame, mother, daughters)

    @precondition(lambda self: self.session.object_ids)
    @rule(data=st.data(), frame=frame)
    def refuse_division(self, data: st.DataObject, frame: int) -> None:
        ids = st.sampled_from(self.session.object_ids)
        division = DivisionProposal(frame, data.draw(ids), tuple(data.draw(st.lists(ids, min_size=1, max_size=2))))
        self.attempt(self.session.refuse_division, division)

    @precondition(lambda self: self.session.object_ids)
    @rule(data=st.data(), name=st.sampled_from(["", "neuron", "glia"]))
    def set_class(self, data: st.DataObject, name: str) -> None:
        self.attempt(self.session.set_class, data.draw(st.sampled_from(self.session.object_ids)), name)

    @precondition(lambda self: self.session.object_ids)
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        ids = st.sampled_from(self.session.object_ids)
        self.attempt(self.session.merge, data.draw(ids), data.draw(ids))

    @precondition(lambda self: self.session.object_ids)
    @rule(data=st.data(), frame=frame)
    def swap(self, data: st.DataObject, frame: int) -> None:
        ids = st.sampled_from(self.session.object_ids)
        self.attempt(self.session.swap, data.draw(ids), data.draw(ids), frame)

    @precondition(lambda self: self.session.object_ids)
    @rule(data=st.data(), frame=frame, places=st.lists(place, min_size=1, max_size=3))
    def split(self, data: st.DataObject, frame: int, places: list[tuple[int, int]]) -> None:
        object_id = data.draw(st.sampled_from(self.session.object_ids))
        drawn = self.session.outputs.frames_of(object_id)
        self.attempt(self.session.split, object_id, data.draw(st.sampled_from(drawn)) if drawn else frame, places)

    @precondition(lambda self: self.session.object_ids and self.can_track)
    @rule(direction=direction, some=st.integers(1, N_FRAMES))
    def track(self, direction: str, some: int) -> None:
        """Begin a run, which rests or is cut short after some frames."""
        self.run = self.session.propagate(direction=direction)
        self.go_on(some)

    @precondition(lambda self: self.session.object_ids and self.can_track)
    @rule(some=st.integers(1, N_FRAMES), both_ways=st.booleans())
    def update(self, some: int, both_ways: bool) -> None:
        self.run = self.session.update(both_ways=both_ways)
        self.go_on(some)

    @precondition(lambda self: self.session.unfinished)
    @rule(some=st.integers(1, 2 * N_FRAMES))
    def resume(self, some: int) -> None:
        self.cancel()
        self.run = self.session.resume()
        self.go_on(some)

    @precondition(lambda self: self.run is not None)
    @rule(some=st.integers(1, N_FRAMES))
    def go_on(self, some: int) -> None:
        assert self.run is not None
        for _ in range(some):
            if next(self.run, None) is None:
                self.run = None
                break
        self.note()

    @precondition(lambda self: self.run is not None)
    @rule()
    def cancel(self) -> None:
        if self.run is not None:
            self.run.close()  # type: ignore[attr-defined]
        self.run = None

    @property
    def can_track(self) -> bool:
        return {prompt.object_id for prompt in self.session.prompts} == set(self.session.object_ids)

    @precondition(lambda self: self.done[1:])
    @rule()
    def undo(self) -> None:
        assert self.session.undo() is not None
        self.undone.append(self.done.pop())
        assert bits(self.session) == self.done[-1]

    @precondition(lambda self: self.undone)
    @rule()
    def redo(self) -> None:
        assert self.session.redo() is not None
        self.done.append(self.undone.pop())
        assert bits(self.session) == self.done[-1]

    @rule()
    def reopen(self) -> None:
        self.cancel()
        self.session.close()
        self.open(self.session_folder)

    @rule()
    def kill(self) -> None:
        """Go on with what was on the disk at this moment."""
        copy = self.new_folder()
        shutil.copytree(self.session_folder, copy)
        self.run = None
        self.session.close()
        self.open(copy)

    @property
    def session_folder(self) -> Path:
        return self.parent / f"{self.n_folders}.napari-sam2" if self.session.folder is None else self.session.folder

    def open(self, folder: Path) -> None:
        before = bits(self.session), [[step.name for step in steps] for steps in self.session.history]
        self.session = Session.open(folder, frames=FRAMES, model=self.session.model)
        assert self.session.problems == ()
        self.session.catch_up()
        assert before == (bits(self.session), [[step.name for step in steps] for steps in self.session.history])

    @invariant()
    def names_are_those_of_the_steps(self) -> None:
        if hasattr(self, "session"):
            assert (self.session.undo_name is None) == (not self.done[1:])
            assert (self.session.redo_name is None) == (not self.undone)


@pytest.mark.slow
@pytest.mark.parametrize("spare", [0, object_set.SPARE_BYTES])
def test_steps_lead_back_and_forth_whatever_is_done(spare: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without spare memory the masks of most frames are soon known from their labels only.
    monkeypatch.setattr(object_set, "SPARE_BYTES", spare)
    with single_thread():
        run_state_machine_as_test(SessionMachine, settings=examples(12, steps=14))

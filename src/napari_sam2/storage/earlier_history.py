"""The undo history of formats 1 and 2, which is of edits: each is undone and done again once, and so made a step."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import replace
from typing import TypeVar

from napari_sam2.data.images.frame_index import check_frame
from napari_sam2.data.labels.label_storage import LabelRuns, PackedFrame
from napari_sam2.data.labels.scores import Measures, measure
from napari_sam2.session.results.compose import contested_frames
from napari_sam2.session.results.object_set import SessionObjects
from napari_sam2.session.results.outputs import FrameOutputs
from napari_sam2.session.steps.history import Step
from napari_sam2.session.tracking.frame_directions import FrameDirections
from napari_sam2.session.tracking.object_track import ObjectTrack
from napari_sam2.storage.folder.codec import read_image, read_row
from napari_sam2.storage.folder.schema import (
    AttachRecord,
    DetachRecord,
    EditRecord,
    ErasedRecord,
    FrameStateRecord,
    RestoreFrameRecord,
)

from .saved_objects import SavedObjects

Value = TypeVar("Value")


class EarlierHistory:
    """Makes steps of the edits of a folder, for the session that was restored from it."""

    def __init__(self, reader: SavedObjects) -> None:
        self._reader = reader
        self._saved, self._session = reader.saved, reader.session
        self._objects: SessionObjects = reader.session._objects
        # By object, a number that changes whenever it is tracked.
        tracks = [track for number in self._saved.objects if (track := self._saved.tracks.get(number))]
        self._versions = {track.object: track.version for track in tracks}

    def take_over(self) -> list[str]:
        """Give the session its steps, and leave it as it is; return what could not be taken over, a line each."""
        session, problems = self._session, list[str]()
        # Undone, an edit gives the step that does it again; done again, that gives the step that undoes it.
        undone = self._taken(self._saved.undos, problems)
        session.bring_back_history((), undone)
        while session.redo():
            pass
        done = session.history[0]
        again = self._taken(self._saved.redos, problems)
        session.bring_back_history((*done, *again), ())
        for _ in again:
            session.undo()
        return problems

    def _taken(self, numbers: Sequence[int], problems: list[str]) -> list[Step]:
        """Apply edits in turn, the last of them first; return the steps that lead back."""
        steps: list[Step] = []
        for number in reversed(numbers):
            self._session.bring_back_history((), ())
            if self._reader.attempt("an entry of the undo history", self._apply, number) is None:
                # What came before it cannot be undone any more.
                problems.append("the undo history does not fit the objects: a part of it is left out")
                break
            steps += self._session.history[0]
        return steps

    def _apply(self, number: int) -> bool:
        record: EditRecord = self._saved.edits[number]
        saved = None if isinstance(record, RestoreFrameRecord) else self._saved.tracks.get(record.track or 0)
        object_id = saved.object if saved is not None else getattr(record, "object", None)
        is_there = object_id in self._objects.tracks
        if object_id is None or is_there == isinstance(record, AttachRecord):
            raise ValueError(f"it does not fit object {object_id}")
        with self._session.step(f"Edit object {object_id}"):
            self._session._recorder.note([object_id])
            if isinstance(record, RestoreFrameRecord):
                frame = check_frame(record.frame, self._reader.shape[0])
                self._restore_frame(self._objects.tracks[object_id], frame, record.state)
            elif isinstance(record, DetachRecord):
                self._objects.remove(object_id)
            elif saved is not None:
                self._attach(object_id, record)
                self._versions[object_id] = saved.version
        return True

    def _restore_frame(self, track: ObjectTrack, frame: int, state: FrameStateRecord) -> None:
        reader, bank = self._reader, track.bank
        _put(track.prompts, frame, state.prompt, reader.prompt)
        _put(track.staged, frame, state.staged, reader.memory)
        _put(bank.conditioning, frame, state.conditioning, reader.memory)
        _put(bank.recent, frame, state.recent, reader.memory)
        if state.version == self._versions.get(track.object_id):
            # Nothing was tracked since: what was out of date then is so again, and nothing else.
            _put(track.visited, frame, state.visited or None, int)
            track.stale = reader.directions(FrameDirections.from_spans(state.stale))
        else:
            # Results after this frame used what is undone here. They stay visible, and `update` tracks them again.
            track.stale.pop(frame, None)
            if state.prompt is None and frame in track.visited:
                track.stale[frame] = track.visited[frame]
            track.mark_downstream_stale(frame)
        self._objects.redraw(frame, track)

    def _attach(self, object_id: int, record: AttachRecord) -> None:
        objects, track = self._objects, self._objects.new_track(object_id)
        track.restore(self._reader.state(object_id, self._saved.tracks[record.track]))
        # Back at its old place in the order, so that overlaps are decided as before.
        others = list(objects.tracks.items())
        objects.tracks = dict([*others[: record.place], (object_id, track), *others[record.place :]])
        frames = self._bring_back(object_id, record.erased)
        objects.outdate(frames)
        objects.share_memory()
        # Others may have been drawn into its pixels meanwhile; where masks may meet, the winner is decided again.
        objects.draw_live(contested_frames(track, list(objects.tracks.values()), frames))

    def _bring_back(self, object_id: int, erased: ErasedRecord) -> list[int]:
        """Draw an object where it was; pixels that another has taken since go back."""
        outputs, shape = self._objects.outputs, self._reader.shape
        for frame, mask in erased.masks.items():
            image = outputs.labels[check_frame(frame, shape[0])]
            image[read_image(mask, shape[1:]) > 0] = object_id
            runs = LabelRuns.of(image)
            measured = measure(runs)
            rows = [row.measured(measured.get(row.object_id, Measures())) for row in outputs.scores.on_frame(frame)]
            outputs.put_back(frame, FrameOutputs(PackedFrame.pack(runs), tuple(rows)))
        for frame, *values in erased.rows:
            here = outputs.on_frame(check_frame(frame, shape[0]))
            row = read_row(frame, tuple(values))  # type: ignore[arg-type]
            outputs.put_back(frame, replace(here, rows=(*here.rows, row)))
        return sorted(erased.masks)


def _put(table: MutableMapping[int, Value], frame: int, saved: int | None, read: Callable[[int], Value]) -> None:
    if saved is None:
        table.pop(frame, None)
    else:
        table[frame] = read(saved)

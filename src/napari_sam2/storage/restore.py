"""Restoring the objects, memories, results and undo history of a session from its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import safetensors
from torch import Tensor, channels_last, dtype, preserve_format

from napari_sam2.data.images.frame_index import check_frame
from napari_sam2.data.labels.label_stack import LabelStack
from napari_sam2.session.history import AttachObject, DetachObject, Edit, RestoreFrame
from napari_sam2.session.results.outputs import ErasedObject
from napari_sam2.session.state import SessionState
from napari_sam2.session.tracking.directions import FrameDirections
from napari_sam2.session.tracking.memory_bank import FrameMemory
from napari_sam2.session.tracking.object_track import ObjectState, new_version
from napari_sam2.session.tracking.run_plan import TrackingRun
from napari_sam2.session.zoom.crop import ObjectLocation
from napari_sam2.storage.folder.codec import read_image, read_observation, read_row, read_view, read_visits
from napari_sam2.storage.folder.layout import check_inside, memory_path
from napari_sam2.storage.folder.schema import (
    AttachRecord,
    EditRecord,
    ErasedRecord,
    FrameStateRecord,
    RestoreFrameRecord,
)

from .entry_reader import EntryReader
from .saved_state import SavedState
from .writer import PARTS

if TYPE_CHECKING:
    from napari_sam2.session.core import TrackingSession

Value = TypeVar("Value")


class Restorer(EntryReader):
    """Brings a new session to its saved state; damaged parts are left out and named in `problems`."""

    def __init__(self, session: TrackingSession, saved: SavedState, folder: Path) -> None:
        super().__init__(saved, session.stack.shape)
        self.session = session
        self.folder = folder
        # Values by their number, made once, so that edits and objects share them as they did when they were saved.
        self._memories: dict[int, FrameMemory] = {}
        self._objects: dict[int, ObjectState] = {}
        self._versions: dict[int, int] = {0: 0}
        self._types: dict[str, dtype] = {}

    def restore(self) -> None:
        """Restore everything; prompts whose memory is lost are answered anew."""
        self.read_results(self.session.outputs.labels, self.session.outputs.scores)
        # The run comes before the objects: it adds the frames tracked since they were last written.
        run = self.attempt("the tracking run that was under way", self._run)
        objects = self._read_objects(self._object)
        history = self._edits(self.saved.undos, objects), self._edits(self.saved.redos, objects)
        unfinished, untracked = run if run is not None else (None, None)
        # At this point the session has no writer yet, so nothing is saved half restored.
        self.session.restore(SessionState(objects, unfinished, untracked=untracked), history)
        # Tracking needs a memory for every prompted frame.
        for state in objects:
            whole = [frame for frame, memory in state.conditioning.items() if memory.memory_bchw is not None]
            self.session.answer_again(state.object_id, [t for t in state.prompts if t not in (*whole, *state.staged)])

    def restore_for_another_model(self) -> None:
        """Restore prompts and results for a model that cannot use the memories; all results are then out of date."""
        self.read_results(self.session.outputs.labels, self.session.outputs.scores)
        self.attempt("the tracking run that was under way", self._run)
        # Prompts are answered by the new model; tracked frames keep their labels until `update` tracks them again.
        objects = self._read_objects(self._prompted_object)
        self.session.restore(SessionState(objects))
        for state in objects:
            self.session.answer_again(state.object_id, state.prompts)
        self.session.draw_again(sorted({frame for state in objects for frame in state.prompts}))

    def _read_objects(self, read: Callable[[int], ObjectState]) -> tuple[ObjectState, ...]:
        states = (self.attempt("an object", read, number) for number in self.saved.objects)
        return tuple({state.object_id: state for state in states if state is not None}.values())

    def _object(self, number: int) -> ObjectState:
        # Edits may refer to an object of the session or to one that was removed.
        if number in self._objects:
            return self._objects[number]
        saved = self.saved.tracks[number]
        if saved.object is None:
            raise ValueError("it has no id")
        what = f"a memory of object {saved.object}"
        # Answers without a mask, and conditioning frames without a map, are left out: their prompts are answered anew.
        staged, conditioning = (self.table(what, pairs, self._memory) for pairs in (saved.staged, saved.conditioning))
        self._objects[number] = ObjectState(
            saved.object,
            prompts=self.prompts_of(number),
            staged={frame: memory for frame, memory in staged.items() if memory.low_res_bhw is not None},
            conditioning={frame: memory for frame, memory in conditioning.items() if memory.memory_bchw is not None},
            recent=self.table(what, saved.recent, self._memory),
            visited=self._directions(saved.visited),
            stale=self._directions(saved.stale),
            version=self._version(saved.version),
        )
        return self._objects[number]

    def _prompted_object(self, number: int) -> ObjectState:
        saved = self.saved.tracks[number]
        if saved.object is None:
            raise ValueError("it has no id")
        # All tracked frames are out of date, but for those with a prompt.
        prompts, visited = self.prompts_of(number), self._directions(saved.visited)
        stale = FrameDirections({frame: step for frame, step in visited.items() if frame not in prompts})
        return ObjectState(saved.object, prompts=prompts, visited=visited, stale=stale)

    def _directions(self, saved: FrameDirections) -> FrameDirections:
        # Frames rise: if the last one is in the stack, all are.
        if len(saved):
            check_frame(int(saved.frames[-1]), self.shape[0])
        return saved.copy()

    def _version(self, number: int) -> int:
        # Only whether two of them are the same matters; in this program they must not be those of other tracks.
        if number not in self._versions:
            self._versions[number] = new_version()
        return self._versions[number]

    def _memory(self, number: int) -> FrameMemory:
        if number not in self._memories:
            # The path comes from a number, never from text in the journal: it cannot lead out of the folder.
            saved = self.saved.memories[number]
            parts = self._tensors(check_inside(memory_path(self.folder, saved.file)), number, saved.parts)
            if "pointer_bc" not in parts:
                raise ValueError("it has no object pointer")
            self._memories[number] = FrameMemory(
                low_res_bhw=parts.get("low_res_bhw"),
                pointer_bc=parts["pointer_bc"],
                object_score_logit=saved.score,
                iou=saved.iou,
                memory_bchw=parts.get("memory_bchw"),
                view=read_view(saved.view, self.shape[1:]),
                place=None if saved.place is None else ObjectLocation(*saved.place),
                observation=read_observation(saved.observation),
            )
        return self._memories[number]

    def _tensors(self, path: Path, number: int, parts: Iterable[str]) -> dict[str, Tensor]:
        config = self.session.model.config
        # The shapes that this model's memories have; a file with others would fail later, in the middle of tracking.
        side, cells = config.low_res_size, config.image_size // 16
        sizes = [1, side, side], [1, config.d_model], [1, config.memory_dim, cells, cells]
        shapes, tensors = dict(zip(PARTS, sizes, strict=True)), {}
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                for part in parts:
                    found = file.get_slice(f"{number}.{part}")
                    # Checked before anything is read: a damaged file may claim any size.
                    if found.get_shape() != shapes[part]:
                        raise ValueError(f"{path.name} holds {part} of shape {found.get_shape()}, not {shapes[part]}")
                    tensor = found[:].clone()
                    if self._types.setdefault(part, tensor.dtype) != tensor.dtype or not tensor.is_floating_point():
                        raise ValueError(f"{path.name} holds {part} of type {tensor.dtype}")
                    # As the model lays maps out: with the same numbers in another order, tracking goes on otherwise.
                    layout = channels_last if tensor.ndim == 4 else preserve_format
                    tensors[part] = tensor.to(self.session.model.device, memory_format=layout)
        except safetensors.SafetensorError as error:
            raise ValueError(f"{path.name} cannot be read: {error}") from error
        return tensors

    def _edits(self, numbers: Iterable[int], objects: Iterable[ObjectState]) -> list[Edit]:
        edits: list[Edit] = []
        for number in numbers:
            edit = self.attempt("an entry of the undo history", self._edit, number)
            # What came before a damaged one cannot be undone any more, as they are undone in turn.
            edits = [] if edit is None else [*edits, edit]
        # Edits are applied without checks: those that do not fit the objects would fail when the user undoes them.
        possible = _possible(edits, (state.object_id for state in objects))
        if len(possible) < len(edits):
            self.problems.append("the undo history does not fit the objects: a part of it is left out")
        return possible

    def _edit(self, number: int) -> Edit:
        record: EditRecord = self.saved.edits[number]
        if isinstance(record, RestoreFrameRecord):
            frame = check_frame(record.frame, self.shape[0])
            return RestoreFrame(frame, self._frame_state(record.object, frame, record.state))
        if isinstance(record, AttachRecord):
            state = self._object(record.track)
            return AttachObject(state, record.place, self._erased(state.object_id, record.erased))
        # As format 1 has it.
        if record.object is None and record.track is not None:
            return DetachObject(self._object(record.track).object_id)
        if record.object is None:
            raise ValueError("it does not say which object")
        return DetachObject(record.object)

    def _frame_state(self, object_id: int, frame: int, saved: FrameStateRecord) -> ObjectState:
        def table(number: int | None, read: Callable[[int], Value]) -> dict[int, Value]:
            return {} if number is None else {frame: read(number)}

        return ObjectState(
            object_id,
            prompts=table(saved.prompt, self.prompt),
            staged=table(saved.staged, self._memory),
            conditioning=table(saved.conditioning, self._memory),
            recent=table(saved.recent, self._memory),
            visited=FrameDirections({frame: saved.visited} if saved.visited else {}),
            stale=self._directions(FrameDirections.from_spans(saved.stale)),
            version=self._version(saved.version),
        )

    def _erased(self, object_id: int, saved: ErasedRecord) -> ErasedObject:
        masks = LabelStack(self.shape, np.uint8)
        for frame, image in saved.masks.items():
            masks.set(frame, read_image(image, self.shape[1:]))
        rows = tuple(read_row(check_frame(frame, self.shape[0]), tuple(row)) for frame, *row in saved.rows)  # type: ignore[arg-type]
        return ErasedObject(object_id, masks, rows)

    def _run(self) -> tuple[TrackingRun | None, TrackingRun | None]:
        """The rest of the last run, and the part of it with results but no memories; ``None`` where there is none."""
        saved = self.saved
        if saved.run is None:
            return None, None
        visits = read_visits(saved.run, self.shape[0])
        # Memories are saved less often than results: of the visits between the two counts only results are there.
        remembered = saved.done if saved.remembered is None else saved.remembered
        if not remembered <= saved.done <= len(visits):
            raise ValueError(f"{saved.done} of {len(visits)} frames are done")
        tracks = [track for number in saved.objects if (track := saved.tracks.get(number)) and track.prompts]
        # Objects are as old as their memories: their directions are brought up to the results here.
        for visit in visits[remembered : saved.done]:
            for track in tracks:
                if track.object in visit.object_ids:
                    track.visited[visit.frame] = visit.step
                    track.stale.pop(visit.frame, None)
        # The session tracks the second part again, not drawn, before it uses memories: `TrackingSession.catch_up`.
        unfinished = TrackingRun(visits, saved.done) if saved.done < len(visits) else None
        return unfinished, TrackingRun(visits, remembered, saved.done) if remembered < saved.done else None


def _possible(edits: Sequence[Edit], object_ids: Iterable[int]) -> list[Edit]:
    """Keep the last edits of a stack that can be applied in turn, starting with the last, to a set of objects."""
    there = set(object_ids)
    # Follow which objects there are as the edits are applied; from the first that does not fit, all others are left
    # out.
    for place in range(len(edits) - 1, -1, -1):
        edit = edits[place]
        if isinstance(edit, AttachObject):
            fits = edit.state.object_id not in there
            there.add(edit.state.object_id)
        elif isinstance(edit, DetachObject):
            fits = edit.object_id in there
            there.discard(edit.object_id)
        else:
            fits = isinstance(edit, RestoreFrame) and edit.state.object_id in there
        if not fits:
            return list(edits[place + 1 :])
    return list(edits)

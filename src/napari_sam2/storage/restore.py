"""From what was written down to the objects, results and history of a session."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import safetensors
from torch import Tensor, channels_last, preserve_format

from napari_sam2.data.labels.label_stack import LabelStack
from napari_sam2.data.prompts.prompt import Prompt, check_object_id
from napari_sam2.session.history import AttachObject, DetachObject, Edit, RestoreFrame
from napari_sam2.session.results.object_set import SPARE_BYTES
from napari_sam2.session.results.outputs import ErasedObject
from napari_sam2.session.tracking.memory_bank import FrameMemory, MemoryBank
from napari_sam2.session.tracking.object_track import FrameState, ObjectTrack, new_version
from napari_sam2.session.tracking.run_plan import Run

from .codec import (
    MALFORMED,
    decode_image,
    decode_place,
    decode_prompt,
    decode_row,
    decode_view,
    decode_visits,
    frame_numbers,
    real_number,
    whole_number,
)
from .layout import check_inside, memory_path
from .saved_state import SavedState
from .writer import PARTS

if TYPE_CHECKING:
    from napari_sam2.session.core import TrackingSession

T = TypeVar("T")
_MOST_FILES = 99_999_999


class Restorer:
    """Brings a session back from its saved state; what is damaged is left out and noted.

    Parameters
    ----------
    session : TrackingSession
        New, with the image and the model of the saved one.
    state : SavedState
        What was written down.
    folder : Path
        Where the memories are.

    Attributes
    ----------
    problems : list of str
        What was left out, a line each.
    """

    def __init__(self, session: TrackingSession, state: SavedState, folder: Path) -> None:
        self.session = session
        self.state = state
        self.folder = folder
        self.problems: list[str] = []
        self._shape = session.stack.shape
        self._size = self._shape[1:]
        self._prompts: dict[int, Prompt] = {}
        self._memories: dict[int, FrameMemory] = {}
        self._tracks: dict[int, ObjectTrack] = {}
        self._versions: dict[int, int] = {0: 0}
        self._types: dict[str, Any] = {}
        # Prompts whose memory is lost, to be answered anew.
        self._unanswered: list[tuple[ObjectTrack, int]] = []

    def restore(self) -> None:
        """Bring everything back."""
        self.restore_outputs()
        tracks = [self._try("an object", self._track, number) for number in self.state.objects]
        objects = self.session._objects
        objects.tracks = {track.object_id: track for track in tracks if track is not None}
        objects.share_memory()
        self.session._history.bring_back(self._edits(self.state.undos), self._edits(self.state.redos))
        self.session._unfinished = self._try("the tracking run that was under way", self._run)
        self._answer(self._unanswered)

    def restore_for_another_model(self) -> None:
        """Bring prompts and results back; memories are of no use, so that all results are to be tracked again."""
        self.restore_outputs()
        objects = self.session._objects
        for number in self.state.objects:
            track = self._try("an object", self._prompted_track, number)
            if track is None:
                continue
            self._answer([(track, frame) for frame in track.prompts])
            said = self.state.tracks[number]
            track.visited = frame_numbers(list(said.get("visited", {}).items()), self._shape[0])
            track.stale = {t: step for t, step in track.visited.items() if t not in track.prompts}
            objects.tracks[track.object_id] = track
        objects.share_memory()
        objects.draw_live(sorted({prompt.frame for prompt in self.session.prompts}))

    def restore_outputs(self) -> None:
        """Bring labels and scores back."""
        outputs = self.session.outputs
        if self.state.plain.get("dtype") == "uint32":
            outputs.labels.widen(np.uint32)
        for frame in sorted(self.state.frames):
            self._try(f"frame {frame}", self._frame, frame)

    def _try(self, what: str, read: Callable[..., T], *arguments: int) -> T | None:
        try:
            return read(*arguments)
        except MALFORMED as error:
            said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            self.problems.append(f"{what} is damaged and left out: {said}")
            return None

    def _frame(self, frame: int) -> None:
        whole_number(frame, 0, self._shape[0] - 1)
        said, outputs = self.state.frames[frame], self.session.outputs
        rows = [decode_row(frame, row, self._size) for row in said["rows"]]
        if said["labels"] is not None:
            outputs.labels.set(frame, decode_image(said["labels"], self._size))
        for row in rows:
            outputs.scores.put(row)

    def _prompt(self, number: int) -> Prompt:
        if number not in self._prompts:
            self._prompts[number] = decode_prompt(self.state.prompts[number], self._shape)
        return self._prompts[number]

    def _prompted_track(self, number: int) -> ObjectTrack:
        said = self.state.tracks[number]
        track = ObjectTrack(check_object_id(said["object"]), MemoryBank(self.session._rule, spare_bytes=SPARE_BYTES))
        what = f"a prompt of object {track.object_id}"
        for frame, place in frame_numbers(said.get("prompts", []), self._shape[0]).items():
            prompt = self._try(what, self._prompt, place)
            if prompt is not None and (prompt.frame, prompt.object_id) == (frame, track.object_id):
                track.prompts[frame] = prompt
        return track

    def _track(self, number: int) -> ObjectTrack:
        if number in self._tracks:
            return self._tracks[number]
        said, n_frames = self.state.tracks[number], self._shape[0]
        track = self._prompted_track(number)
        tables = {"staged": track.staged, "conditioning": track.bank.conditioning, "recent": track.bank.recent}
        for name, table in tables.items():
            what = f"a memory of object {track.object_id}"
            for frame, place in frame_numbers(said.get(name, []), n_frames).items():
                memory = self._try(what, self._memory, place)
                if memory is not None and (name == "recent" or memory.low_res_bhw is not None):
                    table[frame] = memory
        for frame in track.prompts:
            kept = track.bank.conditioning.get(frame)
            if frame not in track.staged and (kept is None or kept.memory_bchw is None):
                self._unanswered.append((track, frame))
        for name in ("visited", "stale"):
            way = frame_numbers(list(said.get(name, {}).items()), n_frames)
            if not set(way.values()) <= {1, -1}:
                raise ValueError(f"{name} holds steps other than 1 and -1")
            setattr(track, name, way)
        track.version = self._version(said.get("version", 0))
        self._tracks[number] = track
        return track

    def _answer(self, unanswered: Iterable[tuple[ObjectTrack, int]]) -> None:
        for track, frame in unanswered:
            track.bank.conditioning.pop(frame, None)
            track.staged[frame] = self.session._answerer.predict(track, track.prompts[frame])

    def _version(self, said: object) -> int:
        # Only whether two of them are the same matters; in this program they must not be those of other tracks.
        number = whole_number(said, 0, 2**53)
        if number not in self._versions:
            self._versions[number] = new_version()
        return self._versions[number]

    def _memory(self, number: int) -> FrameMemory:
        if number not in self._memories:
            said = self.state.memories[number]
            path = check_inside(memory_path(self.folder, whole_number(said["file"], 0, _MOST_FILES)))
            parts = self._tensors(path, number, said["parts"])
            if "pointer_bc" not in parts:
                raise ValueError("it has no object pointer")
            self._memories[number] = FrameMemory(
                low_res_bhw=parts.get("low_res_bhw"),
                pointer_bc=parts["pointer_bc"],
                object_score_logit=real_number(said["score"], finite=False),
                iou=real_number(said["iou"], finite=False),
                memory_bchw=parts.get("memory_bchw"),
                view=decode_view(said["view"], self._size),
                place=decode_place(said["place"]),
            )
        return self._memories[number]

    def _tensors(self, path: Path, number: int, parts: Iterable[str]) -> dict[str, Tensor]:
        config = self.session.model.config
        side, cells = config.low_res_size, config.image_size // 16
        shapes = dict(
            zip(PARTS, ([1, side, side], [1, config.d_model], [1, config.memory_dim, cells, cells]), strict=True)
        )
        tensors = {}
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                for part in parts:
                    found = file.get_slice(f"{number}.{part}")
                    # Looked at before anything is read: the sizes are what the file says.
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

    def _edits(self, numbers: list[int]) -> list[Edit]:
        edits: list[Edit] = []
        for number in numbers:
            edit = self._try("an entry of the undo history", self._edit, number)
            # What came before a damaged one cannot be undone any more, as they are undone in turn.
            edits = [] if edit is None else [*edits, edit]
        possible = _possible(edits, self.session.object_ids)
        if len(possible) < len(edits):
            self.problems.append("the undo history does not fit the objects: a part of it is left out")
        return possible

    def _edit(self, number: int) -> Edit:
        said, n_frames = self.state.edits[number], self._shape[0]
        if said["kind"] == "frame":
            frame = whole_number(said["frame"], 0, n_frames - 1)
            return RestoreFrame(check_object_id(said["object"]), frame, self._state(said["state"]))
        track = self._track(whole_number(said["track"], 1, 2**53))
        if said["kind"] == "detach":
            return DetachObject(track)
        if said["kind"] == "attach":
            place = whole_number(said["place"], 0, len(self.state.tracks))
            return AttachObject(track, place, self._erased(track.object_id, said["erased"]))
        raise ValueError(f"an edit is of the kind {said['kind']!r}")

    def _state(self, said: dict[str, Any]) -> FrameState:
        staged, conditioning, recent = (
            None if said[key] is None else self._memory(said[key]) for key in ("staged", "conditioning", "recent")
        )
        visited = said["visited"]
        return FrameState(
            prompt=None if said["prompt"] is None else self._prompt(said["prompt"]),
            staged=staged,
            conditioning=conditioning,
            recent=recent,
            visited=None if visited is None else whole_number(visited, -1, 1),
            stale=frame_numbers(said["stale"], self._shape[0]),
            version=self._version(said["version"]),
        )

    def _erased(self, object_id: int, said: dict[str, Any]) -> ErasedObject:
        masks = LabelStack(self._shape, np.uint8)
        for key, image in said["masks"].items():
            masks.set(int(key), decode_image(image, self._size))
        rows = [decode_row(whole_number(frame, 0, self._shape[0] - 1), row, self._size) for frame, *row in said["rows"]]
        return ErasedObject(object_id, masks, tuple(rows))

    def _run(self) -> Run | None:
        spans = self.state.plain.get("run")
        if spans is None:
            return None
        visits = decode_visits(spans, self._shape[0])
        return Run(visits, whole_number(self.state.plain.get("done"), 0, len(visits)))


def _possible(edits: Sequence[Edit], object_ids: Iterable[int]) -> list[Edit]:
    """Leave out edits that are about objects which are not there when their turn comes, the last one first."""
    there = set(object_ids)
    for place in range(len(edits) - 1, -1, -1):
        edit = edits[place]
        if isinstance(edit, AttachObject):
            fits = edit.track.object_id not in there
            there.add(edit.track.object_id)
        elif isinstance(edit, DetachObject):
            fits = edit.track.object_id in there
            there.discard(edit.track.object_id)
        else:
            fits = isinstance(edit, RestoreFrame) and edit.object_id in there
        if not fits:
            return list(edits[place + 1 :])
    return list(edits)

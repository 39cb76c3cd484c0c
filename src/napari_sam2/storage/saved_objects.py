"""Reading of the saved states of objects: prompts, memories and the frames that were tracked."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import safetensors
from torch import Tensor, channels_last, dtype, preserve_format

from napari_sam2.data.images.frame_index import check_frame
from napari_sam2.session.tracking.frame_directions import FrameDirections
from napari_sam2.session.tracking.memory_bank import FrameMemory
from napari_sam2.session.tracking.object_track import ObjectState
from napari_sam2.session.zoom.crop import ObjectLocation
from napari_sam2.storage.folder.codec import read_observation, read_view
from napari_sam2.storage.folder.layout import check_inside, memory_path
from napari_sam2.storage.folder.schema import TrackRecord

from .entry_reader import EntryReader
from .saved_state import SavedState, SavedTrack
from .writer import PARTS

if TYPE_CHECKING:
    from napari_sam2.session.core import TrackingSession


class SavedObjects(EntryReader):
    """Reads states of objects for a session of the same model; each memory is made once, so that states share it."""

    def __init__(
        self, session: TrackingSession, saved: SavedState, folder: Path, *, shape: tuple[int, int, int] | None = None
    ) -> None:
        # That of the session's stack, but where they are of another.
        super().__init__(saved, shape or session.stack.shape)
        self.session = session
        self.folder = folder
        # By their number.
        self._memories: dict[int, FrameMemory] = {}
        self._types: dict[str, dtype] = {}

    def state(self, object_id: int, saved: SavedTrack) -> ObjectState:
        """Read the state of an object."""
        what = f"a memory of object {object_id}"
        # Answers without a mask, and conditioning frames without a map, are left out: their prompts are answered anew.
        staged, conditioning = (self.table(what, pairs, self.memory) for pairs in (saved.staged, saved.conditioning))
        return ObjectState(
            object_id,
            prompts=self.prompts_of(saved),
            staged={frame: memory for frame, memory in staged.items() if memory.low_res_bhw is not None},
            conditioning={frame: memory for frame, memory in conditioning.items() if memory.memory_bchw is not None},
            recent=self.table(what, saved.recent, self.memory),
            visited=self.directions(saved.visited),
            stale=self.directions(saved.stale),
            fills=self.directions(saved.fills),
            exemplars=self._exemplars(what, saved),
            span=self.span_of(saved),
            refused=frozenset(saved.refused),
            class_name=saved.class_name,
        )

    def _exemplars(self, what: str, saved: SavedTrack) -> tuple[FrameMemory, ...]:
        # Their places are no frames of this stack.
        found = (self.attempt(what, self.memory, number) for _, number in saved.exemplars)
        return tuple(memory for memory in found if memory is not None and memory.memory_bchw is not None)

    def state_in_step(self, object_id: int, record: TrackRecord) -> ObjectState:
        """Read the state of an object before or after a step; ``ValueError`` if a prompt of it has lost its memory."""
        saved = SavedTrack()
        saved.add(record)
        state = self.state(object_id, saved)
        if lost := set(state.prompts) - {*state.staged, *state.conditioning}:
            raise ValueError(f"the memory of object {object_id} on frame {min(lost)} is lost")
        return state

    def directions(self, saved: FrameDirections) -> FrameDirections:
        """Check frames with directions."""
        # Frames rise: if the last one is in the stack, all are.
        if len(saved):
            check_frame(int(saved.frames[-1]), self.shape[0])
        return saved.copy()

    def memory(self, number: int) -> FrameMemory:
        """Read a memory."""
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
                prototype_c=parts.get("prototype_c"),
            )
        return self._memories[number]

    def _tensors(self, path: Path, number: int, parts: Iterable[str]) -> dict[str, Tensor]:
        config = self.session.model.config
        # The shapes that this model's memories have; a file with others would fail later, in the middle of tracking.
        side, cells = config.low_res_size, config.image_size // 16
        sizes = [1, side, side], [1, config.d_model], [1, config.memory_dim, cells, cells], [config.d_model]
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

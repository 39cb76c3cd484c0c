"""What objects look like in another session: the memories of their prompted frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.session.exemplar_methods import prompted_memories
from napari_sam2.session.tracking.memory_bank import FrameMemory
from napari_sam2.storage.folder.layout import check_inside, read_header
from napari_sam2.storage.folder.schema import ModelRecord

from .fingerprint import describe_model, same_model
from .saved_objects import SavedObjects
from .saved_state import SavedState

if TYPE_CHECKING:
    from napari_sam2.session.core import TrackingSession

Exemplars = dict[int, tuple[FrameMemory, ...]]


def session_exemplars(source: TrackingSession, target: TrackingSession) -> Exemplars:
    """Take them from a session; ``ValueError`` if it is of another model, or has none."""
    if source.model is not target.model:
        _check_model(describe_model(source.model), target, "the session")
    return _checked(source.exemplary_memories(), "the session")


def read_exemplars(folder: Path, target: TrackingSession) -> Exemplars:
    """Read them from a session folder, which is not changed; its image is not needed."""
    header = read_header(folder)
    _check_model(header.model, target, str(folder))
    saved = SavedState.read(check_inside(folder / header.journal))
    reader = SavedObjects(target, saved, folder, shape=header.data.shape)
    found: Exemplars = {}
    for number in saved.objects:
        track = saved.tracks.get(number)
        if track is not None and track.object is not None:
            prompted = tuple(pair for pair in track.conditioning if pair[0] in dict(track.prompts))
            memories = reader.table(f"a memory of object {track.object}", prompted, reader.memory)
            found[track.object] = prompted_memories(memories, memories)
    return _checked(found, str(folder))


def _check_model(record: ModelRecord, target: TrackingSession, what: str) -> None:
    if not same_model(record, target.model):
        made_with = record.name or record.variant
        raise ValueError(
            f"{what} was made with another model or preset ({made_with}): its memories mean nothing to this one. Load "
            "that model, or track its prompts with this one first ('napari-sam2 run')"
        )


def _checked(found: Exemplars, what: str) -> Exemplars:
    kept = {object_id: memories for object_id, memories in found.items() if memories}
    if not kept:
        raise ValueError(f"{what} holds no object that was prompted and tracked: there is nothing to go by")
    return kept

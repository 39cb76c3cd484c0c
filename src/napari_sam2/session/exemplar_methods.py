"""The method of a session that takes over what objects look like from another session."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.results.object_set import SessionObjects
from napari_sam2.session.tracking.memory_bank import FrameMemory

from .steps.step_methods import StepMethods

# Most exemplars of an object, spread over its prompts: more would outweigh what is seen in the stack itself, which has
# six recent memories.
MOST_EXEMPLARS = 4


class TakingExemplars(StepMethods):
    """Exemplars are memories of prompted frames of another stack; tracking attends to them as to prompted frames."""

    model: Sam2
    _objects: SessionObjects

    @property
    def exemplars(self) -> dict[int, int]:
        """By object, the number of its exemplars, where it has any."""
        found = {i: len(track.bank.exemplars) for i, track in self._objects.tracks.items()}
        return {object_id: count for object_id, count in found.items() if count}

    def exemplary_memories(self) -> dict[int, tuple[FrameMemory, ...]]:
        """By object, the memories of its prompted frames, in the order of the frames; nothing before it was tracked."""
        self.catch_up()
        return {
            i: prompted_memories(track.prompts, track.bank.conditioning) for i, track in self._objects.tracks.items()
        }

    def take_memories(self, memories: Mapping[int, Sequence[FrameMemory]]) -> None:
        """Have objects attend to memories of this model that were made on another stack, in place of earlier ones.

        Objects that are not there yet are added; without a prompt they are looked for from the first frame on.
        """
        wanted = {object_id: spread(found) for object_id, found in memories.items() if found}
        with self.step("Take exemplars"):
            self._recorder.note(sorted(wanted))
            for object_id, chosen in wanted.items():
                track = self._objects.tracks.get(object_id) or self._objects.new_track(object_id)
                self._objects.tracks[object_id] = track
                track.bank.exemplars = tuple(self._taken(memory) for memory in chosen)
                # What was tracked without them is out of date.
                track.stale.merge(track.visited.only(set(track.visited) - {*track.ends}))
            self._objects.share_memory()

    def _taken(self, memory: FrameMemory) -> FrameMemory:
        device = self.model.device
        # Its own past means nothing here; its window is what its map is drawn in.
        return replace(
            memory,
            low_res_bhw=None,
            pointer_bc=memory.pointer_bc.to(device),
            memory_bchw=memory.map_bchw.to(device),
            observation=None,
            prototype_c=None,
        )


def prompted_memories(prompted: Iterable[int], conditioning: Mapping[int, FrameMemory]) -> tuple[FrameMemory, ...]:
    """The memories of prompted frames that show the object, by frame."""
    found = [conditioning[frame] for frame in sorted(prompted) if frame in conditioning]
    return tuple(one for one in found if one.memory_bchw is not None and one.object_score_logit > 0)


def spread(memories: Sequence[FrameMemory]) -> list[FrameMemory]:
    """Choose at most `MOST_EXEMPLARS`, evenly spaced, the first and the last among them."""
    if len(memories) <= MOST_EXEMPLARS:
        return list(memories)
    last = len(memories) - 1
    return [memories[round(place * last / (MOST_EXEMPLARS - 1))] for place in range(MOST_EXEMPLARS)]

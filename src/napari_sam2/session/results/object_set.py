"""The set of objects of a session, kept in step with their labels and scores: drawing, removing and restoring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from napari_sam2.model.config import Sam2Config
from napari_sam2.session.tracking.memory.policy import MemoryPolicy
from napari_sam2.session.tracking.memory_bank import FrameMemory, MemoryBank
from napari_sam2.session.tracking.object_track import ObjectState, ObjectTrack

from .compose import contested_frames, frame_result, object_masks
from .frame_result import FrameResult
from .outputs import FrameOutputs, SessionOutputs

# Memories kept beyond those that tracking needs, over all objects.
SPARE_BYTES = 16 * 2**20


class SessionObjects:
    """The objects of a session and their results."""

    def __init__(
        self, outputs: SessionOutputs, config: Sam2Config, policy: MemoryPolicy, *, n_planes: int | None = None
    ) -> None:
        # By label, in the order that decides ties where masks overlap.
        self.tracks: dict[int, ObjectTrack] = {}
        self.outputs = outputs
        self._config = config
        self._policy = policy
        self._n_planes = n_planes
        # Frames whose labels agree with all masks that are still kept as logits.
        self._up_to_date: set[int] = set()

    def known(self, object_id: int) -> ObjectTrack:
        """Look up an object; ``ValueError`` if there is none."""
        if object_id not in self.tracks:
            known = ", ".join(map(str, self.tracks)) or "none"
            raise ValueError(f"there is no object {object_id}; the session's objects: {known}")
        return self.tracks[object_id]

    def new_track(self, object_id: int) -> ObjectTrack:
        """Make an object that is not in the session yet."""
        return ObjectTrack(
            object_id,
            MemoryBank(self._policy, spare_bytes=SPARE_BYTES),
            accepted=self.outputs.scores.accepted(object_id),
            n_planes=self._n_planes,
        )

    def restore(self, states: Iterable[ObjectState]) -> None:
        """Replace all objects by these, in this order."""
        tracks = [self._restored(state) for state in states]
        self.tracks = {track.object_id: track for track in tracks}
        # Labels may belong to another moment than these objects: frames are drawn in full when next touched.
        self._up_to_date.clear()
        self.share_memory()

    def remove(self, object_id: int) -> None:
        """Remove an object and its results."""
        track = self.tracks.pop(object_id)
        drawn = self.outputs.remove_object(object_id)
        self.share_memory()
        # Others get pixels back that they had lost to it.
        self.draw_live(contested_frames(track, list(self.tracks.values()), drawn))

    @property
    def memories(self) -> Iterator[FrameMemory]:
        """All that is remembered of the objects."""
        for track in self.tracks.values():
            yield from (*track.staged.values(), *track.bank.conditioning.values(), *track.bank.recent.values())
            yield from track.bank.exemplars

    def state_of(self, object_id: int) -> ObjectState | None:
        """Record the state of an object; ``None`` if there is none."""
        track = self.tracks.get(object_id)
        return None if track is None else track.state()

    def exchange(
        self, objects: Iterable[int], tracks: Mapping[int, ObjectState | None], frames: Mapping[int, FrameOutputs]
    ) -> None:
        """Replace some objects and the results of some frames; ``objects`` is the order of all objects after that."""
        changed = {i: self._restored(state) for i, state in tracks.items() if state is not None}
        known = self.tracks | changed
        self.tracks = {object_id: known[object_id] for object_id in objects}
        for frame, outputs in frames.items():
            self.outputs.put_back(frame, outputs)
        # What was drawn is exact, but drawn from which masks is not known: frames are drawn in full when next touched.
        self._up_to_date.clear()
        self.share_memory()

    def _restored(self, state: ObjectState) -> ObjectTrack:
        track = self.new_track(state.object_id)
        track.restore(state)
        return track

    def result(self, frame: int, tracks: Sequence[ObjectTrack]) -> FrameResult:
        """Collect the latest results of objects on a frame."""
        size = self.outputs.labels.shape[1:]
        return frame_result(frame, tracks, config=self._config, size=size)

    def draw(self, frame: int, changed: Iterable[int]) -> None:
        """Draw objects on a frame on which they have changed; they compete with the others there."""
        masks = object_masks(frame, self.tracks.values())
        ids = set(changed)
        # The labels here may be older than other objects' masks, too: draw them all.
        if frame not in self._up_to_date:
            ids |= {mask.object_id for mask in masks}
        self.outputs.write(frame, masks, changed=ids)
        self._up_to_date.add(frame)

    def draw_live(self, frames: Iterable[int]) -> None:
        """Draw frames again with all objects whose masks there are still kept as logits."""
        for frame in frames:
            self._up_to_date.discard(frame)
            self.draw(frame, ())

    def outdate(self, frames: Iterable[int]) -> None:
        """Mark frames as not fully drawn: the next time one object is drawn there, all are."""
        self._up_to_date.difference_update(frames)

    def redraw(self, frame: int, track: ObjectTrack) -> None:
        """Draw a frame again on which an object has changed or lost its result."""
        result = track.result(frame)
        is_live = result is not None and result.low_res_bhw is not None
        # Nothing tracked and nothing remembered: the object is erased from the frame.
        is_unknown = result is None and frame not in track.visited and frame not in track.stale
        # In between is what was tracked long ago: only its pixels are left, and they stay.
        self.draw(frame, [track.object_id] if is_live or is_unknown else [])

    def share_memory(self) -> None:
        """Divide the budget for spare memories among the objects."""
        # The budget is the session's: a hundred objects must not take a hundred times as much.
        for track in self.tracks.values():
            track.bank.spare_bytes = SPARE_BYTES // len(self.tracks)

"""The whole state of a session at one moment, to go back to: what it takes to undo a tracking run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam2.data.labels.scores import ScoreTable

if TYPE_CHECKING:
    from napari_sam2.data.labels.label_stack import LabelMark
    from napari_sam2.data.prompts.prompt import Prompt
    from napari_sam2.session.tracking.memory_bank import FrameMemory
    from napari_sam2.session.tracking.object_track import ObjectTrack
    from napari_sam2.session.tracking.run_plan import Run

    from .core import TrackingSession


@dataclass(frozen=True, eq=False)
class _TrackSnapshot:
    track: ObjectTrack
    prompts: dict[int, Prompt]
    staged: dict[int, FrameMemory]
    conditioning: dict[int, FrameMemory]
    recent: dict[int, FrameMemory]
    visited: dict[int, int]
    stale: dict[int, int]
    version: int

    @classmethod
    def of(cls, track: ObjectTrack) -> _TrackSnapshot:
        return cls(
            track=track,
            prompts=dict(track.prompts),
            staged=dict(track.staged),
            conditioning=dict(track.bank.conditioning),
            recent=dict(track.bank.recent),
            visited=dict(track.visited),
            stale=dict(track.stale),
            version=track.version,
        )

    def restore(self) -> ObjectTrack:
        # The same object, because the history of edits refers to it.
        track = self.track
        track.prompts, track.staged = dict(self.prompts), dict(self.staged)
        track.bank.conditioning, track.bank.recent = dict(self.conditioning), dict(self.recent)
        track.visited, track.stale, track.version = dict(self.visited), dict(self.stale), self.version
        return track


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Prompts, memories, labels, scores and the run that was left; tensors and packed labels are shared, not copied."""

    tracks: tuple[_TrackSnapshot, ...]
    labels: LabelMark
    scores: ScoreTable
    unfinished: Run | None


def take_snapshot(session: TrackingSession) -> Snapshot:
    """Record the state of a session.

    Parameters
    ----------
    session : TrackingSession
        Not changed.

    Returns
    -------
    Snapshot
        Cheap: what is large is shared.
    """
    tracks = tuple(_TrackSnapshot.of(track) for track in session._objects.tracks.values())
    outputs = session.outputs
    return Snapshot(tracks, outputs.labels.mark(), ScoreTable(outputs.scores), session._unfinished)


def restore_snapshot(session: TrackingSession, snapshot: Snapshot) -> None:
    """Take a session back to a recorded state.

    Edits made since must have been undone before; those made earlier can be undone afterwards.

    Parameters
    ----------
    session : TrackingSession
        The one that the snapshot was taken of.
    snapshot : Snapshot
        Stays usable.
    """
    session._objects.tracks.clear()
    for recorded in snapshot.tracks:
        track = recorded.restore()
        session._objects.tracks[track.object_id] = track
    outputs = session.outputs
    outputs.touched.update(outputs.labels.frames_done, (row.frame for row in outputs.scores))
    outputs.labels.go_back(snapshot.labels)
    outputs.scores = ScoreTable(snapshot.scores)
    outputs.touched.update(outputs.labels.frames_done, (row.frame for row in outputs.scores))
    # A run begun since then has nothing to go on with; one that was left before can go on.
    session._unfinished = snapshot.unfinished
    session.record()

"""A snapshot of a session's objects, for saving and restoring it."""

from __future__ import annotations

from dataclasses import dataclass

from napari_sam2.session.tracking.object_track import ObjectState
from napari_sam2.session.tracking.run_plan import TrackingRun


@dataclass(frozen=True, eq=False)
class SessionState:
    """A snapshot of a session without its labels and scores; tensors are shared with it, not copied."""

    # In their order.
    objects: tuple[ObjectState, ...]
    # The run that can be resumed.
    unfinished: TrackingRun | None = None
    # A run with all its results, but with memories only as far as it is done: the rest has to be tracked again, without
    # drawing, before memories are next used.
    untracked: TrackingRun | None = None

"""A whole session at one moment, as a value."""

from __future__ import annotations

from dataclasses import dataclass

from napari_sam2.session.results.outputs import OutputsMark
from napari_sam2.session.tracking.object_track import ObjectState
from napari_sam2.session.tracking.run_plan import Run


@dataclass(frozen=True, eq=False)
class SessionState:
    """What a session knows: what undoes a tracking run, and what is saved; what is large is shared, not copied.

    Attributes
    ----------
    objects : tuple of ObjectState
        In their order.
    unfinished : Run or None
        The run that can be gone on with.
    outputs : OutputsMark or None
        Labels and scores; ``None`` leaves those there are.
    untracked : Run or None
        A run whose results are all there, and memories as far as it is done: what is left of it has to be tracked
        again, unseen, before memories are next looked at.
    """

    objects: tuple[ObjectState, ...]
    unfinished: Run | None = None
    outputs: OutputsMark | None = None
    untracked: Run | None = None

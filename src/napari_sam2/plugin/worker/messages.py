"""Values passed between the GUI thread and the worker's thread; neither changes them after they are sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam2.data.labels.provenance import Provenance
    from napari_sam2.data.labels.scores import ScoreRow
    from napari_sam2.data.prompts.drawing import Drawing, PromptKey


@dataclass(frozen=True)
class ModelChoice:
    """Which model to load."""

    # A name of the catalogue; None with a checkpoint.
    name: str | None
    # Path of a file of the user's own.
    checkpoint: str | None
    # As for `napari_sam2.load_model`.
    device: str
    preset: str = "balanced"
    backend: str = "auto"


@dataclass(frozen=True, eq=False)
class FrameUpdate:
    """What there is to show on a frame."""

    # Index of the frame.
    frame: int
    # (Y, X) unsigned integers, the object on each pixel, 0 for none.
    image: NDArray[Any]
    # Scores by object id.
    rows: dict[int, ScoreRow]
    # By object id, pixels of the separate parts that it is drawn in, the largest first.
    pieces: Mapping[int, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class AcceptedFrame:
    """What a user has accepted on a frame."""

    frame: int
    # (Y, X) labels of the accepted objects.
    image: NDArray[Any]
    # Object score and predicted IoU by object id.
    scores: dict[int, tuple[float, float]]
    # How the masks came about, by object id.
    made: dict[int, Provenance] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class State:
    """What the user interface has to know of a session."""

    # By object id, its prompted frames.
    prompted: dict[int, tuple[int, ...]] = field(default_factory=dict)
    # By object id, its frames that are out of date, rising.
    stale: dict[int, NDArray[np.intp]] = field(default_factory=dict)
    # By object id, the number of its frames between two prompts that came from one side only.
    one_sided: dict[int, int] = field(default_factory=dict)
    # By object id, the object that it was born of.
    parents: dict[int, int] = field(default_factory=dict)
    # By object id, the daughters of divisions that were refused.
    refused: dict[int, frozenset[tuple[int, ...]]] = field(default_factory=dict)
    # By object id, its class, of those that have one.
    classes: dict[int, str] = field(default_factory=dict)
    # Names of the steps that can be undone and done again; None where there is none.
    undo: str | None = None
    redo: str | None = None


@dataclass(frozen=True, eq=False)
class Report:
    """Frames to draw again, and the state after that."""

    # A batch of them at most, in rising order.
    frames: tuple[FrameUpdate, ...]
    # Of the session after the work that is reported.
    state: State
    # What was refused, in words for the user.
    problems: tuple[str, ...] = ()
    # Further frames to draw again; they are asked for when these have been drawn.
    later: tuple[int, ...] = ()
    # How all prompts of the session were drawn.
    drawings: dict[PromptKey, Drawing] = field(default_factory=dict)


@dataclass(frozen=True)
class TrackingRequest:
    """What a tracking run is to visit."""

    # ``"both"``, ``"forward"``, ``"backward"``, ``"range"``, ``"update"``, ``"update_both_ways"``, ``"find_new"`` for
    # newcomers, too, or ``"resume"`` for what is left of a run.
    kind: str
    # Where forward and backward runs start.
    frame: int = 0
    # The frames of a range, both included.
    first: int = 0
    last: int = 0


@dataclass(frozen=True, eq=False)
class Tracked:
    """A step of a tracking run."""

    # The frame just tracked.
    update: FrameUpdate
    # Frames so far and in all.
    done: int
    total: int
    # Of the session after this frame.
    state: State

"""What goes back and forth between the GUI's thread and the worker's: plain values that neither changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_sam2.data.labels.scores import ScoreRow


@dataclass(frozen=True, eq=False)
class ModelChoice:
    """Which model to load.

    Attributes
    ----------
    name : str or None
        A name of the catalogue; None with a checkpoint.
    checkpoint : str or None
        Path of a file of the user's own.
    device, preset, backend : str
        As for `napari_sam2.load_model`.
    """

    name: str | None
    checkpoint: str | None
    device: str
    preset: str = "balanced"
    backend: str = "auto"


@dataclass(frozen=True, eq=False)
class FrameUpdate:
    """What there is to show on a frame.

    Attributes
    ----------
    frame : int
        Index of the frame.
    image : ndarray
        (Y, X) unsigned integers.
    rows : dict
        Scores by object id.
    """

    frame: int
    image: NDArray[Any]
    rows: dict[int, ScoreRow]


@dataclass(frozen=True, eq=False)
class State:
    """What the user interface has to know of a session.

    Attributes
    ----------
    prompted : dict
        By object id, its prompted frames.
    stale : dict
        By object id, its frames that are out of date, rising.
    """

    prompted: dict[int, tuple[int, ...]] = field(default_factory=dict)
    stale: dict[int, NDArray[np.intp]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Report:
    """Frames to draw again, and the state after that.

    Attributes
    ----------
    frames : tuple of FrameUpdate
        In no order.
    state : State
        After the work.
    problems : tuple of str
        What was refused, in words for the user.
    later : tuple of int
        Further frames to draw again; they are asked for when these have been drawn.
    """

    frames: tuple[FrameUpdate, ...]
    state: State
    problems: tuple[str, ...] = ()
    later: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a tracking run is to visit.

    Attributes
    ----------
    kind : str
        ``"both"``, ``"forward"``, ``"backward"``, ``"range"``, ``"update"``, or ``"resume"`` for what is left of a run.
    frame : int
        Where forward and backward runs start.
    first, last : int
        The frames of a range, both included.
    """

    kind: str
    frame: int = 0
    first: int = 0
    last: int = 0


@dataclass(frozen=True, eq=False)
class Tracked:
    """A step of a tracking run.

    Attributes
    ----------
    update : FrameUpdate
        The frame just tracked.
    done, total : int
        Frames so far and in all.
    state : State
        After the frame.
    """

    update: FrameUpdate
    done: int
    total: int
    state: State

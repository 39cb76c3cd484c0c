"""Which frame to look at next, by what a correction there is expected to bring; how good the whole is; the time taken.

All that is said of quality is an estimate: see `napari_sam2.session.quality`.
"""

from __future__ import annotations

from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2.data.labels.label_stack import LabelStack
    from napari_sam2.data.labels.scores import ScoreRow, ScoreTable
    from napari_sam2.plugin.worker.messages import State
    from napari_sam2.session.quality.expected_quality import ExpectedQuality
    from napari_sam2.session.quality.recalibration import JudgedMask
    from napari_sam2.session.quality.worth import Correction, Outlook

# Whoever looks at a frame for longer has done something else meanwhile; in seconds.
_LONGEST_LOOK = 60.0


class Reviewed(Protocol):
    """Results that can be reviewed: those of one stack."""

    table: ScoreTable
    state: State
    # Frames on which all is accepted.
    accepted: LabelStack
    # By object, how often its rows have changed.
    revisions: Counter[int]
    n_planes: int | None

    def rows_of(self, object_id: int) -> list[ScoreRow]:
        """The rows of an object, by frame, rising."""


class Review:
    """A walk through the results of one stack, the frame where a correction brings most first."""

    def __init__(self, results: Reviewed, clock: Callable[[], float] = monotonic) -> None:
        self._results = results
        self._clock = clock
        # By object: how often its rows had changed when they were estimated, whether frames were slices then, and the
        # estimate, which also goes by what was said of the masks of all objects.
        self._known: dict[int, tuple[tuple[int, bool], ExpectedQuality]] = {}
        self._judged: tuple[JudgedMask, ...] = ()
        # The same of all objects, with the frames that need no correction.
        self._outlook: tuple[object, Outlook | None] = None, None
        self._visited: set[tuple[int, int]] = set()
        # Whether frames are slices, as the stack has it.
        self.in_slices = False
        # When the frame on show was gone to, and seconds spent on those before it.
        self._since: float | None = None
        self._seconds = 0.0
        self.n_frames = 0

    @property
    def seconds_a_frame(self) -> float:
        """Mean time from one frame to the next."""
        return self._seconds / self.n_frames if self.n_frames else 0.0

    def next(self) -> Correction | None:
        """Go on to the next frame; ``None`` after the last, and then from the first again."""
        from napari_sam2.session.quality.worth import corrections_in_turn

        if self._since is not None:
            self._seconds += min(self._clock() - self._since, _LONGEST_LOOK)
            self.n_frames += 1
            self._since = None
        for found, _ in corrections_in_turn(self._qualities(), self._given()):
            if (found.frame, found.object_id) not in self._visited:
                self._visited.add((found.frame, found.object_id))
                self._since = self._clock()
                return found
        self._visited.clear()
        return None

    def restart(self) -> None:
        """Begin with what is worth most by now, as after tracking; the time goes on."""
        self._visited.clear()

    def outlook(self) -> Outlook | None:
        """How good the results are on the whole, and what a few corrections bring; ``None`` where nothing is known."""
        from napari_sam2.session.quality.worth import outlook

        # Asked for with every change of any kind, of which few are about results.
        made_of = dict(self._results.revisions), self._given(), self.in_slices
        if self._outlook[0] != made_of:
            self._outlook = made_of, outlook(self._qualities(), made_of[1])
        return self._outlook[1]

    def expected(self, frame: int, object_id: int) -> float | None:
        """Expected overlap of a mask with the true one."""
        quality = self._qualities().get(object_id)
        if quality is None or frame not in quality.frames:
            return None
        return float(quality.mean[quality.frames == frame][0])

    def _given(self) -> dict[int, set[int]]:
        """By object, the frames on which the user has said what is right."""
        table, state = self._results.table, self._results.state
        # Whole frames are known here before the session has answered, so that nobody is led to one twice.
        whole = self._results.accepted.frames_done
        return {i: {*frames, *table.accepted(i), *whole} for i, frames in state.prompted.items()}

    def _qualities(self) -> dict[int, ExpectedQuality]:
        from napari_sam2.session.quality.expected_quality import expected_quality
        from napari_sam2.session.quality.recalibration import QualityCalibration, judged_masks

        results = self._results
        # Of volumes over time nothing is known: the estimate was fitted to frames along one axis.
        prompted = {} if results.n_planes else results.state.prompted
        judged = tuple(judged_masks(results.table.judged()))
        if judged != self._judged:
            self._judged, self._known = judged, {}
        calibration = QualityCalibration(judged)
        for object_id in prompted:
            made_of = results.revisions[object_id], self.in_slices
            if self._known.get(object_id, (None,))[0] != made_of:
                quality = expected_quality(results.rows_of(object_id), calibration, in_slices=self.in_slices)
                self._known[object_id] = made_of, quality
        return {i: self._known[i][1] for i in prompted}

"""Semi-supervised evaluation: J and F of a model, prompted on one frame of each sequence, beside the baselines'."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from napari_sam2.data.images.stack import Stack
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.results.frame_result import FrameResult
from napari_sam2.session.session import Session

from .baselines import Baselines
from .grading import (
    Figures,
    Masks,
    grade_object,
    identity_switches,
    mean_figures,
    mean_known,
    similarity_after_return,
    similarity_where_seen,
)
from .labelled_sequences import STILL, LabelledSequence, bounding_box
from .score_calibration import ScoreCheck
from .simulated.simulated_clicks import correct

PROMPTS = ("mask", "click", "box", "clicks3")
_CLICKS = {"click": 1, "clicks3": 3}


class Tracking(Protocol):
    """The part of `Session` that is measured."""

    def add_points(self, frame: int, object_id: int, points: Any, labels: Any, replace: bool = True) -> FrameResult:
        """Click."""

    def add_box(self, frame: int, object_id: int, box: Any) -> FrameResult:
        """Draw a box."""

    def add_mask(self, frame: int, object_id: int, mask: Any) -> FrameResult:
        """Give a mask."""

    def propagate(
        self,
        *,
        start: int | None = None,
        direction: str = "forward",
        object_ids: Iterable[int] | None = None,
    ) -> Iterator[FrameResult]:
        """Track."""


SessionFactory = Callable[[Sam2, Stack], Tracking]


@dataclass(frozen=True, eq=False)
class Measured:
    """A sequence after it was tracked."""

    sequence: LabelledSequence
    masks: Masks
    # By (frame, object id), as the masks.
    scores: dict[tuple[int, int], float]
    # That prompting and tracking took.
    seconds: float

    def check(self) -> ScoreCheck:
        """Object scores of the tracked frames beside the truth."""
        keys = [
            (t, i) for i in self.sequence.objects() for t in self.sequence.tracked_frames(i) if (t, i) in self.scores
        ]
        seen = [bool(self.sequence.truth(t, i).any()) for t, i in keys]
        return ScoreCheck(np.array([self.scores[key] for key in keys], float), np.array(seen, bool))


def evaluate(
    model: Sam2,
    sequences: Iterable[LabelledSequence],
    *,
    prompt: str = "mask",
    session_factory: SessionFactory = Session,
    flow: bool = True,
    done: Callable[[Measured, Mapping[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Measure a model on sequences.

    Each of the up to six largest objects that last is prompted on the first frame it is seen on, or its largest slice,
    and tracked from there. J and F are averaged over all other frames, then over objects, then over sequences.

    Parameters
    ----------
    model : Sam2
        From `load_model`.
    sequences : iterable of LabelledSequence
        From `read_sequences`; each is closed once it is measured. Those without lasting objects are left out.
    prompt : str
        ``"mask"``, ``"click"`` (on the deepest pixel of the object), ``"clicks3"`` (two more where the answer is most
        wrong) or ``"box"``.
    session_factory : callable
        Makes a session of a model and a stack.
    flow : bool
        Whether to measure optical flow, too.
    done : callable, optional
        Told of every sequence when it is measured, with its report.

    Returns
    -------
    dict
        ``prompt``, ``model``, ``mean``, ``sequences`` and ``object_score``. ``mean`` and each of the ``sequences`` hold
        J, F and J&F of the model, and under ``copied`` and ``optical_flow`` those of the baselines; ``J_seen`` is J
        over the frames that show the object and ``J_returned`` over those of them after it was gone for six or more,
        ``None`` where there are none; ``identity_switches`` counts tracks that go over to another object. A sequence
        has also ``objects`` and ``object_frames_per_second``.

    Raises
    ------
    ValueError
        For another prompt, or if no sequence has a lasting object.
    """
    if prompt not in PROMPTS:
        raise ValueError(f"prompt={prompt!r} is not one of {', '.join(PROMPTS)}.")
    reports: dict[str, dict[str, Any]] = {}
    checks: list[ScoreCheck] = []
    for sequence in sequences:
        # Given the mask, there is nothing to find on a still.
        if sequence.objects() and not (sequence.is_still and prompt == "mask"):
            measured = _track(sequence, session_factory(model, sequence.stack), prompt)
            reports[sequence.name] = _grade(measured, flow=flow and not sequence.is_still)
            checks.append(measured.check())
            if done is not None:
                done(measured, reports[sequence.name])
        sequence.stack.close()
    # Baselines are averaged over the sequences they were measured on.
    check = join_checks(checks)
    mean: dict[str, Any] = _mean_of_sets(reports)
    for name in ("copied", "optical_flow") if flow else ("copied",):
        if known := {key: report[name] for key, report in reports.items() if name in report}:
            mean[name] = _mean_of_sets(known)
    for name in ("J_seen", "J_returned"):
        mean[name] = mean_known(report[name] for report in reports.values())
    mean["identity_switches"] = sum(report["identity_switches"] for report in reports.values())
    return {
        "model": model.config.name,
        "prompt": prompt,
        "mean": mean,
        "sequences": reports,
        "object_score": check.report(),
    }


def _mean_of_sets(reports: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Average over sequences, the stills of a set counting as one."""
    sets: dict[str, list[Mapping[str, Any]]] = {}
    for name, report in reports.items():
        sets.setdefault(name.partition(STILL)[0], []).append(report)
    return mean_figures([mean_figures(some) for some in sets.values()])


def join_checks(checks: Iterable[ScoreCheck]) -> ScoreCheck:
    """Put the answers of several sequences together."""
    parts = [ScoreCheck(np.zeros(0), np.zeros(0, bool)), *checks]
    return ScoreCheck(np.concatenate([c.scores for c in parts]), np.concatenate([c.seen for c in parts]))


def _grade(measured: Measured, *, flow: bool) -> dict[str, Any]:
    # Model and baselines are graded on the same frames.
    sequence, baselines = measured.sequence, Baselines(measured.sequence, flow=flow)
    rivals = () if sequence.is_still else baselines.names
    tracked, others = list[Figures](), {name: list[Figures]() for name in rivals}
    seen, returned, switches = list[float | None](), list[float | None](), 0
    for object_id in sequence.objects():
        own = {t: mask for (t, i), mask in measured.masks.items() if i == object_id}
        tracked.append(grade_object(sequence, object_id, own))
        seen.append(similarity_where_seen(sequence, object_id, own))
        returned.append(similarity_after_return(sequence, object_id, own))
        switches += identity_switches(sequence, object_id, own)
        for name, figures in others.items():
            figures.append(grade_object(sequence, object_id, baselines.masks(name, object_id)))
    rate = round(len(measured.masks) / measured.seconds, 2)
    report: dict[str, Any] = mean_figures(tracked) | {"J_seen": mean_known(seen)}
    report |= {"J_returned": mean_known(returned), "identity_switches": switches}
    report |= {"objects": len(tracked), "object_frames_per_second": rate}
    return report | {name: mean_figures(figures) for name, figures in others.items()}


def _track(sequence: LabelledSequence, session: Tracking, prompt: str) -> Measured:
    begun = time.perf_counter()
    # Objects prompted on the same frame are tracked together.
    starts: dict[int, list[int]] = {}
    for object_id in sequence.objects():
        frame = sequence.prompt_frame(object_id)
        _prompt(session, sequence, object_id, prompt=prompt)
        starts.setdefault(frame, []).append(object_id)
    # Masks on the prompted frame are kept, too, but not graded.
    masks: Masks = {}
    scores: dict[tuple[int, int], float] = {}
    for start, object_ids in starts.items():
        for result in session.propagate(start=start, direction=sequence.direction, object_ids=object_ids):
            for i in object_ids:
                masks[result.frame, i] = result.masks[result.row(i)]
                scores[result.frame, i] = float(result.object_scores[result.row(i)])
    return Measured(sequence, masks, scores, time.perf_counter() - begun)


def _prompt(session: Tracking, sequence: LabelledSequence, object_id: int, *, prompt: str) -> None:
    frame = sequence.prompt_frame(object_id)
    mask = sequence.truth(frame, object_id)
    if prompt == "mask":
        session.add_mask(frame, object_id, mask)
        return
    if prompt == "box":
        session.add_box(frame, object_id, bounding_box(mask))
        return
    # Clicks: the first in the middle, further ones where the answer is wrong.
    nothing = np.zeros_like(mask)
    correct(session, (frame, object_id), answer=nothing, truth=mask, clicks=_CLICKS[prompt])

"""Interactive evaluation: how many frames have to be clicked on until the result is good.

*Offline* the whole stack may be gone over as often as one likes: each time the worst frame is clicked on, and all is
tracked again. *Online* it is gone over once, with a stop at each frame that is not good enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.data.images.stack import Stack
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.quality.worth import worth_of_corrections
from napari_sam2.session.results.frame_result import FrameResult
from napari_sam2.session.session import Session

from .grading import Figures, Masks, grade_object, mean_figures
from .labelled_sequences import LabelledSequence
from .metrics import region_similarity
from .simulated.dissimilarity import look_of, most_dissimilar_first
from .simulated.simulated_clicks import correct

MODES = ("offline", "online")
# By what the next frame is chosen: the truth, which no user has; the lowest object score; what a correction is worth;
# how little it looks like those clicked on.
CHOICES = ("truth", "score", "worth", "dissimilar")
ROUNDS, CLICKS = 8, 3
GOOD_ENOUGH = 0.75
GOALS = (0.75, 0.85)
# J from which a user accepts a mask as it was tracked, and how many of those come before one that is corrected.
ACCEPTABLE, MOST_ACCEPTED = 0.9, 3


@dataclass(frozen=True)
class InteractionSettings:
    """Where and how often the simulated user clicks."""

    # ``"offline"`` or ``"online"``.
    mode: str
    # Most frames of an object that are clicked on, the first one included.
    rounds: int = ROUNDS
    # Most clicks on each of them.
    clicks: int = CLICKS
    # Whether frames between two clicked ones are tracked from both.
    both_ways: bool = False
    # One of `CHOICES`.
    choice: str = "truth"
    # Whether masks that are good are accepted on the way, and those that were corrected: no run changes them then.
    lock: bool = False

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode={self.mode!r} is not one of {', '.join(MODES)}.")
        if self.choice not in CHOICES:
            raise ValueError(f"choice={self.choice!r} is not one of {', '.join(CHOICES)}.")
        if self.choice == "dissimilar" and self.mode == "online":
            raise ValueError("choice='dissimilar' does not know which frames are good enough: it goes with 'offline'.")
        for name in ("rounds", "clicks"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1.")


class SimulatedUser:
    """Clicks through one sequence; ``masks`` are the present ones, by (frame, object id)."""

    def __init__(self, sequence: LabelledSequence, session: Session, interaction: InteractionSettings) -> None:
        self.sequence, self.session, self.interaction = sequence, session, interaction
        self.clicked: dict[int, list[int]] = {i: [] for i in sequence.objects()}
        self.masks: Masks = {}
        self._nothing = np.zeros(sequence.labels.shape[1:], dtype=bool)

    def rounds(self) -> Iterator[Figures]:
        """Click and track, round by round; J, F and J&F after each."""
        # The first round prompts every object once.
        for object_id in self.clicked:
            self._click(self.sequence.prompt_frame(object_id), object_id)
        self._track_all()
        yield self._grade()
        # Each further one corrects a frame of every object that still has a bad one.
        for _ in range(self.interaction.rounds - 1):
            choices = {i: self.next_frame(i) for i in self.clicked}
            for object_id, frame in choices.items():
                if frame is not None:
                    self._click(frame, object_id)
            if any(frame is not None for frame in choices.values()):
                self._track_again()
            yield self._grade()

    def next_frame(self, object_id: int) -> int | None:
        """Frame to click on next, ``None`` where all are good enough.

        Offline the worst one, by the choice, that was not clicked on yet; online the first after the last click, in the
        order of tracking, that is taken to be below `GOOD_ENOUGH`. One that is right already costs no click.
        """
        clicked = self.clicked[object_id]
        if self.interaction.mode == "offline":
            order = [t for t in self._from_worst(object_id) if t not in clicked and self._j(t, object_id) < 1]
            return next(iter(self._accepting(order, object_id) if self.interaction.lock else order), None)
        # A single pass never goes back.
        order = self._order(object_id)
        ahead = order[order.index(clicked[-1]) + 1 :]
        known = self._goodness(object_id)
        return next((t for t in ahead if known.get(t, 0.0) < GOOD_ENOUGH and self._j(t, object_id) < 1), None)

    def _goodness(self, object_id: int) -> dict[int, float]:
        """By frame, how good the mask is by what the user goes by."""
        if self.interaction.choice == "truth":
            return {t: self._j(t, object_id) for t in self.sequence.graded}
        if self.interaction.choice == "score":
            rows = self.session.outputs.scores
            return {row.frame: row.object_score for row in rows if row.object_id == object_id}
        quality = self.session.expected_quality(object_id)
        return dict(zip(quality.frames.tolist(), quality.mean.tolist(), strict=True))

    def _accepting(self, order: Sequence[int], object_id: int) -> Iterator[int]:
        """Go through frames and accept good masks, up to so many before the first that is corrected."""
        left, accepted = MOST_ACCEPTED, self.session.accepted.get(object_id, ())
        for frame in order:
            if frame in accepted:
                continue
            if left and self._j(frame, object_id) >= ACCEPTABLE:
                self.session.accept(frame, [object_id])
                left -= 1
            else:
                yield frame

    def _from_worst(self, object_id: int) -> list[int]:
        if self.interaction.choice == "dissimilar":
            known_looks = {t: self._look(t, object_id) for t in self.sequence.graded}
            looks = {t: look for t, look in known_looks.items() if look is not None}
            # Those without a mask that could be compared come last.
            return [*most_dissimilar_first(looks, self.clicked[object_id]), *(t for t in known_looks if t not in looks)]
        if self.interaction.choice == "worth":
            quality = self.session.expected_quality(object_id)
            checked = {*self.clicked[object_id], *self.session.accepted.get(object_id, ())}
            worth = worth_of_corrections(quality, checked)
            known = dict(zip(quality.frames.tolist(), (-worth).tolist(), strict=True))
        else:
            known = self._goodness(object_id)
        return sorted(self.sequence.graded, key=lambda t: known.get(t, 0.0))

    def _look(self, frame: int, object_id: int) -> NDArray[np.float32] | None:
        return look_of(self.session.encoder, frame, self.masks.get((frame, object_id), self._nothing))

    def _order(self, object_id: int) -> list[int]:
        first, graded = self.sequence.prompt_frame(object_id), self.sequence.graded
        backward = [t for t in reversed(graded) if t < first] if self.sequence.axis == "z" else []
        return [t for t in graded if t >= first] + backward

    def _j(self, frame: int, object_id: int) -> float:
        answer = self.masks.get((frame, object_id), self._nothing)
        return region_similarity(answer, self.sequence.truth(frame, object_id))

    def _click(self, frame: int, object_id: int) -> None:
        key = frame, object_id
        answer, truth = self.masks.get(key, self._nothing), self.sequence.truth(frame, object_id)
        self.masks[key] = correct(self.session, key, answer=answer, truth=truth, clicks=self.interaction.clicks)
        self.clicked[object_id].append(frame)
        if self.interaction.lock and self._j(frame, object_id) >= GOOD_ENOUGH:
            self.session.accept(frame, [object_id])

    def _track_again(self) -> None:
        both_ways = self.interaction.both_ways
        if self.interaction.mode == "offline":
            self._track_all()
        if self.interaction.mode == "online" or both_ways:
            # Only what comes after a click, or lies between two: other frames that a single pass has behind it stay as
            # they were.
            self._keep(self.session.update(both_ways=both_ways))

    def _track_all(self) -> None:
        starts: dict[int, list[int]] = {}
        for object_id, (first, *_) in self.clicked.items():
            starts.setdefault(first, []).append(object_id)
        for start, object_ids in starts.items():
            self._keep(self.session.propagate(start, self.sequence.direction, object_ids=object_ids))

    def _keep(self, results: Iterable[FrameResult]) -> None:
        for result in results:
            for row, object_id in enumerate(result.object_ids):
                self.masks[result.frame, object_id] = result.masks[row]

    def _grade(self) -> Figures:
        by_object = [
            grade_object(self.sequence, i, {t: mask for (t, j), mask in self.masks.items() if i == j})
            for i in self.clicked
        ]
        return mean_figures(by_object)


def evaluate_interactively(
    model: Sam2,
    sequences: Iterable[LabelledSequence],
    *,
    interaction: InteractionSettings,
    session_factory: Callable[[Sam2, Stack], Session] = Session,
    done: Callable[[SimulatedUser, Mapping[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Measure how far a simulated user gets with clicks on few frames.

    ``mean`` and each of the ``sequences`` in the report have J, F and J&F after the last round, ``rounds`` (the same
    after each) and ``frames_until`` (by goal, after how many clicked frames J&F reached it, or ``None``). A sequence
    also has ``objects`` and ``clicked``, the frames by object.
    """
    reports: dict[str, dict[str, Any]] = {}
    for sequence in sequences:
        if sequence.objects():
            user = SimulatedUser(sequence, session_factory(model, sequence.stack), interaction)
            report = _summary(list(user.rounds()))
            report |= {"objects": len(user.clicked), "clicked": {str(i): t for i, t in user.clicked.items()}}
            reports[sequence.name] = report
            if done is not None:
                done(user, report)
        sequence.stack.close()
    # All sequences have as many rounds, so means are taken round by round.
    means = [mean_figures([r["rounds"][k] for r in reports.values()]) for k in range(interaction.rounds)]
    return {
        "model": model.config.name,
        "interactive": asdict(interaction),
        "mean": _summary(means),
        "sequences": reports,
    }


def _summary(rounds: Sequence[Figures]) -> dict[str, Any]:
    until = {str(goal): frames_until([figures["J&F"] for figures in rounds], goal) for goal in GOALS}
    return {**rounds[-1], "rounds": list(rounds), "frames_until": until}


def frames_until(accuracies: Sequence[float], goal: float) -> int | None:
    """After how many clicked frames a goal was reached, given the accuracy after one, two, ...; ``None`` if never."""
    return next((count for count, accuracy in enumerate(accuracies, start=1) if accuracy >= goal), None)

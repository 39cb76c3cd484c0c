"""The engine: a tracking session kept equal to the prompt layers. Runs on the worker's thread only, never on Qt's."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.labels.placed_results import place_scores
from napari_sam2.data.labels.scores import ScoreRow, ScoreTable
from napari_sam2.plugin.layers.prompt_spec import PromptKey, PromptSpec, PromptSpecs

from .count_pieces import count_pieces
from .messages import FrameUpdate, Report, State, Tracked, TrackingRequest
from .undo_steps import EngineStep, UndoSteps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2.data.images.stack import Stack
    from napari_sam2.session.results.frame_result import FrameResult
    from napari_sam2.session.session import Session

    from .messages import ModelChoice

# Frames of a report: a long stack must neither be unpacked all at once nor hold up the window.
FRAMES_AT_ONCE = 16
_TOO_LONG_AGO = (
    "That run is too long ago to be taken back or done again: undo keeps as much of earlier runs as fits its memory."
)


class Engine:
    """A session whose prompts are kept equal to those in the prompt layers."""

    def __init__(self, session: Session) -> None:
        # While the worker runs, the GUI thread reads only plain values of it, such as its folder.
        self.session = session
        # Objects with a score below this are left out of what is drawn.
        self.threshold = 0.5
        # Prompts that the session has now, as the layers gave them: what the next sync is compared with.
        self._applied: dict[PromptKey, PromptSpec] = {}
        # Prompts that the session would not take. They stay in the layers, and are tried again only when they have
        # changed: else the user would read the same complaint after every click.
        self._refused: dict[PromptKey, PromptSpec] = {}
        self._steps = UndoSteps()

    def bring_back(self, applied: PromptSpecs, steps: Sequence[tuple[int, PromptSpecs, PromptSpecs]]) -> None:
        """Take over prompts and undo steps of a session that was read from a folder."""
        self._applied = dict(applied)
        for number, (edits, before, after) in enumerate(steps, 1):
            self._steps[number] = EngineStep(edits, dict(before), dict(after))

    # Prompts

    def sync(self, wishes: PromptSpecs, step: int | None) -> Report:
        """Make the session's prompts equal to those in the layers."""
        from napari_sam2.session.prompting.threads import threads_for_a_click

        # All edits below are counted in one record, so that undo takes back together what the user did at once.
        record = EngineStep() if step is None else self._steps.record(step, self._applied)
        touched: set[int] = set()
        problems: list[str] = []
        with threads_for_a_click(self.session.model):
            # First take away what the layers no longer hold: it must not stay in what new clicks refine.
            for place in [p for p in self._applied if p not in wishes]:
                touched |= self._withdraw(place, wishes, record)
            # Then those that are new or different.
            for place, wish in wishes.items():
                if self._applied.get(place) == wish or self._refused.get(place) == wish:
                    continue
                try:
                    self._apply(place, wish, record)
                except ValueError as error:
                    self._refused[place] = wish
                    problems.append(f"Object {place.object_id} on frame {place.frame}: {error}")
                else:
                    self._applied[place] = wish
                touched.add(place.frame)
        record.after = dict(self._applied)
        if step is None and record.edits:
            # The session's own history no longer matches the user's steps: from now on undo restores the layers, and
            # the sync that follows corrects the session.
            for known in self._steps.values():
                known.edits = 0
        return self._report(touched, problems)

    def _withdraw(self, place: PromptKey, wishes: PromptSpecs, record: EngineStep) -> set[int]:
        del self._applied[place]
        session = self.session
        if any(p.object_id == place.object_id for p in wishes):
            session.clear_prompts(place.frame, place.object_id)
            record.edits += 1
            return {place.frame}
        if place.object_id not in session.object_ids:
            return set()
        # An object without any prompt has nothing to stand on: it goes, with what was tracked of it.
        frames = set(self._frames_of(place.object_id))
        session.remove_object(place.object_id)
        record.edits += 1
        return frames | {place.frame}

    def _apply(self, place: PromptKey, wish: PromptSpec, record: EngineStep) -> None:
        # More clicks on what there is refine its mask; anything else starts this object anew on this frame.
        earlier = self._applied.get(place)
        # The mask is filled only where it is used, because that takes long on large frames.
        mask = None if earlier is not None and wish.extends(earlier) else wish.mask
        if mask is not None and wish.outlines and not mask.any():
            raise ValueError("its outline lies between the pixels: draw a larger one")
        if earlier is not None and not wish.extends(earlier):
            self.session.clear_prompts(place.frame, place.object_id)
            del self._applied[place]
            record.edits += 1
            earlier = None
        # The mask goes first, then the box with the points: the session refines the mask with what comes after it.
        points = [(y, x) for y, x, _ in wish.points]
        labels = [label for _, _, label in wish.points]
        if mask is not None:
            self.session.add_mask(place.frame, place.object_id, mask)
            record.edits += 1
        if wish.box is not None:
            clicks, marks = (points, labels) if points else (None, None)
            self.session.add_box(place.frame, place.object_id, wish.box, points=clicks, labels=marks)
            record.edits += 1
        elif points:
            self.session.add_points(place.frame, place.object_id, points, labels)
            record.edits += 1

    def undo(self, step: int) -> Report:
        """Take back what a step did."""
        record = self._steps.get(step, EngineStep())
        # Frames with a result before or after must be drawn again: the step may have made or removed them.
        before = self._all_frames()
        is_run = record.other is not None
        # Only now, because prompts given during the run have been undone by now.
        problems = self._swap(record)
        self._repeat(record, self.session.undo, len(self.session.history[0]))
        # A step that the session has forgotten leaves its prompts as they are; the sync that follows compares with
        # them.
        if record.edits or is_run:
            self._applied = dict(record.before)
        return self._report(before | self._all_frames(), problems)

    def redo(self, step: int) -> Report:
        """Do again what a step did."""
        record = self._steps.get(step, EngineStep())
        before = self._all_frames()
        # The reverse order of `undo`: first to the state after the run, then the edits that came with it.
        if record.other is not None:
            self._applied = dict(record.before)
        problems = self._swap(record)
        self._repeat(record, self.session.redo, len(self.session.history[1]))
        if record.edits:
            self._applied = dict(record.after)
        return self._report(before | self._all_frames(), problems)

    def _swap(self, record: EngineStep) -> list[str]:
        """Exchange the states before and after a step that was a run; returns a problem where one is lost."""
        # A run is not undone edit by edit, as it would have to be tracked again to be redone.
        record.is_undone = not record.is_undone
        if record.other is not None:
            there, record.other = record.other, self.session.state()
            self.session.restore(there)
            self._steps.limit()
        return [_TOO_LONG_AGO] if record.is_lost else []

    @staticmethod
    def _repeat(record: EngineStep, edit: Callable[[], object], n_known: int) -> None:
        if record.edits > n_known:
            # The session has forgotten some of them: the layers are restored, and the sync after it does the rest.
            record.edits = 0
        for _ in range(record.edits):
            edit()

    def painted_masks(self, frame: int, image: NDArray[Any]) -> tuple[dict[PromptKey, PromptSpec], set[PromptKey]]:
        """Compare what a user painted with what was shown.

        ``image`` is (Y, X) labels as they are now. Returns a mask for every object whose pixels changed, and the places
        of objects that were rubbed out altogether. An object that was rubbed out but is prompted on other frames gets
        an empty mask instead, which says that it is not on this one.
        """
        shown = self.frame_update(frame).image
        painted = shown != image
        # Only objects with a pixel that differs are looked at: a stroke meets a few of perhaps hundreds.
        met = {int(i) for i in (*np.unique(shown[painted]), *np.unique(image[painted])) if i > 0}
        elsewhere = {place.object_id for place in self._applied if place.frame != frame}
        wishes: dict[PromptKey, PromptSpec] = {}
        gone: set[PromptKey] = set()
        for object_id in sorted(met):
            mask = image == object_id
            if mask.any() or object_id in elsewhere:
                wishes[PromptKey(frame, object_id)] = PromptSpec().with_mask(mask)
            else:
                gone.add(PromptKey(frame, object_id))
        return wishes, gone

    # Tracking

    def track(self, plan: TrackingRequest, step: int) -> Generator[Tracked, None, None]:
        """Track frame by frame."""
        # The first step of the run does this, after the jobs that were queued before it: the session has all prompts by
        # now.
        record = self._steps.record(step, self._applied)
        record.other = self.session.state()
        self._steps.limit()
        steps, total = self._steps_of(plan)
        # Between two steps other jobs may add prompts, and so objects and frames to visit: the total is a first
        # estimate.
        for done, result in enumerate(steps, 1):
            yield Tracked(self.frame_update(result.frame), done, max(total, done), self.state())

    def _steps_of(self, plan: TrackingRequest) -> tuple[Iterable[FrameResult], int]:
        """Start one run of the session, so that its rest can be resumed later, and count its frames."""
        session, n_frames = self.session, self.session.stack.n_frames
        if plan.kind == "resume":
            return session.resume(), session.unfinished
        if plan.kind == "update":
            return session.update(), len({t for frames in session.stale.values() for t in frames})
        if plan.kind == "both":
            return session.propagate(direction="outward"), n_frames
        if plan.kind == "forward":
            return session.propagate(plan.frame), n_frames - plan.frame
        if plan.kind == "backward":
            return session.propagate(plan.frame, "backward"), plan.frame + 1
        # What is left is a range of frames, whose ends the user may give in either order.
        first, last = sorted((plan.first, plan.last))
        prompted = sorted(p.frame for p in session.prompts)
        inside = [t for t in prompted if first <= t <= last]
        # From a prompt in the range outwards; without one, from the end where the object comes from.
        start, direction = (inside[0], "both") if inside else (last, "backward")
        if not inside and prompted and prompted[0] < first:
            start, direction = first, "forward"
        return session.propagate(start, direction, within=(first, last)), last - first + 1

    # What there is to show

    @property
    def answers_at_once(self) -> bool:
        """Whether a click on a frame that is prepared is answered before anybody notices."""
        from napari_sam2.session.prompting.threads import answers_at_once

        return answers_at_once(self.session.model)

    def prepare(self, frame: int) -> None:
        """Encode a frame, so that a click there is answered at once."""
        self.session.prepare(frame)

    def show_again(self, threshold: float) -> Report:
        """Say that every frame is to be drawn again, with another threshold."""
        self.threshold = threshold
        # None is drawn now: the GUI thread asks for them in batches, those near the frame on show first.
        return Report((), self.state(), later=tuple(sorted(self._all_frames())))

    def show(self, frames: Iterable[int]) -> Report:
        """Draw some frames."""
        return self._report(frames)

    def frame_update(self, frame: int) -> FrameUpdate:
        """Compose what is to be shown on a frame."""
        labels, scores = self.session.labels, self.session.outputs.scores
        image = labels[frame]
        rows, hidden = {}, []
        for object_id in self.session.object_ids:
            row = scores.get(frame, object_id)
            if row is None:
                continue
            rows[object_id] = row
            # What the user painted by hand is drawn in any case, whatever score the model gives it.
            painted = self._applied.get(PromptKey(frame, object_id), PromptSpec()).has_mask
            if row.object_score < self.threshold and not painted:
                hidden.append(object_id)
        if hidden:
            image[np.isin(image, hidden)] = 0
        return FrameUpdate(frame, image, self._in_place(rows), count_pieces(image, rows.values()))

    def _in_place(self, rows: dict[int, ScoreRow]) -> dict[int, ScoreRow]:
        """Put the scores of a region where it lies in the planes."""
        geometry = self.session.stack.geometry
        if geometry.crop[:2] == (0, 0):
            return rows
        return {row.object_id: row for row in place_scores(ScoreTable(rows.values()), geometry)}

    def state(self) -> State:
        """Say which frames are prompted and stale."""
        prompted: dict[int, list[int]] = {}
        for prompt in self.session.prompts:
            prompted.setdefault(prompt.object_id, []).append(prompt.frame)
        return State({i: tuple(frames) for i, frames in prompted.items()}, self.session.stale_frames())

    def _report(self, frames: Iterable[int], problems: Iterable[str] = ()) -> Report:
        now, later = (order := sorted(frames))[:FRAMES_AT_ONCE], order[FRAMES_AT_ONCE:]
        return Report(tuple(self.frame_update(t) for t in now), self.state(), tuple(problems), tuple(later))

    def _all_frames(self) -> set[int]:
        return set(self.session.labels.frames_done)

    def _frames_of(self, object_id: int) -> list[int]:
        labels = self.session.labels
        scored = [row.frame for row in self.session.outputs.scores if row.object_id == object_id]
        return [t for t in labels.frames_done if object_id in labels.object_ids(t)] + scored


def load(choice: ModelChoice) -> Any:
    """Load a model; imports torch."""
    from napari_sam2.weights.load import load_model

    # The first layer of prompts needs it, and the GUI's thread would have to wait for it then.
    importlib.import_module("pandas")
    return load_model(
        choice.name,
        checkpoint=choice.checkpoint,
        device=choice.device,
        preset=choice.preset,
        backend=choice.backend,
    )


def open_engine(model: Any, stack: Stack, window: tuple[float, float] | None, *, zoom: str | float) -> Engine:
    """Make a session over a stack."""
    from napari_sam2.session.session import Session

    return Engine(Session(model, stack, contrast_limits=window, zoom=zoom))

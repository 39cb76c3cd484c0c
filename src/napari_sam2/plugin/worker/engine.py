"""The engine: a tracking session and what is to be shown of it. Runs on the worker's thread only, never on Qt's."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.labels.piece_sizes import piece_sizes
from napari_sam2.data.labels.placed_results import place_scores
from napari_sam2.data.labels.scores import ScoreRow, ScoreTable
from napari_sam2.data.prompts.drawing import Drawing, PromptKey
from napari_sam2.data.prompts.drawn_prompts import drawing_of
from napari_sam2.wording import named_objects

from .find_runs import FindRuns
from .messages import AcceptedFrame, FrameUpdate, Report, State, Tracked, TrackingRequest
from .run_step import RunStep
from .volume_runs import VolumeRuns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2.data.images.stack import Stack
    from napari_sam2.data.prompts.prompt import Prompt
    from napari_sam2.session.population.found_objects import FoundObjects
    from napari_sam2.session.results.frame_result import FrameResult
    from napari_sam2.session.session import Session
    from napari_sam2.session.steps.history import Step

    from .messages import ModelChoice

# Frames of a report: a long stack must neither be unpacked all at once nor hold up the window.
FRAMES_AT_ONCE = 16


class Engine:
    """A session on the worker's thread: takes edits, runs and undo, and reports what is to be shown."""

    def __init__(self, session: Session) -> None:
        # While the worker runs, the GUI thread reads only plain values of it, such as its folder.
        self.session = session
        # That of a run which goes on in turns: an edit ends it.
        self._step = RunStep(session)
        self.find_runs = FindRuns(session, self._step)
        # Where the frames are the planes of volumes over time, they are tracked through both.
        self._volumes = VolumeRuns(session, self._step) if session.stack.n_planes else None
        # Objects with a score below this are left out of what is drawn.
        self.threshold = 0.5
        # By object and frame, prompts and how they were drawn, which takes long to find out for masks of scripts.
        self._drawings: dict[PromptKey, tuple[Prompt, Drawing]] = {}

    # Prompts

    def edit(self, changes: Mapping[PromptKey, Drawing], name: str) -> Report:
        """Put drawings in place of those about the same objects and frames, as one step; empty ones take away."""
        from napari_sam2.session.prompting.threads import threads_for_a_click

        self._step.end()
        touched: set[int] = set()
        problems: list[str] = []
        known = self.drawings()
        staying = {key.object_id for key, drawing in {**known, **changes}.items() if not drawing.is_empty}
        with threads_for_a_click(self.session.model), self.session.step(name):
            # First take away what is no longer there: it must not stay in what new clicks refine.
            for key in [key for key in changes if key in known and changes[key].is_empty]:
                touched |= self._take_away(key, is_last=key.object_id not in staying)
            for key, drawing in changes.items():
                if not drawing.is_empty:
                    touched.add(key.frame)
                    try:
                        self._apply(key, drawing, known.get(key))
                    except ValueError as error:
                        problems.append(f"Object {key.object_id} on frame {key.frame}: {error}")
        return self._report(touched, problems)

    def take_over(self, drawings: Mapping[PromptKey, Drawing], accepted: Iterable[AcceptedFrame] = ()) -> Report:
        """Give a new session the prompts and accepted masks of one that is gone; that can not be undone."""
        frames = {key.frame for key in drawings}
        report = self.edit(drawings, "Take over prompts")
        for one in accepted:
            self.session.take_accepted(one.frame, one.image, one.scores, made=one.made)
            frames.add(one.frame)
        self.session.bring_back_history((), ())
        return self._report(frames, report.problems)

    def accept(self, frames: Iterable[int], object_ids: Collection[int] | None = None) -> Report:
        """Lock what is shown on frames, of all objects or some."""
        self._step.end()
        scores = self.session.outputs.scores
        known = [t for t in frames if scores.on_frame(t)]
        # What the threshold hides is accepted as not there.
        hides = [t for t in known if any(row.object_score < self.threshold for row in scores.on_frame(t))]
        if known:
            self.session.accept(known, object_ids, shown={t: self.frame_update(t).image for t in hides})
        return self._report(known)

    def release(self, frames: Iterable[int]) -> Report:
        """Unlock frames."""
        self._step.end()
        known = [t for t in frames if self.session.outputs.scores.on_frame(t)]
        self.session.release(known)
        return self._report(known)

    def remove_object(self, object_id: int) -> Report:
        """Remove an object with its prompts and results."""
        self._step.end()
        frames = set(self._frames_of(object_id))
        if object_id in self.session.object_ids:
            self.session.remove_object(object_id)
        return self._report(frames)

    def edit_tracks(self, edit: Callable[[Session], object]) -> Report:
        """Have whole tracks edited, as the session can; what it refuses is reported."""
        self._step.end()
        known, problems = self.session.history[0], list[str]()
        try:
            edit(self.session)
        except ValueError as error:
            problems.append(f"{str(error)[0].upper()}{str(error)[1:]}")
        new = [step for step in self.session.history[0] if step not in known]
        return self._report({frame for step in new for frame in step.frames}, problems)

    def add_found(self, found: FoundObjects) -> Report:
        """Add objects that were found on a frame, as one step."""
        self._step.end()
        self.find_runs.add(found)
        return self._report([found.frame])

    def _take_away(self, key: PromptKey, *, is_last: bool) -> set[int]:
        session = self.session
        if not is_last:
            session.clear_prompts(*key)
            return {key.frame}
        if key.object_id not in session.object_ids:
            # It went with another of its prompts.
            return {key.frame}
        # An object without any prompt has nothing to stand on: it goes, with what was tracked of it.
        frames = set(self._frames_of(key.object_id))
        session.remove_object(key.object_id)
        return frames | {key.frame}

    def _apply(self, key: PromptKey, drawing: Drawing, earlier: Drawing | None) -> None:
        session, size = self.session, self._frame_size
        # More clicks on what there is refine its mask; anything else starts this object anew on this frame.
        refines = earlier is not None and drawing.extends(earlier, size)
        # The mask is filled only where it is used, because that takes long on large frames.
        mask = None if refines else drawing.mask(size)
        if mask is not None and drawing.painted is None and not mask.any():
            raise ValueError("its outline lies between the pixels: draw a larger one")
        if earlier is not None and not refines:
            session.clear_prompts(*key)
        # The mask goes first, then the box with the points: the session refines the mask with what comes after it.
        clicks, box = drawing.clicks(size), drawing.box(size)
        points, labels = [click[:2] for click in clicks], [click.label for click in clicks]
        if mask is not None:
            session.add_mask(*key, mask, drawing=drawing)
        if box is not None:
            given = (points, labels) if points else (None, None)
            session.add_box(*key, box, *given, drawing=drawing)
        elif points:
            session.add_points(*key, points, labels, drawing=drawing)

    def drawings(self) -> dict[PromptKey, Drawing]:
        """How all prompts were drawn."""
        prompts = {PromptKey(prompt.frame, prompt.object_id): prompt for prompt in self.session.prompts}
        for key, prompt in prompts.items():
            if key not in self._drawings or self._drawings[key][0] is not prompt:
                self._drawings[key] = prompt, drawing_of(prompt)
        self._drawings = {key: self._drawings[key] for key in prompts}
        return {key: drawing for key, (_, drawing) in self._drawings.items()}

    def undo(self) -> Report:
        """Undo the last step."""
        return self._gone_to(self.session.undo)

    def redo(self) -> Report:
        """Do the last undone step again."""
        return self._gone_to(self.session.redo)

    def _gone_to(self, move: Callable[[], Step | None]) -> Report:
        self._step.end()
        self.find_runs.left_at = None
        # A step has every frame that it changed: those are drawn again.
        step = move()
        return self._report(() if step is None else step.frames)

    def paint(self, images: Mapping[int, NDArray[Any]]) -> Report:
        """Make prompts of what a user painted; ``images`` are (Y, X) labels as they are now, by frame."""
        changes: dict[PromptKey, Drawing] = {}
        for frame, image in images.items():
            changes |= self._painted(frame, image)
        ids = sorted({key.object_id for key in changes})
        return self.edit(changes, f"Paint {named_objects(ids)}")

    def take_labels(self, frame: int, image: NDArray[Any]) -> Report:
        """Make prompts of another program's (Y, X) labels; objects that it does not have are kept."""
        ids = set(np.unique(image).tolist())
        changes = {key: drawing for key, drawing in self._painted(frame, image).items() if key.object_id in ids}
        return self.edit(changes, "Take labels")

    def take_objects(self, data: Any, planes: Sequence[Any]) -> Report:
        """Make prompts of all objects in an array of labels, each on the first frame that it is on.

        ``planes``: the index of each frame's plane in the array.
        """
        changes: dict[PromptKey, Drawing] = {}
        known: set[int] = set()
        for frame, index in enumerate(planes):
            image = np.asarray(data[index])
            for object_id in sorted({int(value) for value in np.unique(image) if value > 0} - known):
                changes[PromptKey(frame, object_id)] = Drawing.of_mask(image == object_id)
                known.add(object_id)
        return self.edit(changes, "Take objects")

    def _painted(self, frame: int, image: NDArray[Any]) -> dict[PromptKey, Drawing]:
        """Compare labels with what was shown: a drawing for every object whose pixels changed.

        An object that was rubbed out gets an empty one; if it is prompted on other frames, an empty mask instead, which
        says that it is not on this one.
        """
        shown = self.frame_update(frame).image
        painted = shown != image
        # Only objects with a pixel that differs are looked at: a stroke meets a few of perhaps hundreds.
        met = {int(i) for i in (*np.unique(shown[painted]), *np.unique(image[painted])) if i > 0}
        elsewhere = {prompt.object_id for prompt in self.session.prompts if prompt.frame != frame}
        changes: dict[PromptKey, Drawing] = {}
        for object_id in sorted(met):
            mask = image == object_id
            is_absent = not (mask.any() or object_id in elsewhere)
            changes[PromptKey(frame, object_id)] = Drawing() if is_absent else Drawing.of_mask(mask)
        return changes

    # Tracking

    def track(self, plan: TrackingRequest) -> Generator[Tracked, None, None]:
        """Track frame by frame."""
        if self._volumes is not None:
            for frame, done, total in self._volumes.track(plan.kind):
                yield Tracked(self.frame_update(frame), done, total, self.state())
            return
        if plan.kind == "find_new" or (plan.kind == "resume" and self.find_runs.left_at is not None):
            yield from self._track_and_find(is_new=plan.kind == "find_new")
            return
        self.find_runs.left_at = None
        # The first step of the run does this, after the jobs that were queued before it: the session has all prompts by
        # now.
        # What goes on counts on.
        before = self.session.behind if plan.kind == "resume" else 0
        for done, result in enumerate(self._steps_of(plan), before + 1):
            yield Tracked(self.frame_update(result.frame), done, done + self.session.unfinished, self.state())

    def _track_and_find(self, *, is_new: bool) -> Iterator[Tracked]:
        total = self.session.stack.n_frames
        start = min((prompt.frame for prompt in self.session.prompts), default=0)
        for frame, done in self.find_runs.track(start if is_new else None):
            yield Tracked(self.frame_update(frame), done, total, self.state())

    def _steps_of(self, plan: TrackingRequest) -> Iterable[FrameResult]:
        """Start one run of the session, so that its rest can be resumed later."""
        session = self.session
        if plan.kind == "resume":
            # It may have come to its end in the step in which it was stopped.
            return session.resume() if session.unfinished else ()
        if plan.kind in ("update", "update_both_ways"):
            return session.update(both_ways=plan.kind == "update_both_ways")
        if plan.kind == "both":
            return session.propagate(direction="outward")
        if plan.kind == "forward":
            return session.propagate(plan.frame)
        if plan.kind == "backward":
            return session.propagate(plan.frame, "backward")
        # What is left is a range of frames, whose ends the user may give in either order.
        first, last = sorted((plan.first, plan.last))
        prompted = sorted(p.frame for p in session.prompts)
        inside = [t for t in prompted if first <= t <= last]
        # From a prompt in the range outwards; without one, from the end where the object comes from.
        start, direction = (inside[0], "both") if inside else (last, "backward")
        if not inside and prompted and prompted[0] < first:
            start, direction = first, "forward"
        return session.propagate(start, direction, within=(first, last))

    # What there is to show

    @property
    def answers_at_once(self) -> bool:
        """Whether a click on a frame that is prepared is answered before anybody notices."""
        from napari_sam2.session.prompting.threads import answers_at_once

        return answers_at_once(self.session.model)

    def candidates(self, place: PromptKey) -> list[NDArray[np.bool_]]:
        """Propose (Y, X) masks for what was said about an object on a frame."""
        return self.session.candidates(place.frame, place.object_id)

    def prepare(self, frame: int) -> None:
        """Encode a frame, so that a click there is answered at once."""
        self.session.prepare(frame)

    def show_again(self, threshold: float) -> Report:
        """Say that every frame is to be drawn again, with another threshold."""
        self.threshold = threshold
        # None is drawn now: the GUI thread asks for them in batches, those near the frame on show first.
        return Report((), self.state(), later=tuple(self.session.labels.frames_done), drawings=self.drawings())

    def show(self, frames: Iterable[int]) -> Report:
        """Draw some frames."""
        return self._report(frames)

    def frame_update(self, frame: int) -> FrameUpdate:
        """Compose what is to be shown on a frame."""
        labels, scores = self.session.labels, self.session.outputs.scores
        image = labels[frame]
        rows = {}
        for object_id in self.session.object_ids:
            row = scores.get(frame, object_id)
            if row is None:
                continue
            rows[object_id] = row
        hidden = [i for i, row in rows.items() if row.object_score < self.threshold and not row.accepted]
        if hidden:
            # What the user painted by hand is drawn in any case, whatever score the model gives it.
            painted = {key for key, drawing in self.drawings().items() if drawing.has_mask}
            hidden = [object_id for object_id in hidden if (frame, object_id) not in painted]
        if hidden:
            image[np.isin(image, hidden)] = 0
        return FrameUpdate(frame, image, self._in_place(rows), piece_sizes(image, rows.values()))

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
        return State(
            {i: tuple(frames) for i, frames in prompted.items()},
            self.session.stale_frames(),
            # Through volumes all goes one way.
            {} if self._volumes else {i: len(frames) for i, frames in self.session.one_sided.items()},
            self.session.parents,
            self.session.refused_divisions,
            self.session.classes,
            undo=self.session.undo_name,
            redo=self.session.redo_name,
        )

    def _report(self, frames: Iterable[int], problems: Iterable[str] = ()) -> Report:
        now, later = (order := sorted(frames))[:FRAMES_AT_ONCE], order[FRAMES_AT_ONCE:]
        updates = tuple(self.frame_update(t) for t in now)
        return Report(updates, self.state(), tuple(problems), tuple(later), self.drawings())

    @property
    def _frame_size(self) -> tuple[int, int]:
        return self.session.stack.height, self.session.stack.width

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


def open_engine(
    model: Any, stack: Stack, window: tuple[float, float] | None, *, zoom: str | float, memory: str = "auto"
) -> Engine:
    """Make a session over a stack."""
    from napari_sam2.session.session import Session

    return Engine(Session(model, stack, contrast_limits=window, zoom=zoom, memory=memory))

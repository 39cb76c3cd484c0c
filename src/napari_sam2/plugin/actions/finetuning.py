"""Fine-tuning of the model on the frames that the user has accepted, as a run of the worker."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam2.plugin.worker.worker import WorkerRun, job

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_sam2.plugin.controller import Controller
    from napari_sam2.training.finetune.finetuner import LabelledStack, Taught, TeachProgress

TEACHING = "teaching"


@dataclass(frozen=True, eq=False)
class _Lesson:
    """What comes back from the worker's thread: where teaching is, or what came of it."""

    progress: TeachProgress | None = None
    taught: Taught | None = None


class Teaching(QObject):
    """Accepts frames, fine-tunes a copy of the model on them, and uses, saves or drops the result."""

    accepted_changed = Signal()
    # With a `TeachProgress`.
    progressed = Signal(object)
    # With a `Taught`, before `ended`.
    taught = Signal(object)
    # With True when teaching came to its end, False where it was stopped or failed.
    ended = Signal(bool)
    # With the path of the file written.
    saved = Signal(str)

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self._layers = controller.layers
        # The run under way; None as soon as it has ended or was stopped, whatever still comes of it.
        self._run: WorkerRun | None = None
        self._outcome: Taught | None = None

    # Accepted frames

    def accept(self, frames: Sequence[int]) -> int:
        """Call frames right as they are drawn now; return how many have a result and so could be."""
        results, layers = self._controller.results, self._layers
        if layers.labels is None or layers.space is None:
            return 0
        # The labels of the layer count, not the session's: the user may have painted since.
        known = [t for t in frames if results.is_known(t)]
        for frame in known:
            results.accepted.set(frame, layers.drawn_on(frame))
        # Shown at once; the session locks them, and says so when it has.
        self._controller.edits.change(lambda engine: engine.accept(known))
        self.accepted_changed.emit()
        return len(known)

    def release(self, frame: int) -> None:
        """Do not call a frame right any more."""
        self._controller.results.accepted.remove_frames([frame])
        self._controller.edits.change(lambda engine: engine.release([frame]))
        self.accepted_changed.emit()

    @property
    def n_accepted(self) -> tuple[int, int]:
        """Frames accepted, over all images, and the number of stacks they are on."""
        stacks = self._controller.workspace.accepted()
        return sum(len(results.accepted.frames_done) for _, results in stacks), len(stacks)

    # The run

    @property
    def is_running(self) -> bool:
        """Whether teaching is under way."""
        return self._run is not None

    def start(self, minutes: float) -> None:
        """Fine-tune a copy of the model; unless something else is under way."""
        controller = self._controller
        if controller.is_busy:
            return
        if controller.model is None:
            controller.failed.emit(ValueError("There is no model yet: choose one under Model."))
            return
        self._outcome = None
        # Model and frames are captured now: the image may change while the run goes on.
        work = partial(_teach, controller.model, self.material(), minutes)
        self._run = WorkerRun(work, self._stepped, self._finished, self._failed, TEACHING)
        controller.worker.start(self._run)

    def stop(self) -> None:
        """Give up; the model stays as it was."""
        # Forgotten, not stopped: teaching cannot be resumed, and its generator must let go of the copy.
        if self.is_running:
            self._controller.worker.forget_run()
            self._finished(False)

    def material(self) -> list[dict[str, Any]]:
        """What is accepted on all images, as `LabelledStack` takes it."""
        workspace = self._controller.workspace
        stacks = []
        for space, results in workspace.accepted():
            stack, window = workspace.stacks[space]
            frames = tuple(results.accepted.frames_done)
            # A copy: accepting and withdrawing go on meanwhile.
            labels = deepcopy(results.accepted)
            stacks.append({"frames": stack, "labels": labels, "accepted": frames, "contrast_limits": window})
        return stacks

    def _stepped(self, lesson: _Lesson) -> None:
        # On the GUI thread. A step may have been on its way when the user stopped.
        if not self.is_running:
            return
        if lesson.progress is not None:
            self.progressed.emit(lesson.progress)
        if lesson.taught is not None:
            self._outcome = lesson.taught
            self.taught.emit(lesson.taught)

    def _finished(self, complete: bool) -> None:
        # Called by the worker at the end, by `stop`, and by `_failed`; announced once.
        if self.is_running:
            self._run = None
            self.ended.emit(complete)

    def _failed(self, error: Exception) -> None:
        self._controller.failed.emit(error)
        self._finished(False)

    # What comes of it

    def use(self) -> None:
        """Go on with the taught model; prompts stay, results wait for an update."""
        if self._outcome is not None:
            self._controller.use_model(self._outcome.model, "taught")
            self._outcome = None

    def save(self, path: str) -> None:
        """Write the taught model as a checkpoint file."""
        if self._outcome is None:
            return
        # Captured, so that the model can be used or dropped while the file is being written.
        outcome, saved = self._outcome, self.saved.emit
        self._controller.worker.submit(
            job(partial(_save, outcome, path), self._controller.failed.emit, done=lambda _none: saved(path))
        )

    def forget(self) -> None:
        """Give up the taught model."""
        self._outcome = None


def _teach(model: Any, material: list[dict[str, Any]], minutes: float) -> Generator[_Lesson, None, None]:
    # On the worker's thread, step by step, with prompts and previews in between. What the inner generator returns
    # becomes a last step, as a run has no result of its own.
    from napari_sam2.training.finetune.finetuner import LabelledStack, TeachSettings, teach

    stacks: list[LabelledStack] = [LabelledStack(**given) for given in material]
    steps = teach(model, stacks, settings=TeachSettings(minutes=minutes))
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            yield _Lesson(taught=end.value)
            return
        yield _Lesson(progress=progress)


def _save(outcome: Taught, path: str) -> None:
    from napari_sam2.weights.load import save_checkpoint

    save_checkpoint(outcome.in_full(), path)

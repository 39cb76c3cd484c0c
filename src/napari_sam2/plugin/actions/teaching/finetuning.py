"""Fine-tuning of the model on the frames that the user has accepted, as a run of the worker."""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal

from napari_sam2.plugin.worker.result_run import ResultRun
from napari_sam2.plugin.worker.worker import job

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_sam2.plugin.controller import Controller
    from napari_sam2.training.finetune.finetuner import Taught, TeachProgress

TEACHING = "teaching"


class Teaching(ResultRun):
    """Accepts frames, fine-tunes a copy of the model on them, and uses, saves or drops the result."""

    accepted_changed = Signal()
    # With a `Taught`, before `ended`.
    taught = Signal(object)
    # With the path of the file written.
    saved = Signal(str)

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller.worker, controller.failed.emit)
        self._controller = controller
        self._layers = controller.layers
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
        self._begin(partial(_teach, controller.model, self.material(), minutes), TEACHING)

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

    def _take(self, result: Taught) -> None:
        self._outcome = result
        self.taught.emit(result)

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


def _teach(model: Any, material: list[dict[str, Any]], minutes: float) -> Generator[TeachProgress, None, Taught]:
    from napari_sam2.training.finetune.finetuner import LabelledStack, TeachSettings, teach

    return teach(model, [LabelledStack(**given) for given in material], settings=TeachSettings(minutes=minutes))


def _save(outcome: Taught, path: str) -> None:
    from napari_sam2.weights.load import save_checkpoint

    save_checkpoint(outcome.in_full(), path)

"""Between the layers and the engine: keeps a session in step with the prompts, and runs what is asked for."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam2.plugin.layers.layer_frames import make_stack, model_window
from napari_sam2.plugin.state.result_store import ResultStore
from napari_sam2.plugin.state.undo_stack import UndoStack
from napari_sam2.plugin.state.workspace import Workspace
from napari_sam2.plugin.worker.engine import Engine, open_engine
from napari_sam2.plugin.worker.messages import TrackingRequest
from napari_sam2.plugin.worker.model_loader import ModelLoader
from napari_sam2.plugin.worker.worker import Job, Worker, WorkerRun, job

from .result_display import ResultDisplay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_sam2.data.images.stack import Stack
    from napari_sam2.plugin.layers.layer_frames import LayerFrames
    from napari_sam2.plugin.layers.prompt_spec import PromptKey, PromptSpec
    from napari_sam2.plugin.layers.session_layers import SessionLayers
    from napari_sam2.plugin.state.opened_session import OpenedSession
    from napari_sam2.plugin.worker.messages import ModelChoice, Report, Tracked
    from napari_sam2.session.session import Session

TRACKING = "tracking"


class Controller(QObject):
    """Owns the worker, the model, and a session for every stack that was looked at, of every image."""

    preview_near = Signal()
    preview_shown = Signal(int)
    tracking_finished = Signal(bool)
    tracking_stepped = Signal(object)
    results_changed = Signal()
    model_changed = Signal(str)
    failed = Signal(object)
    refused = Signal(str)

    def __init__(self, layers: SessionLayers) -> None:
        super().__init__()
        self.layers = layers
        self.worker = Worker()
        self.live = True
        self.threshold = 0.5
        self.zoom: str | float = "auto"
        # What the frames on show are: "t" or "z".
        self.axis = "t"
        # While a session is being put into the layers no other is opened for them.
        self.is_held = False
        self._slot = ModelLoader(self.worker)
        self._slot.said.connect(self.model_changed)
        self._slot.failed.connect(self.failed)
        self._slot.ready.connect(self.open_space)
        self.shelf = Workspace()
        self._generation = 0  # Of models and images; what an earlier one still answers is not shown.
        self._content = layers.content()
        self.wishes: dict[PromptKey, PromptSpec] = {}
        # The user's step, the last of them, that the session has not been told of.
        self.untold: int | None = None
        self._display = ResultDisplay(layers, self.shelf, self._submit)
        for signal in ("preview_shown", "tracking_stepped", "results_changed", "refused"):
            getattr(self._display, signal).connect(getattr(self, signal))
        layers.prompts_changed.connect(self._prompts_changed)
        layers.painted.connect(partial(self._find_masks, found=self._masks_found))

    # What there is

    @property
    def model(self) -> Any:
        """The model in use, or None."""
        return self._slot.model

    @property
    def engine(self) -> Engine | None:
        """The session on show, if there is one."""
        return None if self.layers.space is None else self.shelf.engines.get(self.layers.space)

    @property
    def session(self) -> Session | None:
        """The session on show, if there is one."""
        return None if self.engine is None else self.engine.session

    @property
    def window(self) -> tuple[float, float] | None:
        """Pixel values that the session on show sees as black and white."""
        return None if self.layers.space is None else self.shelf.stacks.get(self.layers.space, (None, None))[1]

    @property
    def results(self) -> ResultStore:
        """Results on the stack on show."""
        space = self.layers.space
        return ResultStore((1, 1, 1)) if space is None else self.shelf.results(space)

    @property
    def undo_stack(self) -> UndoStack:
        """The user's steps on the stack on show."""
        space = self.layers.space
        return UndoStack() if space is None else self.shelf.steps(space)

    @property
    def is_busy(self) -> bool:
        """Whether tracking or teaching is under way."""
        return self.worker.is_running

    @property
    def is_running(self) -> bool:
        """Whether tracking is under way."""
        return self.is_busy and self.worker.run_kind == TRACKING

    @property
    def can_resume(self) -> bool:
        """Whether tracking was stopped before its end, now or before the session was opened."""
        if self.worker.run_kind:
            return self.worker.can_resume and self.worker.run_kind == TRACKING
        return self.session is not None and self.session.unfinished > 0

    @property
    def has_work(self) -> bool:
        """Whether there is any prompt or result."""
        return bool(self.results.object_ids)

    # Model and stack

    def load_model(self, choice: ModelChoice | None) -> None:
        """Load another model; its session gets the prompts there are."""
        self._start_over()
        self._slot.load(choice)

    def use_model(self, model: Any, what: str = "") -> None:
        """Go on with a model that is there; ``what`` says where it comes from."""
        self._start_over()
        self._slot.put(model, what)

    def open_image(self) -> None:
        """Show another image's session; the one left stays as it is."""
        if not self.worker.is_idle:
            self.shelf.unshown |= set(self.shelf.engines)
        self._turn()
        self.open_space()

    def open_space(self) -> None:
        """Show the session of the stack on show, a new one where there is none."""
        self._content, self.wishes, self.untold = self.layers.content(), self._all_wishes(), None
        self.results_changed.emit()
        image, space = self.layers.image, self.layers.space
        if self.model is None or image is None or space is None or self.is_held:
            return
        if space in self.shelf.engines:
            self.sync()
            if space in self.shelf.unshown:
                self.shelf.unshown.discard(space)
                self.draw_again()
            return
        model, zoom, window = self.model, self.zoom, model_window(image)
        axis = self.axis

        def work() -> tuple[Engine, Stack]:
            stack = make_stack(image, space, axis=axis)
            engine = open_engine(model, stack, window, zoom=zoom)
            engine.threshold = self.threshold
            return engine, stack

        def done(opened: tuple[Engine, Stack]) -> None:
            self.shelf.engines[space], stack = opened
            self.shelf.stacks[space] = stack, window
            self.sync()
            self.prepare()

        self._submit(work, done, key="open")

    def reopen(self) -> None:
        """Start the sessions over, with the image's contrast limits and the zoom of now; prompts stay."""
        self._start_over()
        self.open_space()

    def _start_over(self) -> None:
        self._turn()
        self._let_go(self.shelf.start_over())

    def _turn(self) -> None:
        """Take no answers any more that are on their way."""
        self._generation += 1
        self._display.forget()
        self._forget_tracking()

    def _forget_tracking(self) -> None:
        if self.worker.run_kind == TRACKING:
            self.worker.stop()
            self.worker.forget_run()

    def close_space(self, space: LayerFrames) -> None:
        """Let go of the session of a stack; what it has saved stays."""
        if space in self.shelf.engines:
            self._turn()
            self._let_go([self.shelf.engines.pop(space)])

    def _let_go(self, engines: Iterable[Engine]) -> None:
        for engine in engines:
            self.worker.submit(job(engine.session.close, self.failed.emit))

    def adopt(self, opened: OpenedSession) -> None:
        """Go on with a session that was brought back; the layers hold what it has been told."""
        self._turn()
        self.shelf.put(opened)
        self.open_space()

    # Prompts

    def sync(self) -> None:
        """Make the session's prompts what the layers say."""
        engine, space, wishes = self.engine, self.layers.space, self.wishes
        if engine is None or space is None:
            return
        # A sync that waits gives way to this one, which then does that step's work too.
        number = self.untold

        def done(report: Report) -> None:
            if self.untold == number:
                self.untold = None
            self._display.show_preview(report, space)

        self._submit(lambda: engine.sync(wishes, number), done, key="sync")

    def prepare(self) -> None:
        """Encode the frame on show, so that a click on it is answered at once."""
        frame = self.layers.frame
        if (engine := self.engine) is not None and self.live and not self.is_busy:
            self._submit(lambda: engine.prepare(frame), lambda _none: None, key="prepare")

    def take_labels(self, frame: int, image: Any) -> None:
        """Take the labels of a frame, (Y, X), as mask prompts for all objects in it."""
        # Objects that another program knows nothing of are not said to be gone.
        self._find_masks(frame, image, lambda found: self._masks_found((found[0], set())))

    def remove_object(self, object_id: int) -> None:
        """Remove an object with its prompts and results."""
        if self.layers.space is not None:
            self.layers.forget(self.layers.space, object_id=object_id)
            self._prompts_changed(always=True)

    def _prompts_changed(self, *, always: bool = False) -> None:
        before, self._content = self._content, self.layers.content()
        said, self.wishes = self.wishes, self._all_wishes()
        if self.wishes == said:
            return
        self.untold = self.undo_stack.record(before, self._content)
        if (self.live or always) and self.engine is not None:
            # What the session makes of them is shown all at once.
            self.sync()
            if self.engine.answers_at_once:
                self.preview_near.emit()
        else:
            self.results_changed.emit()

    def _all_wishes(self) -> dict[PromptKey, PromptSpec]:
        return {} if self.layers.space is None else self.layers.wishes(self.layers.space)

    def _find_masks(self, frame: int, image: Any, found: Callable[[Any], None]) -> None:
        if (engine := self.engine) is not None:
            self._submit(lambda: engine.painted_masks(frame, image), found)

    def _masks_found(self, found: tuple[Any, Any]) -> None:
        masks, gone = found
        space = self.layers.space
        if space is None or not (masks or gone):
            return
        for place in gone:
            self.layers.forget(space, place=place)
        self.layers.keep(masks, space)
        # What is painted is on the screen already: live or not, the session is told.
        self._prompts_changed(always=True)

    # Undo

    def undo(self) -> None:
        """Take the last step back."""
        if self.undo_stack.can_undo and not self.is_busy:
            step = self.undo_stack.undo()
            self._forget_tracking()
            self._go(step.before, lambda engine: engine.undo(step.number))

    def redo(self) -> None:
        """Do the last step that was taken back again."""
        if self.undo_stack.can_redo and not self.is_busy:
            step = self.undo_stack.redo()
            self._go(step.after, lambda engine: engine.redo(step.number))

    def _go(self, content: Any, work: Callable[[Engine], Report]) -> None:
        self.layers.put_back(content)
        self._content, self.wishes, self.untold = content, self._all_wishes(), None
        engine, space = self.engine, self.layers.space
        self.results_changed.emit()
        if engine is None or space is None:
            return
        self._submit(lambda: work(engine), partial(self._display.show_preview, space=space))
        if self.live:
            self.sync()

    # Tracking

    def track(self, plan: TrackingRequest) -> None:
        """Start a tracking run, unless something is under way."""
        if self.is_busy:
            return
        engine, space = self.engine, self.layers.space
        if engine is None or space is None:
            self.failed.emit(ValueError("There is no model yet: choose one under Model, and an image under Data."))
            return
        if plan.kind == "update" and self.results.is_outdated:
            # The session that made them is gone: this one has nothing to go by but the prompts.
            plan = replace(plan, kind="both")
        self.sync()
        step = self.undo_stack.record(self._content, self._content)
        generation = self._generation

        def stepped(tracked: Tracked) -> None:
            if generation == self._generation:
                self._display.show_step(tracked, space)

        def failed(error: Exception) -> None:
            self.failed.emit(error)
            self._ended(False)

        self.worker.start(WorkerRun(lambda: engine.track(plan, step), stepped, self._ended, failed, TRACKING))

    def stop(self) -> None:
        """Let tracking rest."""
        if self.is_running:
            self.worker.stop()

    def resume(self) -> None:
        """Go on with tracking."""
        if self.worker.can_resume:
            self.worker.resume()
        elif self.can_resume:
            self.track(TrackingRequest("resume"))

    def _ended(self, complete: bool) -> None:
        self.results_changed.emit()
        self.tracking_finished.emit(complete)

    # What is shown

    def set_threshold(self, threshold: float) -> None:
        """Draw objects only where their score reaches this."""
        self.threshold = threshold
        for engine in self.shelf.engines.values():
            engine.threshold = threshold
        self.draw_again()

    def draw_again(self) -> None:
        """Write all results into the Labels layer again."""
        engine, space = self.engine, self.layers.space
        if engine is not None and space is not None:
            threshold = self.threshold
            self._submit(
                lambda: engine.show_again(threshold), partial(self._display.show_report, space=space), key="again"
            )

    def close(self) -> None:
        """Stop everything."""
        self._generation += 1
        self._display.close()
        self.worker.close()

    def _submit(
        self,
        work: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Callable[[Exception], None] = lambda _error: None,
        *,
        key: str = "",
    ) -> None:
        generation = self._generation

        def if_current(value: Any) -> None:
            if generation == self._generation:
                done(value)

        def tell(error: Exception) -> None:
            failed(error)
            self.failed.emit(error)

        self.worker.submit(Job(work, if_current, tell, key))

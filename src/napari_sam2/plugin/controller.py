"""Between the layers and the engine: keeps a session in step with the prompts, and runs what is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from .engine import Engine, load, open_engine
from .exports import export
from .result_layers import refresh, write_frame
from .results import Results
from .space import Space, make_stack, model_window
from .undo import UndoStack
from .worker import Job, Run, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2.session.session import Session

    from .layers import SessionLayers
    from .messages import FrameUpdate, ModelChoice, Plan, Report, Tracked
    from .wishes import Place, Wish

# Qt draws the whole window anew, canvas and all, for every change of a bar or a plot: without a GPU that takes as long
# as a frame of a small model.
_REDRAW_MS = 1000


class Controller(QObject):
    """Owns the worker, the model, and a session for every stack of the image that was looked at.

    Parameters
    ----------
    layers : SessionLayers
        What the user says, and where results go.
    """

    preview_shown = Signal(int)
    tracking_finished = Signal(bool)
    tracking_stepped = Signal(object)
    results_changed = Signal()
    model_changed = Signal(str)
    failed = Signal(object)
    refused = Signal(str)
    exported = Signal(str)

    def __init__(self, layers: SessionLayers) -> None:
        super().__init__()
        self.layers = layers
        self.worker = Worker()
        self.undo_stack = UndoStack()
        self.live = True
        self.threshold = 0.5
        self.window: tuple[float, float] | None = None
        self.axis_name = "t"
        self._model: Any = None
        self._engines: dict[Space, Engine] = {}
        self._results: dict[Space, Results] = {}
        # Counts models and images; what an earlier one still answers is not shown.
        self._generation = 0
        self._content = layers.content()
        self.wishes: dict[Place, Wish] = {}
        self._unsynced: int | None = None
        self._redraw = QTimer(self)
        self._redraw.setSingleShot(True)
        self._redraw.setInterval(_REDRAW_MS)
        self._redraw.timeout.connect(self.results_changed)
        layers.prompts_changed.connect(self._prompts_changed)
        layers.painted.connect(self._painted)

    # What there is

    @property
    def engine(self) -> Engine | None:
        """The session on show, if there is one."""
        return None if self.layers.space is None else self._engines.get(self.layers.space)

    @property
    def session(self) -> Session | None:
        """The session on show, if there is one."""
        return None if self.engine is None else self.engine.session

    @property
    def results(self) -> Results:
        """Results on the stack on show."""
        space = self.layers.space
        return Results(1) if space is None else self._results.setdefault(space, Results(space.n_frames))

    @property
    def is_running(self) -> bool:
        """Whether tracking is under way."""
        return self.worker.is_running

    @property
    def has_work(self) -> bool:
        """Whether the user has given any prompt, or there is any result."""
        results = self.results
        return bool(results.object_ids) or bool(len(results.table))

    # Model and stack

    def load_model(self, choice: ModelChoice | None) -> None:
        """Load another model; its session gets the prompts there are."""
        self._start_over()
        self._model = None
        if choice is None:
            self.model_changed.emit("")
            return
        self.model_changed.emit("Loading…")
        self._submit(lambda: load(choice), self._model_loaded, key="load", failed=self._load_failed)

    def open_image(self) -> None:
        """Start on another image."""
        self.layers.forget_all()
        self._start_over()
        self.open_space()

    def open_space(self) -> None:
        """Show the session of the stack on show, a new one where there is none."""
        self._content, self.wishes, self._unsynced = self.layers.content(), self._all_wishes(), None
        self.undo_stack.clear()
        self.results_changed.emit()
        image, space = self.layers.image, self.layers.space
        if self._model is None or image is None or space is None:
            return
        if space in self._engines:
            self.sync()
            return
        model, window = self._model, model_window(image)
        self.window = window
        axis = "z" if self.axis_name.lower().startswith("z") else "t"

        def work() -> Engine:
            engine = open_engine(model, make_stack(image, space, axis=axis), window)
            engine.threshold = self.threshold
            return engine

        def done(engine: Engine) -> None:
            self._engines[space] = engine
            self.sync()
            self.prepare()

        self._submit(work, done, key="open")

    def reopen(self) -> None:
        """Start the sessions over with the image's contrast limits of now; prompts stay."""
        self._start_over()
        self.open_space()

    def _start_over(self) -> None:
        self._generation += 1
        if self.worker.is_running:
            self.worker.stop()
        self.worker.forget_run()
        self._engines.clear()
        self._results.clear()
        self.undo_stack.clear()

    def _model_loaded(self, model: Any) -> None:
        self._model = model
        config = model.config
        self.model_changed.emit(f"Ready: {config.name}, {config.image_size} px, on {model.device}")
        self.open_space()

    def _load_failed(self, error: Exception) -> None:
        self.model_changed.emit("Not loaded.")
        self.failed.emit(error)

    # Prompts

    def sync(self) -> None:
        """Make the session's prompts what the layers say."""
        engine, space = self.engine, self.layers.space
        if engine is None or space is None:
            return
        wishes = self.layers.wishes(space)
        # A sync that waits gives way to this one, which then does that step's work too.
        number = self._unsynced
        show = self._show_preview(space)

        def done(report: Report) -> None:
            if self._unsynced == number:
                self._unsynced = None
            show(report)

        self._submit(lambda: engine.sync(wishes, number), done, key="sync")

    def prepare(self) -> None:
        """Encode the frame on show, so that a click on it is answered at once."""
        engine, frame = self.engine, self.layers.frame
        if engine is not None and self.live and not self.is_running:
            self._submit(lambda: engine.prepare(frame), lambda _none: None, key="prepare")

    def take_labels(self, frame: int, image: Any) -> None:
        """Take the labels of a frame, (Y, X), as mask prompts for all objects in it."""
        engine = self.engine
        if engine is not None:
            self._submit(lambda: engine.painted_masks(frame, image), self._masks_found)

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
        self._unsynced = self.undo_stack.record(before, self._content)
        self.results_changed.emit()
        if self.live or always:
            self.sync()

    def _all_wishes(self) -> dict[Place, Wish]:
        return {} if self.layers.space is None else self.layers.wishes(self.layers.space)

    def _painted(self, frame: int, image: Any) -> None:
        self.take_labels(frame, image)

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
        if self.undo_stack.can_undo and not self.is_running:
            step = self.undo_stack.undo()
            self.worker.forget_run()
            self._go(step.before, lambda engine: engine.undo(step.number))

    def redo(self) -> None:
        """Do the last step that was taken back again."""
        if self.undo_stack.can_redo and not self.is_running:
            step = self.undo_stack.redo()
            self._go(step.after, lambda engine: engine.redo(step.number))

    def _go(self, content: Any, work: Callable[[Engine], Report]) -> None:
        self.layers.put_back(content)
        self._content, self.wishes, self._unsynced = content, self._all_wishes(), None
        engine, space = self.engine, self.layers.space
        self.results_changed.emit()
        if engine is None or space is None:
            return
        self._submit(lambda: work(engine), self._show_preview(space))
        if self.live:
            self.sync()

    # Tracking

    def track(self, plan: Plan) -> None:
        """Start a tracking run, unless there is one."""
        if self.is_running:
            return
        engine, space = self.engine, self.layers.space
        if engine is None or space is None:
            self.failed.emit(ValueError("There is no model yet: choose one under Model, and an image under Data."))
            return
        self.sync()
        step = self.undo_stack.record(self._content, self._content)
        generation = self._generation

        def stepped(tracked: Tracked) -> None:
            if generation == self._generation:
                self._show_step(tracked, space)

        def failed(error: Exception) -> None:
            self.failed.emit(error)
            self._ended(False)

        self.worker.start(Run(lambda: engine.track(plan, step), stepped, self._ended, failed))

    def stop(self) -> None:
        """Let tracking rest."""
        self.worker.stop()

    def resume(self) -> None:
        """Go on with tracking."""
        self.worker.resume()

    def _ended(self, complete: bool) -> None:
        self.results_changed.emit()
        self.tracking_finished.emit(complete)

    def _show_step(self, tracked: Tracked, space: Space) -> None:
        results = self._results.setdefault(space, Results(space.n_frames))
        results.state = tracked.state
        self._show(tracked.update, space)
        self.tracking_stepped.emit(tracked)
        if not self._redraw.isActive():
            self._redraw.start()

    # What is shown

    def set_threshold(self, threshold: float) -> None:
        """Draw objects only where their score reaches this."""
        self.threshold = threshold
        for engine in self._engines.values():
            engine.threshold = threshold
        self.draw_again()

    def draw_again(self) -> None:
        """Write all results into the Labels layer again."""
        engine, space = self.engine, self.layers.space
        if engine is not None and space is not None:
            threshold = self.threshold
            self._submit(lambda: engine.show_again(threshold), self._show_report(space), key="again")

    def export(self, folder: str) -> None:
        """Write labels, scores and prompts into a folder."""
        engine = self.engine
        if engine is None:
            self.failed.emit(ValueError("There is nothing to export yet."))
            return
        self._submit(lambda: export(engine, folder), lambda path: self.exported.emit(f"Written to {path}"))

    def close(self) -> None:
        """Stop everything."""
        self._generation += 1
        self._redraw.stop()
        self.worker.close()

    def _show_preview(self, space: Space) -> Callable[[Report], None]:
        show = self._show_report(space)

        def done(report: Report) -> None:
            show(report)
            for update in report.frames:
                self.preview_shown.emit(update.frame)

        return done

    def _show_report(self, space: Space) -> Callable[[Report], None]:
        def done(report: Report) -> None:
            results = self._results.setdefault(space, Results(space.n_frames))
            results.state = report.state
            for update in report.frames:
                self._show(update, space)
            for problem in report.problems:
                self.refused.emit(problem)
            self.results_changed.emit()

        return done

    def _show(self, update: FrameUpdate, space: Space) -> None:
        results = self._results.setdefault(space, Results(space.n_frames))
        results.take(update, set(results.object_ids))
        labels = self.layers.need_labels()
        write_frame(labels, space, frame=update.frame, image=update.image)
        # Other frames are read when the slider comes to them.
        if update.frame == self.layers.frame or len(self.layers.displayed) > 2:
            refresh(labels)

    def _submit(
        self,
        work: Callable[[], Any],
        done: Callable[[Any], None],
        *,
        key: str = "",
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        generation = self._generation

        def if_current(value: Any) -> None:
            if generation == self._generation:
                done(value)

        self.worker.submit(Job(work, if_current, failed or self.failed.emit, key))

"""The controller: takes prompts from the layers to the engine on the worker's thread, and results back to the layers.

Everything here runs on the GUI thread. Work goes to the worker as closures, which must capture what they use, because
the image, the model and the prompts may be others by the time they are called. Answers come back through the event
loop, and are dropped where the model or the image has changed in between.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam2.plugin.layers.layer_frames import make_stack, model_window
from napari_sam2.plugin.layers.prompt_spec import first_masks
from napari_sam2.plugin.state.result_store import ResultStore
from napari_sam2.plugin.state.undo_stack import UndoStack
from napari_sam2.plugin.state.workspace import Workspace
from napari_sam2.plugin.worker.engine import Engine, open_engine
from napari_sam2.plugin.worker.messages import TrackingRequest
from napari_sam2.plugin.worker.model_loader import ModelLoader
from napari_sam2.plugin.worker.worker import Job, Worker, WorkerRun, job

from .result_display import ResultDisplay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from napari_sam2.data.images.stack import Stack
    from napari_sam2.plugin.layers.layer_frames import LayerFrames
    from napari_sam2.plugin.layers.prompt_spec import PromptKey, PromptSpec
    from napari_sam2.plugin.layers.session_layers import SessionLayers
    from napari_sam2.plugin.state.opened_session import OpenedSession
    from napari_sam2.plugin.worker.messages import ModelChoice, Report, Tracked
    from napari_sam2.session.session import Session

TRACKING = "tracking"


def _joined(found: Iterable[tuple[dict[PromptKey, PromptSpec], set[PromptKey]]]) -> tuple[Any, Any]:
    """Join the masks that were painted on several frames, and the places that were rubbed out."""
    masks: dict[PromptKey, PromptSpec] = {}
    gone: set[PromptKey] = set()
    for drawn, without in found:
        masks |= drawn
        gone |= without
    return masks, gone


class Controller(QObject):
    """Owns the worker, the model, and a session for every stack of every image that was looked at."""

    # A prompt was sent that will be answered so soon that the window should wait to be painted.
    preview_near = Signal()
    # The answer to a prompt is in the Labels layer; with the frame's index.
    preview_shown = Signal(int)
    # With True at the end of a run, False where it was stopped or failed.
    tracking_finished = Signal(bool)
    # A frame of a run is in the Labels layer; with a `Tracked`.
    tracking_stepped = Signal(object)
    # Anything that the panel shows may be different now: results, prompts, undo steps.
    results_changed = Signal()
    # With a line about the model, for the user.
    model_changed = Signal(str)
    # Another model is in use; with the `ModelChoice` it was loaded by, None where it came from elsewhere.
    model_loaded = Signal(object)
    # With the exception of any job or run.
    failed = Signal(object)
    # With a line for the user about a prompt that the session would not take.
    refused = Signal(str)

    def __init__(self, layers: SessionLayers) -> None:
        super().__init__()
        self.layers = layers
        self.worker = Worker()
        # Settings, which the widget writes: whether every prompt is answered at once, from which score on objects are
        # drawn, and how small objects are enlarged.
        self.live = True
        self.threshold = 0.5
        self.zoom: str | float = "auto"
        # What the frames on show are: "t" or "z".
        self.axis = "t"
        # Goes on with a session that was left on some frames, if there is one; whoever saves sessions knows.
        self.pick_up: Callable[[LayerFrames], bool] = lambda _space: False
        # Whether that is known, or only what most are.
        self.is_axis_known = True
        # While a session is being put into the layers no other is opened for them.
        self.is_held = False
        # The model, which loads on the worker's thread and opens a session when it has come.
        self._slot = ModelLoader(self.worker)
        self._slot.said.connect(self.model_changed)
        self._slot.failed.connect(self.failed)
        self._slot.ready.connect(self._use_model)
        # What is known of every stack, so that the user can leave one and come back.
        self.shelf = Workspace()
        self._generation = 0  # Of models and images; what an earlier one still answers is not shown.
        # What the prompt layers held when they were last read: the state before the next undo step.
        self._content = layers.content()
        # What they asked for then. Replaced and never changed, so that the worker can go on reading an earlier one.
        self.wishes: dict[PromptKey, PromptSpec] = {}
        # Number of the last undo step whose prompts are pending: not sent yet, or sent and not answered.
        self.untold: int | None = None
        # Everything that comes back goes through one object, which passes its news on here.
        self._display = ResultDisplay(layers, self.shelf, self._submit)
        for signal in ("preview_shown", "tracking_stepped", "results_changed", "refused"):
            getattr(self._display, signal).connect(getattr(self, signal))
        # What the user does in the layers: prompts are compared with the last ones here, painted pixels on the worker.
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
        # A run that this window knows of counts; else what the session itself remembers from before it was saved.
        if self.worker.run_kind:
            return self.worker.can_resume and self.worker.run_kind == TRACKING
        return self.session is not None and self.session.unfinished > 0

    @property
    def has_work(self) -> bool:
        """Whether there is any prompt or result."""
        return bool(self.results.object_ids)

    # Model and stack

    def load_model(self, choice: ModelChoice) -> None:
        """Load another model; the one in use stays until it is there, then its session gets the prompts there are."""
        self._slot.load(choice)

    def use_model(self, model: Any, what: str = "") -> None:
        """Go on with a model that is there; ``what`` says where it comes from."""
        self._slot.put(model, what)

    def _use_model(self, choice: ModelChoice | None) -> None:
        self._start_over()
        self.open_space()
        self.model_loaded.emit(choice)

    def open_image(self) -> None:
        """Show another image's session; the one left stays as it is."""
        # Answers that are on their way will be dropped below, so their frames are drawn when their stack is shown
        # again.
        if not self.worker.is_idle:
            self.shelf.unshown |= set(self.shelf.engines)
        self._turn()
        self.open_space()

    def open_space(self) -> None:
        """Show the session of the stack on show, a new one where there is none."""
        # Reached when a model is ready, when the image or the axis or the place on the other sliders changes, after a
        # session was brought back, and when all start over. Prompts are read anew: they are the user's, whoever opens.
        self._content, self.wishes, self.untold = self.layers.content(), self._all_wishes(), None
        self.results_changed.emit()
        image, space = self.layers.image, self.layers.space
        if self.model is None or image is None or space is None or self.is_held:
            return
        # One that was open before: prompts may have changed since, and results may have come unseen.
        if space in self.shelf.engines:
            self.sync()
            if space in self.shelf.unshown:
                self.shelf.unshown.discard(space)
                self.draw_again()
            return
        if self.pick_up(space):
            return
        # A new one is opened on the worker, as images may be slow to reach. All that it depends on is read now.
        model, zoom, window = self.model, self.zoom, model_window(image)
        axis = self.axis

        def work() -> tuple[Engine, Stack]:
            stack = make_stack(image, space, axis=axis)
            engine = open_engine(model, stack, window, zoom=zoom)
            engine.threshold = self.threshold
            return engine, stack

        def done(opened: tuple[Engine, Stack]) -> None:
            # The user may have moved to another stack meanwhile: the session is kept for when the user comes back, and
            # the calls below are about the stack on show.
            self.shelf.engines[space], stack = opened
            self.shelf.stacks[space] = stack, window
            self.sync()
            self.prepare()

        # With the key, a slider that runs through many stacks opens only the one where it comes to rest.
        self._submit(work, done, key="open")

    def reopen(self) -> None:
        """Start the sessions over, with the image's contrast limits and the zoom of now; prompts stay."""
        self._start_over()
        self.open_space()

    def replace_image(self, image: str) -> None:
        """Give up the sessions of an image whose data were replaced; ``image`` is its unique id."""
        self._turn()
        self._let_go(self.shelf.start_over(image))

    def _start_over(self) -> None:
        # Reached by all that make the results so far those of another model: a model chosen, taught or brought along,
        # another zoom, other contrast limits. First no more answers, then no more sessions: an answer that came between
        # would be shown as a result of now.
        self._turn()
        self._let_go(self.shelf.start_over())

    def _turn(self) -> None:
        """Take no answers any more that are on their way."""
        # Jobs under way go on, as nothing can interrupt them; what they return is passed over.
        self._generation += 1
        self._display.forget()
        # A stopped run holds on to the session as it was; it could not go on from another state.
        self._forget_tracking()

    def _forget_tracking(self) -> None:
        # Teaching is left alone: it works on a copy of the model, and goes on while images change.
        if self.worker.run_kind == TRACKING:
            # Stopping announces the end of the run, so that the panel goes back to rest; forgetting alone would not.
            self.worker.stop()
            self.worker.forget_run()

    def close_space(self, space: LayerFrames) -> None:
        """Let go of the session of a stack; what it has saved stays."""
        # Called before a folder's session takes the place of the one on the same stack.
        if space in self.shelf.engines:
            self._turn()
            self._let_go([self.shelf.engines.pop(space)])

    def _let_go(self, engines: Iterable[Engine]) -> None:
        # Closed on the worker, behind the jobs that still use them.
        for engine in engines:
            self.worker.submit(job(engine.session.close, self.failed.emit))

    def adopt(self, opened: OpenedSession) -> None:
        """Go on with a session that was brought back; its prompts are in the layers already."""
        # The layers were filled before; the session is put in before it is shown, so that `open_space` finds it and
        # makes no new one.
        self._turn()
        self.shelf.put(opened)
        self.open_space()

    # Prompts

    def sync(self) -> None:
        """Make the session's prompts equal to those in the layers."""
        # Called after every change while prompts are answered at once, else before tracking and when a stack is shown.
        engine, space, wishes = self.engine, self.layers.space, self.wishes
        if engine is None or space is None:
            return
        # A sync that waits gives way to this one, which then does that step's work too.
        number = self.untold

        def done(report: Report) -> None:
            # Another step may have been recorded since: that one is still pending.
            if self.untold == number:
                self.untold = None
            self._display.show_preview(report, space)

        self._submit(lambda: engine.sync(wishes, number), done, key="sync")

    def prepare(self) -> None:
        """Encode the frame on show, so that a click on it is answered at once."""
        # Called when the slider comes to rest. During a run the GPU has better to do, and the run encodes frames
        # itself.
        frame = self.layers.frame
        if (engine := self.engine) is not None and self.live and not self.is_busy:
            self._submit(lambda: engine.prepare(frame), lambda _none: None, key="prepare")

    def take_labels(self, frame: int, image: Any) -> None:
        """Take the labels of a frame, (Y, X), as mask prompts for all objects in it."""
        # Objects that another program's labels do not have are kept: it may never have looked for them.
        self._find_masks({frame: image}, lambda found: self._masks_found((found[0], set())))

    def take_objects(self, data: Any) -> None:
        """Take the objects of another program's labels as mask prompts, each on the first frame that it is on."""
        space = self.layers.space
        if space is not None:
            planes = [space.index(frame) for frame in range(space.n_frames)]
            self._submit(lambda: first_masks(data, planes), lambda masks: self._masks_found((masks, set())))

    def remove_object(self, object_id: int) -> None:
        """Remove an object with its prompts and results."""
        if self.layers.space is not None:
            self.layers.forget(self.layers.space, object_id=object_id)
            self._prompts_changed(always=True)

    def _prompts_changed(self, *, always: bool = False) -> None:
        # Called by the layers, once for all that happened in them at a time, by `remove_object` and by `_masks_found`.
        # A change that asks for nothing else, such as of a colour, ends here and makes no undo step.
        before, self._content = self._content, self.layers.content()
        said, self.wishes = self.wishes, self._all_wishes()
        if self.wishes == said:
            return
        # The step is recorded before the session hears of it: its number goes along, so that the engine files its edits
        # under it.
        self.untold = self.undo_stack.record(before, self._content)
        if (self.live or always) and self.engine is not None:
            # What the session makes of them is shown all at once.
            self.sync()
            # Painting holds Python's lock and would delay the worker's start on this job, so the window waits for the
            # answer.
            if self.engine.answers_at_once:
                self.preview_near.emit()
        else:
            self.results_changed.emit()

    def _all_wishes(self) -> dict[PromptKey, PromptSpec]:
        return {} if self.layers.space is None else self.layers.wishes(self.layers.space)

    def _find_masks(self, images: Mapping[int, Any], found: Callable[[Any], None]) -> None:
        # No key: every stroke counts, and is compared on the worker, which has what was drawn before it. Called when
        # the user has painted, and by `take_labels`.
        if (engine := self.engine) is not None:
            frames = images.items()
            self._submit(lambda: _joined(engine.painted_masks(frame, image) for frame, image in frames), found)

    def _masks_found(self, found: tuple[Any, Any]) -> None:
        # Back on the GUI thread. Clicks may have come meanwhile on the same object: what was painted takes their place.
        masks, gone = found
        space = self.layers.space
        if space is None or not (masks or gone):
            return
        for place in gone:
            self.layers.forget(space, place=place)
        self.layers.keep(masks, space)
        # What is painted is on the screen already: it is sent whether prompts are answered at once or not.
        self._prompts_changed(always=True)

    # Undo

    def undo(self) -> None:
        """Take the last step back."""
        # During a run there is no undo, as the run still adds to its own step.
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
        # The layers do not report what is put back, so it is read here, and makes no step of its own. The session goes
        # the same step on its own record; where that is lost, the sync behind it makes the prompts agree.
        self.layers.put_back(content)
        self._content, self.wishes, self.untold = content, self._all_wishes(), None
        engine, space = self.engine, self.layers.space
        self.results_changed.emit()
        if engine is None or space is None:
            return
        # No key: two steps back are two jobs, and neither may be left out.
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
        # Jobs go before steps of a run: the session has all prompts before the first frame is tracked. They are sent
        # under their own steps, and then the run gets a step, in which the layers stay as they are.
        self.sync()
        step = self.undo_stack.record(self._content, self._content)
        # As `_submit` does it: steps that were on their way when the user turned to another image are dropped.
        generation = self._generation

        def stepped(tracked: Tracked) -> None:
            if generation == self._generation:
                self._display.show_step(tracked, space)

        def failed(error: Exception) -> None:
            # The error is shown first, then the panel goes back to rest.
            self.failed.emit(error)
            self._ended(False)

        self.worker.start(WorkerRun(lambda: engine.track(plan, step), stepped, self._ended, failed, TRACKING))

    def stop(self) -> None:
        """Let tracking rest."""
        # `_ended` is called soon, without waiting for the frame under way, which may still come after it.
        if self.is_running:
            self.worker.stop()

    def resume(self) -> None:
        """Go on with tracking."""
        # A run of this window goes on with its own generator, one from before the folder was opened with what the
        # session kept.
        if self.worker.can_resume:
            self.worker.resume()
        elif self.can_resume:
            self.track(TrackingRequest("resume"))

    def _ended(self, complete: bool) -> None:
        # Called by the worker at the end and after `stop`, and by the run's `failed`. Results are shown before the end
        # is announced, so that whoever waits for the end finds all of them.
        self.results_changed.emit()
        self.tracking_finished.emit(complete)

    # What is shown

    def set_threshold(self, threshold: float) -> None:
        """Draw objects only where their score reaches this."""
        self.threshold = threshold
        # All engines, so that a stack that is shown later is drawn as this one. A number that the worker reads once per
        # frame needs no lock.
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
        # Called when the dock is closed and when the widget is destroyed, possibly both. First nothing is shown any
        # more, and then the worker gets two seconds to come to an end.
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
        # All of the controller's jobs but closing go through here. A result is shown only if model and image are still
        # those of now; an error is always reported, because it may be the reason why nothing comes.
        generation = self._generation

        def if_current(value: Any) -> None:
            if generation == self._generation:
                done(value)

        def tell(error: Exception) -> None:
            failed(error)
            self.failed.emit(error)

        self.worker.submit(Job(work, if_current, tell, key))

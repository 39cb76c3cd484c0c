"""The controller: takes edits from the layers to the session on the worker's thread, and prompts and results back.

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
from napari_sam2.plugin.state.result_store import ResultStore
from napari_sam2.plugin.state.workspace import Workspace
from napari_sam2.plugin.worker.engine import Engine, open_engine
from napari_sam2.plugin.worker.messages import TrackingRequest
from napari_sam2.plugin.worker.model_loader import ModelLoader
from napari_sam2.plugin.worker.worker import Job, Worker, WorkerRun, job

from .edit_sender import EditSender
from .result_display import ResultDisplay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_sam2.data.images.stack import Stack
    from napari_sam2.data.prompts.drawing import PromptKey
    from napari_sam2.plugin.layers.layer_frames import LayerFrames
    from napari_sam2.plugin.layers.session_layers import SessionLayers
    from napari_sam2.plugin.layers.shown_colours import Looks
    from napari_sam2.plugin.state.opened_session import OpenedSession
    from napari_sam2.plugin.worker.messages import ModelChoice, Report, Tracked
    from napari_sam2.session.session import Session

TRACKING = "tracking"


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
        # Settings, which the widget writes: from which score on objects are drawn, and how small objects are enlarged.
        self.threshold = 0.5
        self.zoom: str | float = "auto"
        # Which earlier frames a frame attends to, as `Session` takes it.
        self.memory = "auto"
        # What the frames on show are, "t" or "z", and whether that is known, or only what most are.
        self.axis, self.is_axis_known = "t", True
        # Goes on with a session that was left on some frames, if there is one; whoever saves sessions knows.
        self.pick_up: Callable[[LayerFrames], bool] = lambda _space: False
        # The model, which loads on the worker's thread and opens a session when it has come.
        self._slot = ModelLoader(self.worker)
        self._slot.said.connect(self.model_changed)
        self._slot.failed.connect(self.failed)
        self._slot.ready.connect(self._use_model)
        # How layers are shown that the model is to see as colours; whoever lets the user choose knows.
        self.looks_of: Callable[[Any], Looks] = lambda _image: ()
        # What is known of every stack, so that the user can leave one and come back.
        self.workspace = Workspace()
        self._generation = 0  # Of models and images; what an earlier one still answers is not shown.
        # Everything that comes back goes through one object, which passes its news on here.
        self._display = ResultDisplay(layers, self.workspace, self._submit)
        for signal in ("preview_shown", "tracking_stepped", "results_changed", "refused"):
            getattr(self._display, signal).connect(getattr(self, signal))
        # What the user does in the layers becomes edits of the session.
        self.edits = EditSender(layers, self.workspace, self._submit, self._display.show_preview)
        self.edits.preview_near.connect(self.preview_near)
        self.edits.changed.connect(self.results_changed)

    # What there is

    @property
    def model(self) -> Any:
        """The model in use, or None."""
        return self._slot.model

    @property
    def model_name(self) -> str:
        """The model in use and what it runs on; empty where there is none."""
        return self._slot.model_name

    @property
    def is_loading(self) -> bool:
        """Whether a model is on its way."""
        return self._slot.is_loading

    @property
    def engine(self) -> Engine | None:
        """The session on show, if there is one."""
        return None if self.layers.space is None else self.workspace.engines.get(self.layers.space)

    @property
    def session(self) -> Session | None:
        """The session on show, if there is one."""
        return None if self.engine is None else self.engine.session

    @property
    def window(self) -> tuple[float, float] | None:
        """Pixel values that the session on show sees as black and white."""
        return None if self.layers.space is None else self.workspace.stacks.get(self.layers.space, (None, None))[1]

    @property
    def results(self) -> ResultStore:
        """Results on the stack on show."""
        space = self.layers.space
        return ResultStore((1, 1, 1)) if space is None else self.workspace.results(space)

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
        """Whether there is any prompt or result, be it of a session just opened, whose results are still to come."""
        return bool(self.results.object_ids) or (self.engine is not None and bool(self.engine.session.object_ids))

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
            self.workspace.unshown |= set(self.workspace.engines)
        self.drop_answers()
        self.open_space()

    def open_space(self) -> None:
        """Show the session of the stack on show, a new one where there is none."""
        # Reached when model, image, axis, colours or sliders change, a session was brought back, or all start over.
        # What the layers hold and the stack has not yet is new.
        self.layers.come_back()
        self.edits.note_changes()
        self.results_changed.emit()
        image, space = self.layers.image, self.layers.space
        if self.model is None or image is None or space is None or self.edits.is_held:
            return
        # One that was open before: results may have come unseen.
        if space in self.workspace.engines:
            self.edits.send_if_live()
            # Answers may have been dropped when the user turned away.
            self.edits.change(lambda engine: engine.show(()))
            if space in self.workspace.unshown:
                self.workspace.unshown.discard(space)
                self.draw_again()
            return
        if self.pick_up(space):
            return
        # A new one is opened on the worker, as images may be slow to reach. All that it depends on is read now.
        model, zoom, memory, looks = self.model, self.zoom, self.memory, self.looks_of(image)
        axis, drawings, accepted = self.axis, dict(self.workspace.prompts(space).sent), self.results.locked()
        # Colours have their limits in them.
        window = None if looks else model_window(image)

        def work() -> tuple[Engine, Stack, Report]:
            stack = make_stack(image, space, axis=axis, looks=looks)
            engine = open_engine(model, stack, window, zoom=zoom, memory=memory)
            engine.threshold = self.threshold
            # Those of a session that is gone.
            return engine, stack, engine.take_over(drawings, accepted)

        def done(opened: tuple[Engine, Stack, Report]) -> None:
            # The user may have moved to another stack meanwhile; the calls below are about the one on show.
            self.workspace.engines[space], stack, report = opened
            self.workspace.stacks[space], self.workspace.looks[space] = (stack, window), looks
            self.workspace.results(space).review.in_slices = stack.is_slices
            if drawings:
                self._display.show_preview(report, space)
            self.results_changed.emit()  # The model may see something else now.
            self.edits.send_if_live()
            self.prepare()

        # With the key, a slider that runs through many stacks opens only the one where it comes to rest.
        self._submit(work, done, key="open")

    def reopen(self) -> None:
        """Start the sessions over, with the image's contrast limits and the zoom of now; prompts stay."""
        self._start_over()
        self.open_space()

    def replace_image(self, image: str) -> None:
        """Give up the sessions of an image whose data were replaced; ``image`` is its unique id."""
        self.drop_answers()
        self._let_go(self.workspace.start_over(image))

    def _start_over(self) -> None:
        # Reached by all that make the results so far those of another model: a model chosen, taught or brought along,
        # another zoom, other contrast limits. First no more answers, then no more sessions: an answer that came between
        # would be shown as a result of now.
        self.drop_answers()
        self._let_go(self.workspace.start_over())

    def drop_answers(self) -> None:
        """Take no answers any more that are on their way."""
        # Jobs under way go on, as nothing can interrupt them; what they return is passed over.
        self._generation += 1
        self.workspace.expect_no_answers()
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
        if space in self.workspace.engines:
            self.drop_answers()
            self._let_go([self.workspace.engines.pop(space)])

    def _let_go(self, engines: Iterable[Engine]) -> None:
        # Closed on the worker, behind the jobs that still use them.
        for engine in engines:
            self.worker.submit(job(engine.session.close, self.failed.emit))

    def adopt(self, opened: OpenedSession) -> None:
        """Go on with a session that was brought back; its prompts are in the layers already."""
        # The layers were filled before, and are compared with it; `open_space` finds it and makes no new one.
        self.drop_answers()
        self.workspace.put(opened)
        self.layers.come_back(anew=True)
        self.open_space()

    def prepare(self) -> None:
        """Encode the frame on show, so that a click on it is answered at once."""
        # Called when the slider comes to rest. During a run the GPU has better to do, and the run encodes frames
        # itself.
        frame = self.layers.frame
        if (engine := self.engine) is not None and self.edits.live and not self.is_busy:
            self._submit(lambda: engine.prepare(frame), lambda _none: None, key="prepare")

    def propose(self, place: PromptKey, found: Callable[[list[Any]], None]) -> None:
        """Ask the model for all masks that a prompt may mean; ``found`` gets them, (Y, X) bool each."""
        if (engine := self.engine) is not None:
            self._submit(lambda: engine.candidates(place), found, key="propose")

    def undo(self) -> None:
        """Undo the last step."""
        self._go(lambda engine: engine.undo())

    def redo(self) -> None:
        """Do the last undone step again."""
        self._go(lambda engine: engine.redo())

    def _go(self, move: Callable[[Engine], Report]) -> None:
        # Not during a run, which still adds to its own step.
        if not self.is_busy:
            self._forget_tracking()
            self.edits.change(move)

    # Tracking

    def track(self, plan: TrackingRequest) -> None:
        """Start a tracking run, unless something is under way or nothing is there to be tracked."""
        engine, space = self.engine, self.layers.space
        if self.is_busy or engine is None or space is None:
            return
        if plan.kind.startswith("update") and self.results.is_outdated:
            # The session that made them is gone: this one has nothing to go by but the prompts.
            plan = replace(plan, kind="both")
        # Jobs go before steps of a run: the session has all prompts before the first frame is tracked.
        self.edits.send()
        # As `_submit` does it: steps that were on their way when the user turned to another image are dropped.
        generation = self._generation

        def stepped(tracked: Tracked) -> None:
            if generation == self._generation:
                self._display.show_step(tracked, space)

        def failed(error: Exception) -> None:
            # The error is shown first, then the panel goes back to rest.
            self.failed.emit(error)
            self._ended(False)

        self.worker.start(WorkerRun(lambda: engine.track(plan), stepped, self._ended, failed, TRACKING))

    def stop(self) -> None:
        """Let tracking rest."""
        # `_ended` is called soon, without waiting for the frame under way, which may still come after it.
        if self.is_running:
            self.worker.stop()

    def resume(self) -> None:
        """Go on with tracking."""
        # With what the session kept of it, whether it was stopped in this window or before the folder was opened.
        if self.can_resume:
            self._forget_tracking()
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
        # All, so that a stack that is shown later is drawn as this one. A number that is read needs no lock.
        for engine in self.workspace.engines.values():
            engine.threshold = threshold
        self.draw_again()

    def draw_again(self) -> None:
        """Write all results into the Labels layer again."""
        engine, space = self.engine, self.layers.space
        if engine is not None and space is not None:
            work = partial(engine.show_again, self.threshold)
            self._submit(work, partial(self._display.show_report, space=space), key="again")

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

"""Find objects: looks for all objects of the frame on show, shows proposals, and takes those that are left in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam2.plugin.layers.population.proposals_layer import new_proposals_layer, proposal_at, show_proposals
from napari_sam2.plugin.state.panel_state import FINDING
from napari_sam2.plugin.state.proposals import Proposals
from napari_sam2.plugin.worker.worker import WorkerRun

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari.components import ViewerModel
    from napari.layers import Labels

    from napari_sam2.plugin.actions.images.image_follower import ImageFollower
    from napari_sam2.plugin.controller import Controller
    from napari_sam2.plugin.layers.layer_frames import LayerFrames
    from napari_sam2.plugin.panel.population.find_box import FindBox
    from napari_sam2.plugin.worker.engine import Engine
    from napari_sam2.session.population.found_objects import FoundObjects

_LEFT = 1
_NOTHING = (
    "No {more}objects found on frame {frame}: try another frame or other contrast limits, or press N and click on one."
)
_NOTHING_NAMED = "Nothing {more}on frame {frame} is taken for {text}: try other words or another frame."


@dataclass(frozen=True)
class _Where:
    """What was looked at; found objects are of no use elsewhere."""

    engine: Engine
    space: LayerFrames
    frame: int


class FindActions(QObject):
    """Proposals live here and in a layer of their own; the session has them when they are taken, and not before."""

    # With the number of proposals and of those that are going to be taken; zeros where there are none.
    changed = Signal(int, int)

    def __init__(
        self,
        viewer: ViewerModel,
        controller: Controller,
        *,
        box: FindBox,
        images: ImageFollower,
        say: Callable[[str], object],
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._controller = controller
        self._layers = controller.layers
        self._box = box
        self._say = say
        # The run under way; None as soon as it has ended or was given up, whatever still comes of it.
        self._run: WorkerRun | None = None
        self._where: _Where | None = None
        # The words that are looked for; empty where all objects are.
        self._text = ""
        self._proposals: Proposals | None = None
        self._layer: Labels | None = None
        # The layer that was active before.
        self._before: Any = None
        box.narrowed.connect(self._narrowed)
        box.words.asked.connect(self.find_by_text)
        for name, button in box.buttons.items():
            button.clicked.connect(lambda _=False, name=name: self.actions[name]())
        # Whatever may lead elsewhere: another frame, image, region or model.
        images.frame_changed.connect(self._end_if_elsewhere)
        images.image_changed.connect(self._end_if_elsewhere)
        controller.results_changed.connect(self._end_if_elsewhere)
        viewer.layers.events.removed.connect(self._removed)

    @property
    def actions(self) -> dict[str, Callable[[], None]]:
        """What buttons and keys do, by name."""
        return {"find_objects": self.find, "find_take": self.take, "find_cancel": self.cancel}

    def find(self) -> None:
        """Look for objects on the frame on show; unless something is under way."""
        self._look(lambda where: where.engine.find_runs.find(where.frame))

    def find_by_text(self, text: str, source: str) -> None:
        """Look for what a text names, with the detector in a folder or of a name."""
        self._look(lambda where: where.engine.find_runs.find_text(where.frame, text, source), text)

    def _look(self, steps: Callable[[_Where], Generator[float | FoundObjects, None, None]], text: str = "") -> None:
        controller, where = self._controller, self._here
        # The line at the top says what is missing, or what goes on.
        if controller.is_busy or where is None:
            return
        self.cancel()
        self._say("")
        # Prompts that wait become objects first: what they cover is not found again.
        controller.edits.send()
        self._where, self._text = where, text
        self._box.show_progress(0.0)
        run = WorkerRun(
            partial(steps, where),
            lambda step: self._stepped(run, step),
            lambda _: self._over(run),
            self._failed,
            FINDING,
        )
        self._run = run
        controller.worker.start(run)
        self._tell()

    def take(self) -> None:
        """Make objects of the proposals that are taken, in one step."""
        proposals, where = self._proposals, self._where
        if proposals is None or where is None or not proposals.taken:
            return
        found = proposals.found.take(proposals.taken)
        self._end()
        self._controller.edits.change(lambda engine: engine.add_found(found))

    def cancel(self) -> None:
        """Give up looking, or what was found; nothing else changes."""
        self._end()

    def close(self) -> None:
        """Stop following the viewer."""
        if self._where is not None:
            self._end()
        self._viewer.layers.events.removed.disconnect(self._removed)

    @property
    def _here(self) -> _Where | None:
        engine, space = self._controller.engine, self._layers.space
        return None if engine is None or space is None else _Where(engine, space, self._layers.frame)

    # From the worker

    def _stepped(self, run: WorkerRun, step: float | FoundObjects) -> None:
        # A step may have been on its way when the user gave up.
        if run is not self._run or self._where is None:
            return
        if isinstance(step, float):
            self._box.show_progress(step)
        elif len(step):
            self._show(step, self._where)
        else:
            more = "other " if self._controller.results.object_ids else ""
            nothing = _NOTHING_NAMED if self._text else _NOTHING
            self._say(nothing.format(more=more, frame=self._where.frame, text=self._text))

    def _over(self, run: WorkerRun) -> None:
        if run is self._run:
            self._run = None
            if self._proposals is None:
                self._where = None
            self._tell()

    def _failed(self, error: Exception) -> None:
        self._end()
        self._controller.failed.emit(error)

    # Proposals

    def _show(self, found: FoundObjects, where: _Where) -> None:
        image = self._layers.image
        assert image is not None
        self._proposals = Proposals(found, self._box.least_score, self._box.areas)
        self._before = self._viewer.layers.selection.active
        self._layer = new_proposals_layer(image, where.space)
        self._draw()
        self._viewer.add_layer(self._layer)
        self._viewer.layers.selection.active = self._layer
        self._layer.mouse_drag_callbacks.append(self._pressed)

    def _draw(self) -> None:
        if self._layer is not None and self._proposals is not None and self._where is not None:
            labels, taken = self._proposals.found.labels, self._proposals.taken
            show_proposals(self._layer, self._where.space, labels, frame=self._where.frame, taken=taken)

    def _narrowed(self) -> None:
        if self._proposals is not None:
            self._change(replace(self._proposals, bar=self._box.least_score, areas=self._box.areas))

    def _pressed(self, layer: Labels, event: Any) -> Generator[None, None, None]:
        """Take or leave the proposal that is clicked on; a drag moves the view, as always."""
        yield
        if event.type == "mouse_move":
            return
        if event.button != _LEFT or self._proposals is None or self._where is None or len(self._layers.displayed) > 2:
            return
        label = proposal_at(layer, self._where.space, self._proposals.found.labels, event.position)
        if label:
            self.toggle(label)

    def toggle(self, label: int) -> None:
        """Leave out a proposal that is taken, or take one that is left out; as a click on it does."""
        if self._proposals is not None:
            self._change(self._proposals.clicked(label))

    def _change(self, proposals: Proposals) -> None:
        self._proposals = proposals
        self._draw()
        self._tell()

    # The end

    def _end_if_elsewhere(self) -> None:
        if self._where is not None and self._where != self._here:
            self._end()

    def _removed(self, event: Any) -> None:
        if event.value is self._layer:
            self._layer = None
            self._end()

    def _end(self) -> None:
        # Forgotten, not stopped: it cannot be gone on with.
        if self._run is not None and self._controller.worker.run_kind == FINDING:
            self._controller.worker.forget_run()
        layer, self._layer = self._layer, None
        self._run = self._where = self._proposals = None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
            if self._before is not None and self._before in self._viewer.layers:
                self._viewer.layers.selection.active = self._before
        self._before = None
        self._tell()

    def _tell(self) -> None:
        proposals = self._proposals
        counts = (0, 0) if proposals is None else (len(proposals.found), len(proposals.taken))
        self.changed.emit(*counts)

"""Takes what the user does in the prompt layers to the session as edits, and shows the session's prompts in them.

Everything here runs on the GUI thread. The session is the truth: layers are read when something has happened in them,
and made to show what the session has when it has answered all edits.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_sam2.data.prompts.drawing import Drawing
from napari_sam2.data.prompts.drawn_prompts import drawn_prompt
from napari_sam2.data.prompts.placed_prompts import prompt_outside
from napari_sam2.plugin.state.shown_prompts import Edit, ShownPrompts, edit_name
from napari_sam2.plugin.worker.messages import State

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any

    from napari_sam2.data.prompts.drawing import PromptKey
    from napari_sam2.data.prompts.prompt import Prompt
    from napari_sam2.plugin.layers.layer_frames import LayerFrames
    from napari_sam2.plugin.layers.session_layers import SessionLayers
    from napari_sam2.plugin.state.workspace import Workspace
    from napari_sam2.plugin.worker.engine import Engine
    from napari_sam2.plugin.worker.messages import Report

    from .redraw import Submit


class EditSender(QObject):
    """Makes edits of changes in the layers, and sends them to the session on the worker's thread."""

    # A prompt was sent that will be answered so soon that the window should wait to be painted.
    preview_near = Signal()
    # There are other prompts, which the session was not sent.
    changed = Signal()

    def __init__(
        self,
        layers: SessionLayers,
        workspace: Workspace,
        submit: Submit,
        show_preview: Callable[[Report, LayerFrames], None],
    ) -> None:
        super().__init__()
        # Whether every prompt is answered at once.
        self.live = True
        # While a session is being put into the layers nothing is shown in them.
        self.is_held = False
        self._layers = layers
        self._workspace = workspace
        self._submit = submit
        self._show_preview = show_preview
        layers.prompts_changed.connect(self._prompts_changed)
        layers.painted.connect(self._painted)

    @property
    def prompts(self) -> ShownPrompts:
        """Prompts on the stack on show."""
        space = self._layers.space
        return ShownPrompts() if space is None else self._workspace.prompts(space)

    def as_prompts(self) -> list[Prompt]:
        """Give what was said about the stack on show as prompts for its whole frames; also after the window is closed.

        What says nothing, such as a box outside the image, is left out.
        """
        space, prompts = self._layers.space, []
        if space is None:
            return []
        for key, drawing in self.prompts.drawings.items():
            with suppress(ValueError):
                prompts.append(prompt_outside(drawn_prompt(key, drawing, space.stack_shape[1:]), space))
        return prompts

    @property
    def outside(self) -> list[PromptKey]:
        """Whose the prompts are that lie outside the region and wait for whole frames, one for each."""
        space = self._layers.space
        return [] if space is None else [*self._layers.outside(self._workspace.prompts(space.whole).drawings)]

    @property
    def undo_name(self) -> str | None:
        """What the next undo would undo; None if there is nothing."""
        pending = self.prompts.pending
        return pending[-1].name if pending else self._state.undo

    @property
    def redo_name(self) -> str | None:
        """What the next redo would do again; None if there is nothing."""
        return None if self.prompts.pending else self._state.redo

    @property
    def has_news(self) -> bool:
        """Whether there are prompts that the session was not sent, or has not answered."""
        return bool(self.prompts.pending or self.prompts.unanswered)

    @property
    def _state(self) -> State:
        return State() if self._layers.space is None else self._workspace.results(self._layers.space).state

    @property
    def _engine(self) -> Engine | None:
        return None if self._layers.space is None else self._workspace.engines.get(self._layers.space)

    def _prompts_changed(self) -> None:
        # Called by the layers, once for all that happened in them at a time. A change that asks for nothing else, such
        # as of a colour, ends here and makes no step.
        if not self.note_changes():
            self._show_prompts()
        elif not self.send_if_live():
            self.changed.emit()
        elif self._engine is not None and self._engine.answers_at_once:
            # Painting holds Python's lock and would delay the worker's start on this job, so the window waits for the
            # answer.
            self.preview_near.emit()

    def note_changes(self) -> bool:
        """Make an edit of what has changed in the layers, if anything has."""
        prompts = self.prompts
        known = prompts.drawings
        if changes := self._layers.changes(known):
            prompts.pending.append(Edit(edit_name(changes, known), changes))
        return bool(changes)

    def send_if_live(self) -> bool:
        """Send the session its edits, if prompts are answered at once; return whether they were sent."""
        if self.live:
            self.send()
        return self.live and self._engine is not None

    def send(self) -> None:
        """Send the session all edits that it has not had."""
        # Called after every change while prompts are answered at once; else before tracking, undo and painting.
        if self._engine is not None:
            for edit in self.prompts.take_pending():
                self._send(partial(_edit, edit))

    def change(self, work: Callable[[Engine], Report]) -> None:
        """Have the session changed, after all edits before this."""
        if self._engine is not None:
            self.send()
            self._send(work)

    def give(self, masks: Mapping[PromptKey, Any], name: str, *, without: Collection[int] = ()) -> None:
        """Take (Y, X) masks as prompts in place of what was said there, and remove objects; one step of that name."""
        changes = {key: Drawing() for key in self.prompts.drawings if key.object_id in without}
        changes |= {key: Drawing.of_mask(mask) for key, mask in masks.items()}
        self.change(lambda engine: engine.edit(changes, name))

    def remove_objects(self, object_ids: Collection[int]) -> None:
        """Remove objects with their prompts and results, in one step."""
        if len(object_ids) == 1:
            self.remove_object(*object_ids)
        else:
            self.give({}, f"Remove {len(object_ids)} objects", without=object_ids)

    def remove_object(self, object_id: int) -> None:
        """Remove an object with its prompts and results."""
        prompts = self.prompts
        gone = {key: Drawing() for key in prompts.drawings if key.object_id == object_id}
        if self._engine is None:
            prompts.pending.append(Edit(f"Remove object {object_id}", gone))
            self._show_prompts()
        else:
            self.change(lambda engine: engine.remove_object(object_id))
            prompts.sent = {key: drawing for key, drawing in prompts.sent.items() if key not in gone}
        self.changed.emit()

    def take_labels(self, frame: int, image: Any) -> None:
        """Take the labels of a frame, (Y, X), as mask prompts for all objects in it."""
        self.change(lambda engine: engine.take_labels(frame, image))

    def take_objects(self, data: Any) -> None:
        """Take the objects of another program's labels as mask prompts, each on the first frame that it is on."""
        if (space := self._layers.space) is not None:
            planes = [space.index(frame) for frame in range(space.n_frames)]
            self.change(lambda engine: engine.take_objects(data, planes))

    def _send(self, work: Callable[[Engine], Report]) -> None:
        # Each is a job of its own, as it is a step of its own. When all are answered, the session's prompts are shown:
        # before that, the layers may hold what is still on its way.
        engine, space = self._engine, self._layers.space
        assert engine is not None
        assert space is not None
        prompts = self._workspace.prompts(space)
        prompts.unanswered += 1

        def done(report: Report) -> None:
            answered()
            if not prompts.unanswered:
                prompts.sent = report.drawings
            self._show_prompts()
            self._show_preview(report, space)

        def answered(_error: Exception | None = None) -> None:
            # Nothing is expected any more where image or model have changed meanwhile.
            prompts.unanswered = max(prompts.unanswered - 1, 0)

        self._submit(lambda: work(engine), done, answered)

    def _show_prompts(self) -> None:
        """Make the layers show the prompts that there are."""
        if not self.prompts.unanswered and not self.is_held:
            self._layers.show(self.prompts.drawings)

    def _painted(self, images: Mapping[int, Any]) -> None:
        # What is painted is on the screen already: it is sent whether prompts are answered at once or not. Every stroke
        # counts, and is compared on the worker, which has what was drawn before it.
        self.change(lambda engine: engine.paint(images))


def _edit(edit: Edit, engine: Engine) -> Report:
    return engine.edit(edit.changes, edit.name)

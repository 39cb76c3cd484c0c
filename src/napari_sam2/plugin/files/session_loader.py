"""Reads a session folder into an engine, the prompts its layers are to hold, and the undo steps.

Everything here runs on the worker's thread, so layers are read and none is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.plugin.layers.layer_frames import LayerFrames, make_stack
from napari_sam2.plugin.layers.prompt_rows import PromptRows
from napari_sam2.plugin.layers.prompt_spec import PromptKey
from napari_sam2.plugin.state.opened_session import OpenedSession
from napari_sam2.plugin.worker.engine import Engine
from napari_sam2.plugin.worker.undo_steps import UNDO_STEPS

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam2.data.images.stack import Stack
    from napari_sam2.session.history import Edit
    from napari_sam2.session.session import Session
    from napari_sam2.storage.folder.schema import Header

    from .widget_state import WidgetState


def reopen(
    folder: Path, header: Header, notes: WidgetState, *, candidates: list[tuple[Image, LayerFrames]], model: Any
) -> OpenedSession | None:
    """Open a session folder on the first layer that shows its image; None if no layer does."""
    from napari_sam2.storage.fingerprint import sample_hash

    data = header.data
    for image, space in candidates:
        # Shapes agree already; whether it is the image is told by a sample of its pixels, as file names change.
        stack = make_stack(image, space, axis=data.axis)
        if sample_hash(stack) == data.sample:
            session, problems = _open_session(folder, header, stack, model)
            return _opened(session, notes, image, space, problems=problems)
    return None


def _open_session(folder: Path, header: Header, stack: Stack, model: Any) -> tuple[Session, tuple[str, ...]]:
    from napari_sam2.session.session import Session
    from napari_sam2.storage.fingerprint import same_model

    # The model in use saves loading one; otherwise the folder names its own.
    if model is not None and same_model(header.model, model):
        session = Session.open(folder, frames=stack, model=model)
        return session, session.problems
    try:
        session = Session.open(folder, frames=stack)
        return session, session.problems
    except (ValueError, FileNotFoundError) as error:
        if model is None:
            raise
        # Whatever is wrong with the session and not with its model is wrong with another model, too.
        session = Session.open(folder, frames=stack, model=model)
        return session, (str(error), *session.problems)


def _opened(
    session: Session, notes: WidgetState, image: Image, space: LayerFrames, *, problems: tuple[str, ...]
) -> OpenedSession:
    # What the session knows counts. The notes are only taken where they agree, for what the session does not keep:
    # which kind of shape a box or a mask was drawn as.
    told = notes.said.agreeing(session.prompts, space)
    undos, redos = session.history
    # The session has edits, and the user knows steps: those are rebuilt backwards from the prompts of now, the done
    # ones to the past, and the undone ones into the future.
    done = _steps(undos[::-1], told, space)[:UNDO_STEPS][::-1]
    steps = done + [step.turned for step in _steps(redos[::-1], told, space)]
    # The engine must know which prompts it has applied, or the first sync would give all of them again.
    engine = Engine(session)
    engine.threshold = notes.threshold
    prompted = {PromptKey(prompt.frame, prompt.object_id) for prompt in session.prompts}
    applied = {place: wish for place, wish in told.wishes(space).items() if place in prompted}
    engine.bring_back(applied, [(step.edits, step.before.wishes(space), step.after.wishes(space)) for step in steps])
    window = session.encoder.window
    # Prompts that were pending when the folder was written are newer than those of the session.
    shown = told if notes.is_told else notes.said.completed(session.prompts, space)
    return OpenedSession(
        image=image,
        space=space,
        engine=engine,
        stack=session.stack,
        window=None if window is None else (window.low, window.high),
        content=shown.content(space),
        steps=[(step.before.content(space), step.after.content(space)) for step in steps],
        n_done=len(done),
        problems=problems,
    )


@dataclass(frozen=True)
class _Step:
    """Edits that the user knows as one step."""

    # How many edits of the session it takes.
    edits: int
    # All prompts before and after it.
    before: PromptRows
    after: PromptRows
    # The object and frame it is about; None where there is more than one.
    place: PromptKey | None

    @property
    def turned(self) -> _Step:
        """The same step with before and after exchanged."""
        return replace(self, before=self.after, after=self.before)


def _steps(edits: Sequence[Edit], said: PromptRows, space: LayerFrames) -> list[_Step]:
    """Turn edits into steps, from the present prompts backwards; ``edits`` has the latest one first."""
    steps: list[_Step] = []
    for edit in edits:
        earlier, place = _applied(edit, said, space)
        last = steps[-1] if steps else None
        if last is not None and place is not None and last.place == place and place not in said.wishes(space):
            # Said anew in one step, which took two edits: the first took back what there was.
            steps[-1] = replace(last, edits=last.edits + 1, before=earlier)
        else:
            steps.append(_Step(1, earlier, said, place))
        said = earlier
    return steps


def _applied(edit: Edit, said: PromptRows, space: LayerFrames) -> tuple[PromptRows, PromptKey | None]:
    # An edit in the history says how to take it back; done to the rows, that gives those before it.
    from napari_sam2.session.history import AttachObject, DetachObject, RestoreFrame

    if isinstance(edit, RestoreFrame):
        place = PromptKey(edit.frame, edit.state.object_id)
        prompt = edit.state.prompts.get(edit.frame)
        return (said.without(place=place) if prompt is None else said.replaced(prompt, space)), place
    if isinstance(edit, DetachObject):
        return said.without(object_id=edit.object_id), None
    assert isinstance(edit, AttachObject)
    # Taking back the removal of an object brings its prompts with it.
    for prompt in edit.state.prompts.values():
        said = said.replaced(prompt, space)
    return said, None

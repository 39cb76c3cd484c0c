"""Reads a session folder into an engine, on the first layer that shows its image.

Everything here runs on the worker's thread, so layers are read and none is changed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.plugin.layers.layer_frames import LayerFrames, make_stack
from napari_sam2.plugin.state.opened_session import OpenedSession
from napari_sam2.plugin.worker.engine import Engine

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam2.data.images.stack import Stack
    from napari_sam2.plugin.layers.shown_colours import Looks
    from napari_sam2.session.session import Session
    from napari_sam2.storage.folder.schema import Header

    from .widget_state import WidgetState

    # A layer, its frames, and how layers are shown that make their colours.
    Candidate = tuple[Image, LayerFrames, Looks]


def reopen(
    folder: Path, header: Header, notes: WidgetState, *, candidates: list[Candidate], model: Any
) -> OpenedSession | None:
    """Open a session folder on the first layer that shows its image; None if no layer does."""
    from napari_sam2.storage.fingerprint import sample_hash

    data = header.data
    for image, space, looks in candidates:
        # Shapes agree already; whether it is the image is told by a sample of its pixels, as file names change.
        stack = make_stack(image, space, axis=data.axis, looks=looks)
        if sample_hash(stack) == data.sample:
            session, problems = _open_session(folder, header, stack, model)
            return replace(_opened(session, notes, image, space, problems=problems), looks=looks)
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
    except (ValueError, FileNotFoundError, RuntimeError) as error:
        if model is None:
            raise
        # Whatever is wrong with the session and not with its model is wrong with another model, too.
        session = Session.open(folder, frames=stack, model=model)
        return session, (str(error), *session.problems)


def _opened(
    session: Session, notes: WidgetState, image: Image, space: LayerFrames, *, problems: tuple[str, ...]
) -> OpenedSession:
    engine = Engine(session)
    engine.threshold = notes.threshold
    window = session.encoder.window
    return OpenedSession(
        image=image,
        space=space,
        engine=engine,
        stack=session.stack,
        window=None if window is None else (window.low, window.high),
        drawings=engine.drawings(),
        pending=notes.pending,
        problems=problems,
    )

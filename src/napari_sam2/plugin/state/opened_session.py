"""A session read from its folder, as the worker hands it to the GUI thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam2.data.images.stack import Stack
    from napari_sam2.data.prompts.drawing import Drawing, PromptKey
    from napari_sam2.plugin.layers.layer_frames import LayerFrames
    from napari_sam2.plugin.layers.shown_colours import Looks
    from napari_sam2.plugin.worker.engine import Engine

    from .shown_prompts import Edit


@dataclass(frozen=True, eq=False)
class OpenedSession:
    """A session that was brought back."""

    # The layer it is about.
    image: Image
    # Its frames there.
    space: LayerFrames
    # With the session.
    engine: Engine
    # The frames.
    stack: Stack
    # Pixel values that the model sees as black and white.
    window: tuple[float, float] | None
    # How its prompts were drawn, and edits that it was never sent.
    drawings: dict[PromptKey, Drawing]
    pending: tuple[Edit, ...]
    # What could not be brought back.
    problems: tuple[str, ...]
    # How layers were shown, where the frames are their colours.
    looks: Looks = ()

"""A session read from its folder, as the worker hands it to the GUI thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam2.data.images.stack import Stack
    from napari_sam2.plugin.layers.layer_frames import LayerFrames
    from napari_sam2.plugin.layers.session_layers import LayersContent
    from napari_sam2.plugin.worker.engine import Engine


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
    # What the prompt layers are to hold.
    content: LayersContent
    # What the layers held before and after each of the user's steps, in their order.
    steps: list[tuple[LayersContent, LayersContent]]
    # How many of those are done; the rest were undone.
    n_done: int
    # What could not be brought back.
    problems: tuple[str, ...]

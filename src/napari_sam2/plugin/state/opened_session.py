"""A session that was brought back from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam2.data.images.stack import Stack
    from napari_sam2.plugin.layers.layer_frames import Space
    from napari_sam2.plugin.layers.session_layers import Content
    from napari_sam2.plugin.worker.engine import Engine


@dataclass(frozen=True, eq=False)
class OpenedSession:
    """A session that was brought back.

    Attributes
    ----------
    image : Image
        The layer it is about.
    space : Space
        Its frames there.
    engine : Engine
        With the session.
    stack : Stack
        The frames.
    window : tuple of float or None
        Pixel values that the model sees as black and white.
    content : Content
        What the prompt layers are to hold.
    steps : list of (Content, Content)
        What the layers held before and after each of the user's steps, in their order.
    n_done : int
        How many of those are not taken back.
    problems : tuple of str
        What could not be brought back.
    """

    image: Image
    space: Space
    engine: Engine
    stack: Stack
    window: tuple[float, float] | None
    content: Content
    steps: list[tuple[Content, Content]]
    n_done: int
    problems: tuple[str, ...]

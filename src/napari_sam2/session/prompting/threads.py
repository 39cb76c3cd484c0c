"""The number of CPU threads for answering a click: one for small models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from napari_sam2.model.timing.thread_plan import on_threads

if TYPE_CHECKING:
    from napari_sam2.model.sam2 import Sam2

# Up to this input size, in pixels, a click is a matter of milliseconds.
SMALL_INPUT = 512


def answers_at_once(model: Sam2) -> bool:
    """Whether the model's input is so small that a click on an encoded frame is answered before anybody notices."""
    return model.config.image_size <= SMALL_INPUT


@contextmanager
def threads_for_a_click(model: Sam2) -> Iterator[None]:
    """Answer clicks with a small model on one thread, while a window is being drawn.

    Threads that wait for each other at every product lose more than they win when another process or thread needs
    the cores at the same time.
    """
    with on_threads(1 if answers_at_once(model) else torch.get_num_threads()):
        yield

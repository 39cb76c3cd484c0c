"""Sessions with a full memory, where tracking is slowest, and the model's calls for one frame of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from napari_sam2.data.images.stack import Stack
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.results.frame_result import FrameResult
from napari_sam2.session.session import Session

from .scene import MovingDiscs

# What the model does for a frame, in this order.
METHODS = ("encode_image", "condition", "run_decoder", "remember")


@dataclass(frozen=True)
class Workload:
    """Objects to track through a stack that is made as it is read."""

    # How many, each prompted with a mask on the first frame.
    objects: int = 1
    # Frames to come to after those that fill the memory.
    frames: int = 1
    # Height and width of a frame in pixels.
    side: int = 512
    # As for `Session`; ``"off"`` encodes each frame once, whatever the objects.
    zoom: str = "off"

    def begin(self, model: Sam2, *, history: int | None = None) -> tuple[Session, Iterator[FrameResult]]:
        """Prompt the objects and fill the memory as if ``history`` frames were tracked.

        By default there are as many as object pointers, which leaves no slot of the memory empty.
        """
        start = model.config.max_object_pointers if history is None else history
        discs = MovingDiscs(start + self.frames, self.side, self.objects)
        session = Session(model, Stack.from_array(discs, "t"), zoom=self.zoom)
        for object_id, mask in enumerate(discs.masks(0), start=1):
            session.add_mask(0, object_id, mask)
        # One frame is really tracked; the others would take minutes, and their memories are no other size. Windows,
        # though, would lose objects that jump.
        tracked = min(start, 2) if self.zoom == "off" else start
        for _ in session.propagate(max_frames=tracked):
            pass
        for track in session._objects.tracks.values():
            for frame in range(tracked, start):
                track.bank.put_recent(frame, replace(track.bank[1]), step=1)
        return session, session.propagate(start)


def calls_of_a_frame(model: Sam2, run: Iterator[FrameResult]) -> dict[str, Callable[[], object]]:
    """Track one frame, and return the model's calls for it, each to be repeated on its own."""
    calls: dict[str, Callable[[], object]] = {}

    def record(name: str, method: Callable[..., object]) -> Callable[..., object]:
        def recorded(*args: Any, **options: Any) -> object:
            calls[name] = torch.inference_mode()(lambda: method(*args, **options))
            return method(*args, **options)

        return recorded

    for name in METHODS:
        # Over the method of the class, for this object only.
        object.__setattr__(model, name, record(name, getattr(model, name)))
    try:
        next(run)
    finally:
        for name in METHODS:
            object.__delattr__(model, name)
    return calls

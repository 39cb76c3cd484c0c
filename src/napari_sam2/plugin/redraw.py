"""Draws frames again in small batches, so that neither the window nor tracking waits for all of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari_sam2.plugin.worker.engine import FRAMES_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_sam2.plugin.layers.layer_frames import LayerFrames
    from napari_sam2.plugin.worker.engine import Engine
    from napari_sam2.plugin.worker.messages import Report

    # What to do on the worker's thread, and what afterwards on the GUI's: with its result, or with its error.
    Submit = Callable[[Callable[[], Any], Callable[[Any], None], Callable[[Exception], None]], None]


class Redraw:
    """The frames of each stack that wait to be drawn again; asked for twice while it waits, a frame is drawn once."""

    def __init__(self, submit: Submit, show: Callable[[Report, LayerFrames], None]) -> None:
        # The GUI thread owns all of this; only the work that is submitted runs on the worker.
        self._submit = submit
        self._show = show
        self._waiting: dict[LayerFrames, set[int]] = {}
        # The frame that the user looks at is drawn first, then its neighbours.
        self.frame = 0

    def add(self, space: LayerFrames, engine: Engine, frames: Iterable[int]) -> None:
        """Draw frames of a stack again."""
        # Frames join the set of a redraw that is under way: its next batch takes them from there.
        is_under_way = space in self._waiting
        self._waiting.setdefault(space, set()).update(frames)
        if not is_under_way:
            self._next(space, engine, self._waiting[space])

    def forget(self) -> None:
        """Draw nothing more of what waits."""
        self._waiting = {}

    def _next(self, space: LayerFrames, engine: Engine, waiting: set[int]) -> None:
        # Called by `add` for the first batch, and by each batch when it has been shown. In between, `forget` may have
        # thrown the set away, and another may have taken its place: then this redraw ends.
        if not waiting or self._waiting.get(space) is not waiting:
            self._give_up(space, waiting)
            return
        # Sorted anew each time, as the user moves the slider meanwhile.
        some = sorted(waiting, key=lambda frame: abs(frame - self.frame))[:FRAMES_AT_ONCE]
        waiting.difference_update(some)

        # One batch is under way at a time: the next is asked for when this one has been shown.
        def shown(report: Report) -> None:
            self._show(report, space)
            self._next(space, engine, waiting)

        # After an error the rest is not tried: it would most likely fail the same way, with a message for each batch.
        self._submit(partial(engine.show, some), shown, lambda _error: self._give_up(space, waiting))

    def _give_up(self, space: LayerFrames, waiting: set[int]) -> None:
        # By identity: a later redraw of the same stack must not lose its set to this one.
        if self._waiting.get(space) is waiting:
            del self._waiting[space]

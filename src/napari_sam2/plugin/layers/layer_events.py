"""Handlers of several events of one layer, put on and taken off together."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

Handlers = Mapping[str, Callable[..., None]]


def connect(layer: Any, handlers: Handlers) -> None:
    """Have a layer's events handled, each by the handler of its name."""
    for name, handler in handlers.items():
        getattr(layer.events, name).connect(handler)


def disconnect(layer: Any, handlers: Handlers) -> None:
    """Take the handlers off a layer again, if there is one."""
    for name, handler in handlers.items() if layer is not None else ():
        getattr(layer.events, name).disconnect(handler)


def until_released(event: Any, layer: Any) -> Generator[None, None, bool]:
    """Follow a pressed mouse button, and say whether it was a click, not a drag.

    ``layer``: one that must not take it for a prompt meanwhile, if there is one.
    """
    mode = None if layer is None else layer.mode
    if layer is not None:
        layer.mode = "pan_zoom"
    moved = False
    yield
    while event.type == "mouse_move":
        moved = True
        yield
    if layer is not None:
        layer.mode = mode
    return not moved


class LayerFollower:
    """Handles an event of one layer at a time."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._layer: Any = None

    def follow(self, layer: Any) -> None:
        """Listen to a layer, and to none that was listened to before; to none at all where it is None."""
        if layer is not self._layer:
            disconnect(self._layer, self._handlers)
            self._layer = layer
            if layer is not None:
                connect(layer, self._handlers)

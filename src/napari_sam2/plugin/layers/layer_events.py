"""Handlers of several events of one layer, put on and taken off together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

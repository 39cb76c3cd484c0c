"""The keys, in one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel


@dataclass(frozen=True)
class Key:
    """A key and what it does.

    Attributes
    ----------
    key : str
        As napari writes it.
    action : str
        Name of the action.
    text : str
        What it does, for the user.
    """

    key: str
    action: str
    text: str


# Letters that no layer kind of napari's uses.
KEYS = (
    Key("N", "new_object", "New object, and click on it"),
    Key("Q", "switch_sign", "Next click on the object or off it; turns selected points round"),
    Key("K", "track_both", "Track both ways"),
    Key("U", "update", "Track again what is out of date"),
    Key("J", "next_doubtful", "Go to the next doubtful frame"),
    Key("Y", "accept", "Accept the labels on this frame, or take that back"),
    Key("Control-Z", "undo", "Undo"),
    Key("Control-Shift-Z", "redo", "Redo"),
)


def bind(target: Any, actions: Mapping[str, Callable[[], None]], keys: tuple[Key, ...] = KEYS) -> None:
    """Bind the keys on a viewer or a layer."""
    for key in keys:
        target.bind_key(key.key, _handler(actions[key.action]), overwrite=True)


def unbind(target: ViewerModel, keys: tuple[Key, ...] = KEYS) -> None:
    """Take the keys off again."""
    for key in keys:
        target.bind_key(key.key, None)


def undo_keys() -> Iterator[Key]:
    """Keys that layers have a meaning of their own for, and that must be bound on them too."""
    return (key for key in KEYS if key.action in ("undo", "redo"))


def tip(action: str, text: str) -> str:
    """Tooltip of a control, with its key."""
    keys = [key.key for key in KEYS if key.action == action]
    return f"{text} ({keys[0].replace('Control', 'Ctrl').replace('-', '+')})" if keys else text


def _handler(action: Callable[[], None]) -> Callable[[Any], None]:
    def on_key(_target: Any) -> None:
        action()

    return on_key

"""The keyboard shortcuts in one table, and the class that binds them to the viewer and its layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Key:
    """A key and what it does."""

    # As napari writes it.
    key: str
    # Name of the action, and of its button where there is one.
    action: str
    # What it does, for the user.
    text: str


# What a layer of napari's has a use for itself is bound on the layer, too.
KEYS = (
    Key("N", "new_object", "New object, and click on it"),
    Key("G", "find_objects", "Find all objects on this frame"),
    Key("Q", "switch_sign", "Next click on the object or off it; turns selected points round"),
    Key("K", "track_both", "Track both ways"),
    Key("U", "update", "Track again what is out of date"),
    Key("J", "next_doubtful", "Go to the next frame that deserves a look"),
    Key("Y", "accept", "Accept a proposed division, or the labels on this frame, or take that back"),
    Key("W", "refuse_division", "Refuse the division that is proposed on this frame"),
    Key("Shift-D", "divides_here", "The object divides here: into the other selected ones, or click on two daughters"),
    Key("Shift-A", "not_here", "The object is absent: it is not on this frame"),
    Key("Shift-E", "ends_here", "The object ends here"),
    Key("Shift-M", "merge", "Make the selected objects one"),
    Key("Shift-S", "split", "Make the pieces of the object objects of their own"),
    Key("Shift-X", "swap", "Exchange two selected objects from here on"),
    Key("Control-Z", "undo", "Undo"),
    Key("Control-Shift-Z", "redo", "Redo"),
)


# Those that Qt has a use for, too, so that they cannot be bound.
_QT_KEYS = (
    ("Tab", "In the image, after a click: another mask that the model proposes"),
    ("Shift+Tab", "From the image to the controls; Tab goes on among them, the space bar presses them"),
)
_STEPS = (
    "Press New object and click on it in the image. Click off it, or draw, until the mask is right.",
    "Do the same with other objects; tick the switch, and each click is a new one.",
    "Track both ways. Look at the frames that are in doubt, correct them, and press Update.",
    "Save the session, or export the labels.",
)


def help_text() -> str:
    """How the work goes, and all keys."""
    steps = "".join(f"<li>{step}</li>" for step in _STEPS)
    known = [(_spelt(key.key), key.text) for key in KEYS]
    rows = [*known[:-2], *_QT_KEYS, *known[-2:]]
    keys = "".join(f"<tr><td><b>{key}</b>&nbsp;&nbsp;</td><td>{text}</td></tr>" for key, text in rows)
    return f"<ol>{steps}</ol><table>{keys}</table>"


class Keyboard:
    """Binds keys on the viewer and on layers, and gives them back as they were."""

    def __init__(self, actions: Mapping[str, Callable[[], None]]) -> None:
        self._actions = actions
        # A target, the handlers put on it, and all that it had before.
        self._bound: list[tuple[Any, dict[Any, Any], dict[Any, Any]]] = []
        self._viewer: Any = None
        # What was put on the chosen layer, which may have keys of its own besides.
        self._chosen: Any = None

    def follow(self, viewer: Any) -> None:
        """Bind keys on the viewer, and on the layer that is chosen those that it would take for its own."""
        self.bind(viewer)
        self._viewer = viewer
        viewer.layers.selection.events.active.connect(self._layer_chosen)
        self._layer_chosen()

    def bind(self, target: Any, keys: Iterable[Key] = KEYS) -> None:
        """Bind keys on a viewer or a layer."""
        before = dict(target.keymap)
        for key in keys:
            target.bind_key(key.key, _handler(self._actions[key.action]), overwrite=True)
        # Looked up afterwards, because napari spells keys in its own way.
        ours = {key: handler for key, handler in target.keymap.items() if before.get(key) is not handler}
        self._bound.append((target, ours, before))

    def release(self, target: Any) -> None:
        """Take the keys off a viewer or a layer again."""
        for entry in [entry for entry in self._bound if entry[0] is target]:
            self._release(entry)

    def _release(self, entry: Any) -> None:
        self._bound = [other for other in self._bound if other is not entry]
        _give_back(*entry)

    def release_all(self) -> None:
        """Take the keys off everything."""
        if self._viewer is not None:
            self._viewer.layers.selection.events.active.disconnect(self._layer_chosen)
            self._viewer = self._chosen = None
        while self._bound:
            _give_back(*self._bound.pop())

    def _layer_chosen(self, _event: Any = None) -> None:
        if self._chosen is not None:
            self._release(self._chosen)
        layer = self._viewer.layers.selection.active
        taken = [] if layer is None else _taken_by(layer)
        if taken:
            self.bind(layer, taken)
        self._chosen = self._bound[-1] if taken else None


def _give_back(target: Any, ours: Mapping[Any, Any], before: Mapping[Any, Any]) -> None:
    for key, handler in ours.items():
        # Whoever bound the key after us keeps it.
        if target.keymap.get(key) is handler:
            del target.keymap[key]
            if key in before:
                target.keymap[key] = before[key]


def _taken_by(layer: Any) -> list[Key]:
    """Keys that napari has another use for while such a layer is chosen; undoing strokes is left to it."""
    from napari.utils.key_bindings import coerce_keybinding

    theirs, undo = type(layer).class_keymap, [*undo_keys()]
    return [key for key in KEYS if key not in undo and coerce_keybinding(key.key) in theirs]


def undo_keys() -> Iterator[Key]:
    """Keys that layers have a meaning of their own for, and that must be bound on them too."""
    return (key for key in KEYS if key.action in ("undo", "redo"))


def tip(action: str, text: str) -> str:
    """Tooltip of a control, with its key."""
    keys = [key.key for key in KEYS if key.action == action]
    return f"{text} ({_spelt(keys[0])})" if keys else text


def _spelt(key: str) -> str:
    return key.replace("Control", "Ctrl").replace("-", "+")


def _handler(action: Callable[[], None]) -> Callable[[Any], None]:
    def on_key(_target: Any) -> None:
        action()

    return on_key

"""The keyboard shortcuts in one table, and the class that binds them to the viewer and its layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QKeyEvent, QKeySequence


@dataclass(frozen=True)
class Key:
    """A key and what it does."""

    # As napari writes it.
    key: str
    # Name of the action, and of its button where there is one.
    action: str
    # What it does, for the user.
    text: str


# Those that a kind of layer of napari's has a use for itself are heard on the canvas, before the layer.
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


class Keyboard(QObject):
    """Binds keys on the viewer and on layers, and gives them back as they were.

    Keys that napari would give to the chosen layer are heard before, where it watches the canvas: that layer may be
    one of the user's, on which nothing is bound.
    """

    def __init__(self, actions: Mapping[str, Callable[[], None]]) -> None:
        super().__init__()
        self._actions = actions
        # A target, the handlers put on it, and all that it had before.
        self._bound: list[tuple[Any, dict[Any, Any], dict[Any, Any]]] = []
        self._viewer: Any = None

    def follow(self, viewer: Any) -> None:
        """Bind keys on the viewer, and go by the layer that is chosen in it."""
        self._viewer = viewer
        self.bind(viewer)

    def eventFilter(self, part: QObject, event: QEvent) -> bool:
        """Act on a key that the chosen layer has another use for."""
        layer = None if self._viewer is None else self._viewer.layers.selection.active
        if layer is None or event.type() != QEvent.Type.KeyPress or not isinstance(event, QKeyEvent):
            return False
        pressed = QKeySequence(event.keyCombination()).toString()
        for key in _taken_by(layer):
            if _spelt(key.key) == pressed:
                # As with all other keys, one that is held down is one press.
                if not event.isAutoRepeat():
                    self._actions[key.action]()
                return True
        return False

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
            self._bound = [other for other in self._bound if other is not entry]
            _give_back(*entry)

    def release_all(self) -> None:
        """Take the keys off everything."""
        self._viewer = None
        while self._bound:
            _give_back(*self._bound.pop())


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

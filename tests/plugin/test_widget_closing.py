"""What is left in the viewer when the widget is gone: nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.plugin.commands import KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Desk


def keys_of(target: Any) -> dict[str, Any]:
    return {str(key): action for key, action in target.keymap.items()}


def callbacks(target: Any) -> Iterator[str]:
    """Names of what this package has put on a viewer, or on one of its parts or layers."""
    emitters = [target.events, *target.events.emitters.values()]
    for callback in (callback for emitter in emitters for callback in emitter.callbacks):
        # napari keeps a weak reference to the owner of a method, and the method's name.
        owner = callback[0]() if isinstance(callback, tuple) else callback
        module = type(owner).__module__ if isinstance(callback, tuple) else owner.__module__
        if module.startswith("napari_sam2"):
            yield f"{type(owner).__name__}: {callback}"
    for kind in (
        "mouse_drag_callbacks",
        "mouse_move_callbacks",
        "mouse_wheel_callbacks",
        "mouse_double_click_callbacks",
    ):
        for handler in getattr(target, kind, ()):
            if str(getattr(handler, "__module__", "")).startswith("napari_sam2"):
                yield f"{kind}: {handler}"


def test_undo_keys_are_bound_on_the_chosen_labels_alone(desk: Desk) -> None:
    mine, other = (desk.viewer.add_labels(np.zeros((12, 64, 64), np.uint16)) for _ in range(2))
    for layer in (mine, other):
        layer.data = np.zeros(desk.viewer.layers[0].data.shape, np.uint16)
    own = keys_of(mine)
    combo = desk.widget.panel.labels_layer
    combo.choose(mine)
    assert {"Ctrl+Z", "Ctrl+Shift+Z"} <= set(keys_of(mine))
    combo.choose(other)
    assert keys_of(mine) == own
    assert {"Ctrl+Z", "Ctrl+Shift+Z"} <= set(keys_of(other))
    combo.choose(None)
    assert keys_of(other) == own


def test_keys_of_the_user_are_given_back(open_desk: Callable[..., Desk], frames: np.ndarray) -> None:
    from napari_sam2.plugin.commands import Keyboard

    viewer = open_desk(frames).viewer
    labels = viewer.add_labels(np.zeros(frames.shape, np.uint16))
    pressed: list[str] = []
    labels.bind_key("Control-Z", lambda _layer: pressed.append("mine"), overwrite=True)
    before = keys_of(labels)
    keyboard = Keyboard({key.action: lambda: pressed.append("ours") for key in KEYS})
    keyboard.bind(labels)
    keys_of(labels)["Ctrl+Z"](labels)
    labels.bind_key("K", lambda _layer: pressed.append("later"), overwrite=True)
    keyboard.release_all()
    keys_of(labels)["Ctrl+Z"](labels)
    assert pressed == ["ours", "mine"]
    assert keys_of(labels).keys() == before.keys() | {"K"}


def test_nothing_stays_in_the_viewer(desk: Desk) -> None:
    viewer, widget = desk.viewer, desk.widget
    keys = keys_of(viewer)
    assert {key.action for key in KEYS} <= set(widget._actions())
    desk.press("new_object")
    desk.click_shown(20, 30)
    widget.layers.need_shapes()
    widget.images.set_region((0, 0, 32, 32))
    desk.settle()
    parts = [viewer, viewer.dims, viewer.layers, *viewer.layers]
    assert any(callbacks(part) for part in parts)
    viewer.window.remove_dock_widget(widget)
    assert {name for part in parts for name in callbacks(part)} == set()
    assert not {"Ctrl+Z", "Ctrl+Shift+Z"} & {key for layer in viewer.layers for key in keys_of(layer)}
    assert set(keys_of(viewer)) == set(keys) - {
        key.key.replace("Shift-", "Shift+").replace("Control-", "Ctrl+") for key in KEYS
    }


def test_a_region_is_followed_by_the_widget_that_is_open(desk: Desk) -> None:
    from napari_sam2.plugin.widget import Sam2Widget

    viewer = desk.viewer
    desk.widget.images.set_region((0, 0, 32, 32))
    desk.settle()
    first = desk.widget
    viewer.window.remove_dock_widget(first)
    second = Sam2Widget(viewer)
    viewer.window.add_dock_widget(second, name="SAM 2 again")
    layer = next(layer for layer in viewer.layers if layer.name.endswith(": region"))
    second.region.draw()
    layer.add_rectangles(np.array([(4, 4), (4, 40), (40, 40), (40, 4)], float))
    assert second.images.region == (4, 4, 41, 41)
    assert first.images.region == (0, 0, 32, 32)
    viewer.window.remove_dock_widget(second)

"""Commands of the widget in napari's command palette: each opens the widget if need be, and acts as its button."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import napari

    from .widget import Sam2Widget

# napari calls a command with the viewer, which it finds by the annotation.
Command: TypeAlias = "Callable[[napari.Viewer], None]"


def _command(action: str) -> Command:
    def run(viewer: napari.Viewer) -> None:
        _widget(viewer).act(action)

    run.__doc__ = f"Do as the widget's button {action} does."
    return run


# npe2 finds a command by the name of a function.
new_object = _command("new_object")
find_objects = _command("find_objects")
find_take = _command("find_take")
find_cancel = _command("find_cancel")
remove_object = _command("remove_object")
click = _command("tool_click")
box = _command("tool_box")
outline = _command("tool_outline")
line = _command("tool_scribble")
paint = _command("tool_paint")
take_labels = _command("take_labels")
track_both = _command("track_both")
track_forward = _command("track_forward")
track_backward = _command("track_backward")
update = _command("update")
update_both_ways = _command("update_both_ways")
cancel = _command("cancel")
resume = _command("resume")
undo = _command("undo")
redo = _command("redo")
next_doubtful = _command("next_doubtful")
accept = _command("accept")
save_session = _command("save_session")
open_session = _command("open_session")


def _widget(viewer: napari.Viewer) -> Sam2Widget:
    from .widget import Sam2Widget

    for docked in viewer.window.dock_widgets.values():
        if isinstance(docked, Sam2Widget):
            return docked
    _, widget = viewer.window.add_plugin_dock_widget("napari-sam2", "SAM 2")
    assert isinstance(widget, Sam2Widget)
    return widget

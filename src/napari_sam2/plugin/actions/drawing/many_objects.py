"""Many objects: the switch that makes each click or box a new one, and clicks on masks that select their objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_sam2.plugin.layers.layer_events import until_released
from napari_sam2.plugin.layers.points_and_shapes import POSITIVE

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari.components import ViewerModel

    from napari_sam2.plugin.controller import Controller
    from napari_sam2.plugin.panel.panel import Panel
    from napari_sam2.plugin.state.object_names import ObjectNames

    from .draw_tools import DrawTools
    from .tool_watcher import ToolWatcher

_LEFT = 1


class ManyObjects(QObject):
    """Goes to a new object after each prompt while the switch is on, and to the object that is clicked on."""

    def __init__(
        self, viewer: ViewerModel, controller: Controller, *, panel: Panel, objects: ObjectNames, watcher: ToolWatcher
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._controller = controller
        self._layers = controller.layers
        self._switch = panel.one_object_per_click
        self._objects = objects
        self._watcher = watcher
        # The object of the last prompt, which a click off it is about.
        self._last: int | None = None
        # After the controller, which reads the prompts.
        self._layers.prompts_changed.connect(self._prompted)
        viewer.mouse_drag_callbacks.append(self._pressed)

    def switch(self, on: bool, tools: DrawTools) -> None:
        """Begin or end it; the next click is on a new object then, or on the selected one."""
        if on:
            self._go_on()
            if self._watcher.tool not in ("click", "box"):
                tools.start_clicking()

    def turn_sign(self) -> None:
        """Let a click off the object be about the object of the last prompt, not about a new one."""
        if self._switch.isChecked() and not self._layers.next_is_positive and self._last is not None:
            self._layers.select(self._last)

    def close(self) -> None:
        """Stop following the viewer."""
        # Called when the dock is closed and when the widget is destroyed, possibly both.
        if self._pressed in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._pressed)
            self._layers.prompts_changed.disconnect(self._prompted)

    def _prompted(self) -> None:
        # From the event loop, before the next click can come. A selected object without prompts is the new one already.
        if self._switch.isChecked() and self._is_prompted(self._layers.selected):
            self._last = self._layers.selected
            self._go_on()

    def _go_on(self) -> None:
        drawn = self._drawn_ids()
        # It gets its name and its row with its first prompt.
        if self._layers.selected in drawn:
            self._layers.select(max(max(drawn) + 1, self._objects.next_id()))
        self._layers.set_next(POSITIVE)

    def _is_prompted(self, object_id: int) -> bool:
        return object_id in self._drawn_ids()

    def _drawn_ids(self) -> set[int]:
        # What waits outside the region has its object, too.
        edits = self._controller.edits
        return {place.object_id for place in (*edits.prompts.drawings, *edits.outside)}

    def _pressed(self, viewer: ViewerModel, event: Any) -> Generator[None, None, None]:
        """Select the object under the mouse, where a click can mean nothing else; in a volume view it means nothing."""
        if self._watcher.tool and len(self._layers.displayed) > 2:
            # napari would put the point on some frame, and paint on what lies in front.
            yield from until_released(event, viewer.layers.selection.active)
            return
        object_id = self._under(event)
        if event.button != _LEFT or not object_id or not self._means_selecting(event):
            return
        layer = viewer.layers.selection.active if self._watcher.tool else None
        if (yield from until_released(event, layer)):
            self._layers.label_selected.emit(object_id)

    def _means_selecting(self, event: Any) -> bool:
        # Without a tool, or with Ctrl held, or where a new object is asked for and there is one already.
        tool = self._watcher.tool
        if tool == "click":
            asks_for_new = self._switch.isChecked() and not self._is_prompted(self._layers.selected)
            return asks_for_new or "Control" in event.modifiers
        return not tool

    def _under(self, event: Any) -> int:
        labels = self._layers.labels
        if labels is None or not labels.visible or len(self._layers.displayed) > 2:
            return 0
        value = labels.get_value(event.position, view_direction=None, dims_displayed=None, world=True)
        # Multiscale labels give a level, too.
        return 0 if value is None or isinstance(value, tuple) else int(value)

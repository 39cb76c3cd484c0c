"""Watches which tool is on: the active layer of ours, and its mode, whoever has chosen them.

In the volume view no tool is on, and the mouse turns the view; back in 2-D the tool is the one of before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_sam2.plugin.layers.layer_events import LayerFollower
from napari_sam2.plugin.layers.layer_frames import is_proposals, is_region, why_no_prompts

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_sam2.plugin.layers.session_layers import SessionLayers

# By kind of layer, what `PanelState.tool` calls its modes; in others the mouse moves the view.
_SHAPES = {"add_rectangle": "box", "add_polygon_lasso": "outline", "add_polygon": "outline", "add_ellipse": "outline"}
_SHAPES |= {"add_path": "line", "add_polyline": "line", "add_line": "line", "select": "select", "direct": "select"}
_MODES = {
    "Points": {"add": "click", "select": "select"},
    "Shapes": _SHAPES,
    "Labels": dict.fromkeys(("paint", "erase", "fill", "polygon"), "paint"),
}
_MAKES_MASKS = ("click", "box", "outline", "line")


# What keeps a layer that is chosen from taking what the mouse does.
_HIDDEN = "{name} is hidden and takes nothing: choose a tool, which shows it."
_LOCKED = "{name} is locked and takes nothing: make it editable again, or choose another under Layers and region."
_FOREIGN = "{name} is a layer of yours: nothing drawn in it is a prompt before it is chosen under Layers and region."


class ToolWatcher(QObject):
    """Follows the active layer and its mode."""

    # Once for all that happens at a time.
    changed = Signal()

    def __init__(self, viewer: ViewerModel, layers: SessionLayers) -> None:
        super().__init__()
        self._viewer = viewer
        self._layers = layers
        self._follower = LayerFollower(dict.fromkeys(("mode", "visible", "editable"), self._notice))
        self._result = LayerFollower({"visible": self._notice})
        # The active layer with a tool that was on in 2-D last, and its mode; and whether it rests in the volume view.
        self._last: tuple[Any, str] | None = None
        self._rests = False
        # What the mouse does whatever layer is active; empty where that decides.
        self._forced = ""
        self._is_closed = False
        # napari makes no layer the active one between two of them.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._settle)
        viewer.layers.selection.events.active.connect(self._follow)
        for event in (viewer.dims.events.ndisplay, viewer.dims.events.order):
            event.connect(self._notice)
        self._follow()

    @property
    def tool(self) -> str:
        """What the mouse does next, as `PanelState.tool` calls it."""
        layer, layers = self._viewer.layers.selection.active, self._layers
        if self._forced or layer is None:
            return self._forced
        if is_region(layer):
            return "region" if str(layer.mode) == "add_rectangle" else ""
        if is_proposals(layer):
            return "find"
        if all(layer is not ours for ours in (layers.points, layers.shapes, layers.labels)):
            return ""
        return _drawing(layer)

    @property
    def obstacle(self) -> str:
        """Why what the mouse does in the active layer is no prompt; empty where nothing is in the way."""
        layer, layers = self._viewer.layers.selection.active, self._layers
        if self._forced or layer is None or why_no_prompts(layer) or type(layer).__name__ not in _MODES:
            return ""
        if all(layer is not ours for ours in (layers.points, layers.shapes, layers.labels)):
            return _FOREIGN.format(name=layer.name) if _drawing(layer) and layers.image is not None else ""
        text = _HIDDEN if not layer.visible else "" if layer.editable else _LOCKED
        return text.format(name=layer.name)

    @property
    def hidden_result(self) -> str:
        """Name of the layer of results, where it is hidden and a tool is on; else empty."""
        labels = self._layers.labels
        return labels.name if labels is not None and not labels.visible and self.tool in _MAKES_MASKS else ""

    def force(self, tool: str) -> None:
        """Say what the mouse does, whatever layer is active; empty lets the layer decide again."""
        self._forced = tool
        self._notice()

    def close(self) -> None:
        """Stop following the viewer."""
        # Called when the dock is closed and when the widget is destroyed, possibly both.
        if self._is_closed:
            return
        self._is_closed = True
        self._soon.stop()
        self._viewer.layers.selection.events.active.disconnect(self._follow)
        for event in (self._viewer.dims.events.ndisplay, self._viewer.dims.events.order):
            event.disconnect(self._notice)
        self._follower.follow(None)
        self._result.follow(None)

    def _settle(self) -> None:
        # By now napari has taken the tools of shapes away, or given them back.
        layer, rests = self._viewer.layers.selection.active, not self._is_flat
        if rests is not self._rests:
            self._rests = rests
            if self._last is not None and layer is self._last[0] and (rests or str(layer.mode) == "pan_zoom"):
                layer.mode = "pan_zoom" if rests else self._last[1]
        self.changed.emit()

    @property
    def _is_flat(self) -> bool:
        return bool(self._viewer.dims.ndisplay == 2)

    def _follow(self, _event: Any = None) -> None:
        self._follower.follow(self._viewer.layers.selection.active)
        self._notice()

    def _notice(self, _event: Any = None) -> None:
        self._result.follow(self._layers.labels)
        if self._is_flat and not self._rests:
            layer = self._viewer.layers.selection.active
            self._last = (layer, str(layer.mode)) if self.tool and layer is not None else None
        self._soon.start()


def _drawing(layer: Any) -> str:
    return _MODES.get(type(layer).__name__, {}).get(str(layer.mode), "")

"""Watches which tool is on: the active layer of ours, and its mode, whoever has chosen them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_sam2.plugin.layers.layer_events import LayerFollower
from napari_sam2.plugin.layers.layer_frames import is_proposals, is_region

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


class ToolWatcher(QObject):
    """Follows the active layer and its mode."""

    # Once for all that happens at a time.
    changed = Signal()

    def __init__(self, viewer: ViewerModel, layers: SessionLayers) -> None:
        super().__init__()
        self._viewer = viewer
        self._layers = layers
        self._follower = LayerFollower({"mode": self._notice})
        # What the mouse does whatever layer is active; empty where that decides.
        self._forced = ""
        self._is_closed = False
        # napari makes no layer the active one between two of them.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self.changed)
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
        return _MODES.get(type(layer).__name__, {}).get(str(layer.mode), "")

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

    def _follow(self, _event: Any = None) -> None:
        self._follower.follow(self._viewer.layers.selection.active)
        self._notice()

    def _notice(self, _event: Any = None) -> None:
        self._soon.start()

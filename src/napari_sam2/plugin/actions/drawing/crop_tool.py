"""The region tool: a rectangle, drawn in a Shapes layer of its own, to which tracking is limited."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes
from napari.utils.notifications import show_warning
from qtpy.QtCore import QObject, Qt, Signal

from napari_sam2.plugin.layers.layer_events import LayerFollower
from napari_sam2.plugin.layers.layer_frames import REGION_KEY, is_made_for, is_region, layer_shape, mark_as_made_for
from napari_sam2.plugin.layers.placement import layer_matrix

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_sam2.data.images.selection import Box
    from napari_sam2.plugin.actions.images.image_follower import ImageFollower
    from napari_sam2.plugin.layers.session_layers import SessionLayers

_COLOUR = "#4cc9f0"
# Nothing can be followed in less.
_LEAST = 16


class CropTool(QObject):
    """Lets the user draw a region, and shows the one in use."""

    # With the layer; delivered after napari's own handlers of the drawing have returned.
    _settled = Signal(object)

    def __init__(self, viewer: ViewerModel, layers: SessionLayers, images: ImageFollower) -> None:
        super().__init__()
        self._viewer = viewer
        self._layers = layers
        self._images = images
        # The layer that was active before drawing, and is active again afterwards.
        self._before: Any = None
        # The rectangle's layer whose drawing is listened to.
        self._follower = LayerFollower({"data": self._drawn})
        # The region changes with the image, when one is drawn, and when its layer is deleted.
        images.image_changed.connect(self._show)
        self._settled.connect(self._settle, Qt.ConnectionType.QueuedConnection)
        viewer.layers.events.removed.connect(self._removed)

    def draw(self) -> None:
        """Let the next stroke on the canvas be the region."""
        image = self._layers.image
        if image is None:
            show_warning("Open an image first: the region is a part of it.")
            return
        # One rectangle layer for each image, which is listened to while its image is chosen.
        layer = self._find(image) or self._make(image)
        self._follower.follow(layer)
        self._before = self._viewer.layers.selection.active
        layer.visible = True
        self._viewer.layers.selection.active = layer
        layer.mode = "add_rectangle"

    def clear(self) -> None:
        """Look at whole frames again."""
        self._images.set_region(None)

    def close(self) -> None:
        """Stop following the viewer."""
        self._viewer.layers.events.removed.disconnect(self._removed)
        self._follower.follow(None)

    def _find(self, image: Image) -> Any:
        return next((x for x in self._viewer.layers if is_region(x) and is_made_for(x, image)), None)

    def _make(self, image: Image) -> Shapes:
        layer = Shapes(
            ndim=2,
            name=f"{image.name}: region",
            edge_color=_COLOUR,
            edge_width=max(1.0, min(layer_shape(image)[-2:]) / 200),
            face_color="transparent",
            metadata={REGION_KEY: True},
            **_on_planes(image),
        )
        mark_as_made_for(layer, image)
        active = self._viewer.layers.selection.active
        self._viewer.add_layer(layer)
        self._viewer.layers.selection.active = active
        return layer

    def _drawn(self, event: Any) -> None:
        # Called by napari for anything that happens to the rectangle, also while it is being drawn: only the end
        # counts.
        layer, image = event.source, self._layers.image
        if str(event.action) not in ("added", "changed") or not layer.data or image is None:
            return
        if not is_made_for(layer, image):
            return
        # Through the world, as the user may have moved the rectangle's layer.
        matrix = np.linalg.inv(plane_affine(image)) @ layer_matrix(layer)
        region = region_of(layer.data[-1] @ matrix[:2, :2].T + matrix[:2, 2], layer_shape(image)[-2:])
        if region is None:
            show_warning(f"A region has at least {_LEAST} pixels on each side, inside the image: draw a larger one.")
        else:
            self._images.set_region(region)
        # Not at once: napari is not done with the shape yet.
        self._settled.emit(layer)

    def _settle(self, layer: Any) -> None:
        # From the event loop, by when the user may have deleted the layer to go back to.
        layer.mode = "pan_zoom"
        self._show()
        if self._before is not None and self._before in self._viewer.layers:
            self._viewer.layers.selection.active = self._before

    def _removed(self, event: Any) -> None:
        if is_region(event.value) and self._layers.image is not None and is_made_for(event.value, self._layers.image):
            self._images.set_region(None)

    def _show(self) -> None:
        """Draw the region that is tracked, and no other."""
        image, region = self._layers.image, self._images.region
        if image is None:
            self._follower.follow(None)
            return
        layer = self._find(image)
        if layer is None and region is not None:
            layer = self._make(image)
        self._follower.follow(layer)
        if layer is not None:
            wanted = [] if region is None else [corners_of(region)]
            # Blocked, or putting the rectangle in place would count as drawing it.
            with layer.events.data.blocker():
                for name, value in _on_planes(image).items():
                    setattr(layer, name, value)
                layer.selected_data = set()
                layer.data = []
                for corners in wanted:
                    layer.add_rectangles(corners, edge_color=_COLOUR)


def _on_planes(image: Image) -> dict[str, Any]:
    """Attributes of a layer of two axes that lies on the planes of an image."""
    own = {"scale": (1.0, 1.0), "translate": (0.0, 0.0), "rotate": 0.0, "shear": (0.0,), "affine": plane_affine(image)}
    return own | {"units": tuple(image.units)[-2:], "axis_labels": tuple(image.axis_labels)[-2:]}


def plane_affine(image: Image) -> NDArray[np.float64]:
    """(3, 3) from (y, x, 1) of an image layer's planes to the world."""
    leading = (0.0,) * (len(layer_shape(image)) - 2)
    origin, down, right = (np.array(image.data_to_world((*leading, *at)))[-2:] for at in ((0, 0), (1, 0), (0, 1)))
    affine = np.eye(3)
    affine[:2] = np.column_stack([down - origin, right - origin, origin])
    return affine


def region_of(corners: NDArray[Any], shape: tuple[int, ...]) -> Box | None:
    """Pixels that a rectangle covers, (y0, x0, y1, x1), the ends excluded; None if they are too few."""
    # Pixel centres lie on whole numbers.
    low, high = np.asarray(corners).min(axis=0) + 0.5, np.asarray(corners).max(axis=0) + 0.5
    y0, x0 = (max(math.floor(value), 0) for value in low)
    y1, x1 = (min(math.ceil(value), size) for value, size in zip(high, shape, strict=True))
    return (y0, x0, y1, x1) if y1 - y0 >= _LEAST and x1 - x0 >= _LEAST else None


def corners_of(region: Box) -> NDArray[np.float64]:
    """(4, 2) corners of a region, on the borders of its pixels."""
    y0, x0, y1, x1 = region
    return np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)]) - 0.5

"""The layer that shows proposals over a frame: outlined and in one colour, so that nobody takes them for results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from skimage.segmentation import find_boundaries

from napari_sam2.plugin.layers.labels_layer import refresh, write_frame
from napari_sam2.plugin.layers.layer_frames import PROPOSALS_KEY, mark_as_made_for
from napari_sam2.plugin.layers.layer_geometry import transform_like

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_sam2.plugin.layers.layer_frames import LayerFrames

# Inside and on the outline of those that are taken, and on the outline of those that are left out.
_INSIDE, _TAKEN, _LEFT_OUT = 1, 2, 3
_COLOURS: dict[int | None, Any] = {
    _INSIDE: (0.75, 1.0, 0.0, 0.28),
    _TAKEN: (0.75, 1.0, 0.0, 1.0),
    # Grey is not seen on a bright cell.
    _LEFT_OUT: (1.0, 0.45, 0.15, 1.0),
}


def new_proposals_layer(image: Image, space: LayerFrames) -> Labels:
    """Make an empty layer that lies on an image."""
    layer = Labels(
        # Zeros take no memory before they are written to, and one frame is.
        np.zeros(space.layer_shape, np.uint8),
        name=f"{image.name}: proposals",
        opacity=1.0,
        colormap=DirectLabelColormap(color_dict={None: "transparent", 0: "transparent", **_COLOURS}),
        metadata={PROPOSALS_KEY: True},
        **transform_like(image),
    )
    mark_as_made_for(layer, image)
    # It is clicked on, never painted on.
    layer.editable = False
    return layer


def show_proposals(
    layer: Labels, space: LayerFrames, labels: NDArray[Any], *, frame: int, taken: Collection[int]
) -> None:
    """Draw proposals, (Y, X) labels on a frame, into their layer."""
    is_outline = find_boundaries(labels, mode="inner")
    is_taken = np.isin(labels, list(taken))
    image = np.where(is_outline, np.where(is_taken, _TAKEN, _LEFT_OUT), np.where(is_taken, _INSIDE, 0))
    write_frame(layer, space, frame=frame, image=image)
    refresh(layer)


def proposal_at(layer: Labels, space: LayerFrames, labels: NDArray[Any], position: Any) -> int:
    """Label of the proposal at a place of the world; 0 where there is none."""
    place = np.round(np.asarray(layer.world_to_data(position))[list(space.plane_axes)]).astype(int)
    row, column = (place - space.crop[:2]).tolist()
    is_inside = 0 <= row < labels.shape[0] and 0 <= column < labels.shape[1]
    return int(labels[row, column]) if is_inside else 0

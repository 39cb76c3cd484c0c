"""Features that napari leaves behind in a Shapes layer."""

from __future__ import annotations

import numpy as np
from napari.layers import Shapes

from napari_sam2.plugin.layers.layer_frames import frames_along
from napari_sam2.plugin.layers.placement import Placement
from napari_sam2.plugin.layers.points_and_shapes import features_of, read_shapes


def test_an_outline_without_an_area_leaves_nothing_behind() -> None:
    corners = np.array([[0, 2, 3], [0, 2, 12], [0, 9, 12]], float)
    layer = Shapes([corners, corners + 5], shape_type="polygon", ndim=3, features=features_of([1, 2]))
    # As it does where the last vertex is the third on a line.
    layer._data_view.remove(1)
    space = frames_along(0, shape=(3, 30, 30))
    placement = Placement()
    assert {key.object_id for key in read_shapes(layer, space, placement)} == {1}
    layer.feature_defaults = features_of([3])
    layer.add(corners + np.array([0, 5, 5]), shape_type="polygon")
    assert {key.object_id for key in read_shapes(layer, space, placement)} == {1, 3}

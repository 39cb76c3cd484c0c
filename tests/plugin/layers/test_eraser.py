"""The eraser rubs out the selected object only, unless the user says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Labels

    from conftest import Desk


def two_objects(desk: Desk) -> tuple[Labels, np.ndarray]:
    """Two painted objects side by side, the first one selected."""
    desk.press("new_object")
    desk.press("new_object")
    labels = desk.widget.layers.need_labels()
    rows, columns = np.mgrid[10:30, 10:20].reshape(2, -1)
    for object_id, shift in ((1, 0), (2, 10)):
        labels.data_setitem((np.zeros_like(rows), rows, columns + shift), object_id)
    desk.settle()
    labels.selected_label = 1
    labels.brush_size = 8
    desk.viewer.layers.selection.active = labels
    return labels, labels.data[0].copy()


def test_eraser_takes_the_selected_object_only(desk: Desk) -> None:
    labels, before = two_objects(desk)
    labels.mode = "erase"
    assert labels.preserve_labels
    desk.drag((15, 14), (15, 26))
    desk.settle()
    np.testing.assert_array_equal(labels.data[0] == 2, before == 2)
    assert 0 < (labels.data[0] == 1).sum() < (before == 1).sum()
    # Painting with the background's label is erasing; the brush itself goes over others, as ever.
    labels.mode = "paint"
    assert not labels.preserve_labels
    labels.selected_label = 0
    desk.drag((22, 14), (22, 26))
    desk.settle()
    np.testing.assert_array_equal(labels.data[0] == 2, before == 2)
    assert (labels.data[0, 22] != 1).all()
    labels.selected_label = 1
    desk.drag((25, 24), (25, 25))
    desk.settle()
    assert labels.data[0, 25, 24] == 1


def test_the_users_choice_is_kept_for_each_tool(desk: Desk) -> None:
    labels, _ = two_objects(desk)
    labels.mode = "erase"
    labels.preserve_labels = False
    desk.drag((15, 14), (15, 26))
    desk.settle()
    assert (labels.data[0, 15] == 0).all()
    labels.mode = "paint"
    labels.preserve_labels = True
    labels.mode = "erase"
    assert not labels.preserve_labels
    labels.mode = "pan_zoom"
    assert labels.preserve_labels
    labels.mode = "erase"
    desk.widget.panel.labels_layer.choose(None)
    assert labels.preserve_labels
    labels.mode = "paint"
    labels.mode = "erase"
    assert labels.preserve_labels

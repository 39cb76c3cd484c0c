"""Clicks that mean nothing say so: beside the image, and in a view whose axes are rolled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Points, Shapes
from napari.utils.notifications import notification_manager

from napari_sam2.plugin.layers.unusable_prompts import word_about


@pytest.mark.parametrize(
    ("position", "counts"), [([1, 3, 4], True), ([1, -0.5, 8.5], True), ([1, -1, 4], False), ([1, 3, 9.6], False)]
)
def test_a_place_beside_the_image(position: list[float], counts: bool) -> None:
    viewer, image = ViewerModel(), Image(np.zeros((4, 8, 9)), name="cells")
    viewer.add_layer(image)
    word = word_about(Points([[0, 1, 1], position]), [-1], image, viewer)
    expected = "A prompt beside the image does not count: cells has 8 rows and 9 columns."
    assert word == (None if counts else expected)


def test_a_shape_counts_where_it_reaches_into_the_image() -> None:
    viewer, image = ViewerModel(), Image(np.zeros((4, 8, 9)))
    viewer.add_layer(image)
    inside = np.array([[0, -5, -5], [0, -5, 3], [0, 3, 3], [0, 3, -5]], float)
    outside = inside - [0, 9, 9]
    content = Shapes([inside, outside], shape_type="rectangle")
    assert word_about(content, [0], image, viewer) is None
    assert word_about(content, [0, 1], image, viewer) is not None


@pytest.mark.parametrize("order", [(2, 0, 1), (1, 0, 2)])
def test_a_rolled_view(order: tuple[int, ...]) -> None:
    viewer, image = ViewerModel(), Image(np.zeros((8, 9, 4)), name="film")
    viewer.add_layer(image)
    viewer.dims.order = order
    word = word_about(Points([[3, 4, 1]]), [-1], image, viewer)
    assert word is not None
    assert word.startswith("SAM 2 takes the last two axes of film for Y and X")
    # Rows and columns swapped are still rows and columns.
    viewer.dims.order = (0, 2, 1)
    assert word_about(Points([[3, 4, 1]]), [-1], image, viewer) is None


def test_a_click_beside_the_image_is_told(open_desk: Callable[..., Any], frames: np.ndarray, checkpoint: Path) -> None:
    desk = open_desk(frames, checkpoint=checkpoint)
    desk.press("new_object")
    before = len(notification_manager.records)
    desk.click(-3, 20)
    desk.settle()
    (notice,) = list(notification_manager.records)[before:]
    assert "does not count" in notice.message
    # Where one looks for it, too, until something else is done.
    assert notice.message in desk.find("status_line").text()
    assert not desk.widget.session.prompts

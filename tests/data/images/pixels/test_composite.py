"""Channels mixed in colours of their own."""

from __future__ import annotations

import numpy as np

from napari_sam2.data.images.pixels.composite import MixedFrames
from napari_sam2.data.images.pixels.contrast import Window
from napari_sam2.data.images.stack import Stack


def ramp(*colour: int) -> np.ndarray:
    """(256, 3) from black to a colour."""
    return np.rint(np.linspace(0, 1, 256)[:, None] * colour).astype(np.uint8)


def test_light_adds_up_within_each_window() -> None:
    green = np.array([[[0, 10, 20, 30]]], np.uint16)
    red = np.array([[[0, 0, 255, 255]]], np.uint8)
    yellow = np.array([[[0.0, 0.0, 0.0, 1.0]]])
    tables = [ramp(0, 255, 0), ramp(255, 0, 0), ramp(255, 255, 0)]
    mixed = MixedFrames(
        [Stack.from_array(one, rgb=False) for one in (green, red, yellow)],
        [Window(10, 20), Window(0, 255), Window(0, 1)],
        tables,
    )
    stack = Stack(mixed)
    assert stack.is_rgb
    assert stack.dtype == np.uint8
    np.testing.assert_array_equal(stack.read(0), [[[0, 0, 0], [0, 0, 0], [255, 255, 0], [255, 255, 0]]])


def test_an_area_is_that_of_the_whole_frame() -> None:
    pixels = np.arange(2 * 5 * 6, dtype=np.uint8).reshape(2, 5, 6)
    mixed = MixedFrames([Stack.from_array(pixels)], [Window(0, 60)], [ramp(9, 99, 200)])
    area = slice(1, 4), slice(2, 5)
    np.testing.assert_array_equal(mixed.read(1, area), mixed.read(1)[area])
    stack = Stack(mixed)
    np.testing.assert_array_equal(stack.part(crop=(1, 2, 4, 5)).read(1), stack.read(1)[area])

"""Where a window goes: how far an object has moved, from its picture."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_sam2.session.zoom.crop import Crop, ObjectLocation
from napari_sam2.session.zoom.object_motion import moved_place


def noise(shape: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:

    field = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3)
    return np.clip(128 + 40 * field / field.std(), 0, 255).astype(np.uint8)


def look_at(*images: NDArray[np.uint8]):  # type: ignore[no-untyped-def]
    return lambda frame, view: np.repeat(images[frame][view.crop][..., None], 3, axis=-1)


@pytest.mark.parametrize("extent", [10.0, 30.0, 90.0])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.3, -0.4), (-0.6, 0.2)])
def test_a_moved_picture_is_found(extent: float, shift: tuple[float, float]) -> None:
    first = noise((400, 500))
    dy, dx = (round(extent * s) for s in shift)
    second = np.roll(first, (dy, dx), (0, 1))
    found = moved_place(look_at(first, second), ObjectLocation(200, 250, extent), (0, 1), frame_size=(400, 500))
    grain = max(extent // 24, 1)
    assert abs(found.y - 200 - dy) <= grain
    assert abs(found.x - 250 - dx) <= grain
    assert found.extent == extent


def test_brightness_does_not_matter() -> None:
    first = noise((200, 200))
    second = (np.roll(first, 5, axis=1) * 0.5 + 10).astype(np.uint8)
    assert moved_place(look_at(first, second), ObjectLocation(100, 100, 20), (0, 1), frame_size=(200, 200)).x == 105


@pytest.mark.parametrize(
    "place",
    [ObjectLocation(2, 3, 20), ObjectLocation(199, 199, 20), ObjectLocation(0, 100, 1), ObjectLocation(100, 100, 500)],
)
def test_at_the_frame_s_edge(place: ObjectLocation) -> None:
    image = noise((200, 200))
    assert moved_place(look_at(image, image), place, (0, 1), frame_size=(200, 200)) == place


def test_a_flat_picture_tells_nothing() -> None:
    image, place = np.full((100, 100), 9, np.uint8), ObjectLocation(50, 50, 10)
    assert moved_place(look_at(image, noise((100, 100))), place, (0, 1), frame_size=(100, 100)) == place


def test_only_the_surroundings_are_read() -> None:
    seen: list[Crop] = []

    def look(frame: int, view: Crop) -> NDArray[np.uint8]:
        seen.append(view)
        return np.zeros((*view.size, 3), np.uint8)

    moved_place(look, ObjectLocation(5000, 6000, 20), (0, 1), frame_size=(10000, 10000))
    assert all(max(view.size) <= 70 for view in seen)

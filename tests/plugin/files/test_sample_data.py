from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_sam2.synthetic.samples import SAMPLES, make_sample

if TYPE_CHECKING:
    from npe2._pytest_plugin import TestPluginManager


@pytest.fixture
def open_sample(npe2pm: TestPluginManager) -> Iterator[Callable[[str], Image]]:
    """Open a sample the way napari's menu does, by its key in the manifest."""

    def add(key: str) -> Image:
        viewer = ViewerModel()
        (layer,) = viewer.open_sample("napari-sam2", key)
        assert isinstance(layer, Image)
        return layer

    with npe2pm.tmp_plugin(package="napari-sam2"):
        yield add


@pytest.mark.parametrize("name", SAMPLES)
def test_layer_shows_the_sample(open_sample: Callable[[str], Image], name: str) -> None:
    sample, layer = make_sample(name), open_sample(name)
    np.testing.assert_array_equal(layer.data, sample.frames)
    assert layer.name == name
    assert layer.axis_labels == (sample.axis, "y", "x")


@pytest.mark.parametrize(
    ("name", "ndim", "rgb", "units"),
    [
        ("cells", 3, False, ("pixel", "micrometer", "micrometer")),
        ("zstack", 3, False, ("millimeter", "millimeter", "millimeter")),
        ("endoscope", 3, True, ("pixel", "pixel", "pixel")),
    ],
)
def test_axes_and_units(
    open_sample: Callable[[str], Image], name: str, ndim: int, rgb: bool, units: tuple[str, ...]
) -> None:
    sample, layer = make_sample(name), open_sample(name)
    assert layer.ndim == ndim
    assert layer.rgb is rgb
    assert tuple(str(unit) for unit in layer.units) == units
    expected = (sample.step or 1, *(sample.pixel_size or (1, 1)))
    np.testing.assert_allclose(layer.scale, expected)

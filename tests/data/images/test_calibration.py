from __future__ import annotations

import pytest

from napari_sam2.data import Calibration
from napari_sam2.data.images.calibration import unit_name


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("micron", "um"),
        ("µm", "um"),
        ("\u03bcm", "um"),
        ("\\u00B5m", "um"),
        ("um", "um"),
        ("Micrometer", "um"),
        ("nm", "nm"),
        ("sec", "s"),
        ("parsec", "parsec"),
        ("pixel", None),
        ("", None),
        (None, None),
    ],
)
def test_unit_names(said: str | None, name: str | None) -> None:
    assert unit_name(said) == name
    assert Calibration(unit=said).unit == name


@pytest.mark.parametrize("size", [0, -1.0, float("nan"), float("inf")])
def test_sizes_must_be_positive(size: float) -> None:
    with pytest.raises(ValueError, match=f"not {size}"):
        Calibration(pixel_size=(1.0, size))
    with pytest.raises(ValueError, match=f"not {size}"):
        Calibration(step=size)

"""Models of random weights, as the time does not depend on them, and a way to say what was measured."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from napari_sam2.benchmark.models import stand_in
from napari_sam2.model.sam2 import Sam2
from napari_sam2.weights.load import PRESETS

VARIANTS = ("sam2_nano", "sam2.1_hiera_tiny")
SIDE = 512


@pytest.fixture(
    scope="session",
    params=[(variant, preset) for variant in VARIANTS for preset in PRESETS],
    ids=[f"{variant}-{preset}" for variant in VARIANTS for preset in PRESETS],
)
def model(request: pytest.FixtureRequest) -> Sam2:
    variant, preset = request.param
    return stand_in(variant, preset=preset)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    def to_screen(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{text}\n")

    return to_screen

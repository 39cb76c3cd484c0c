"""What the judge of a small model's masks expects of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.model.mask_decoder import DecoderOutput
from napari_sam2.model.sam2 import ImageFeatures
from napari_sam2.session.prompting.mask_judge import load_judge, mask_traits
from napari_sam2.session.zoom.crop import Crop, whole

FRAME = (384, 384)


def discs(*radii: float, middle: tuple[float, float] = (48, 48), cells: int = 96, firm: float = 8.0) -> torch.Tensor:
    """(discs, cells, cells) logits; radii and middle are in 96ths of the grid."""
    places = (np.indices((cells, cells)) + 0.5) * 96 / cells
    away = np.hypot(places[0] - middle[0], places[1] - middle[1])
    return torch.stack([torch.from_numpy(np.clip(radius - away, -1, 1) * firm).float() for radius in radii])


def output(masks_khw: torch.Tensor, iou: float = 0.7) -> DecoderOutput:
    count = len(masks_khw)
    return DecoderOutput(masks_khw[None], torch.full((1, count), iou), torch.zeros(1, count, 8), torch.tensor([5.0]))


def click(y: float, x: float, *, positive: bool = True) -> Prompt:
    return Prompt(0, 1, points=np.array([[y, x]], np.float32), labels=np.array([positive], np.int32))


def features(masks_khw: torch.Tensor) -> ImageFeatures:
    """What is as noisy everywhere and differs in the first mask."""
    inside = torch.nn.functional.interpolate((masks_khw[None, :1] > 0).float(), (24, 24), mode="area")
    noise = torch.randn(1, 16, 24, 24, generator=torch.Generator().manual_seed(0))
    finer = torch.zeros(1, 8, 48, 48)
    return ImageFeatures(finer, finer, noise + inside)


def expected(masks_khw: torch.Tensor, prompt: Prompt, *, iou: float = 0.7) -> list[float]:
    shown = features(masks_khw)
    values = load_judge().expected_iou(
        output(masks_khw, iou), shown, prompt=prompt, view=whole(FRAME), frame_size=FRAME
    )
    return [float(value) for value in values]


def test_more_is_expected_of_a_mask_around_the_click() -> None:
    # The same disc, clicked on in its middle and near its rim.
    assert expected(discs(10), click(192, 192))[0] > expected(discs(10), click(192, 160))[0] + 0.1


def test_what_the_model_expects_counts() -> None:
    assert expected(discs(10), click(192, 192), iou=0.9)[0] > expected(discs(10), click(192, 192), iou=0.2)[0]


def test_little_is_expected_of_a_mask_that_does_not_hold_the_click() -> None:
    beside = expected(discs(10, middle=(20, 20)), click(300, 300))[0]
    assert beside < 0.3 < expected(discs(10), click(192, 192))[0]


@pytest.mark.parametrize("cells", [48, 64, 128])
def test_the_grid_of_the_masks_hardly_matters(cells: int) -> None:
    shown = features(discs(12, 20))
    here, there = (
        mask_traits(
            output(discs(12, 20, cells=side)), shown, prompt=click(192, 192), view=whole(FRAME), frame_size=FRAME
        )
        for side in (96, cells)
    )
    np.testing.assert_allclose(here, there, atol=0.25)


@given(
    radii=st.lists(st.floats(0, 80), min_size=1, max_size=4),
    place=st.tuples(st.floats(-50, 433), st.floats(-50, 433)),
    positive=st.booleans(),
    side=st.integers(48, 384),
)
def test_something_is_expected_of_every_mask(
    radii: list[float], place: tuple[float, float], positive: bool, side: int
) -> None:
    view, masks = Crop(0, 0, side, side), discs(*radii)
    prompt = click(*place, positive=positive)
    values = load_judge().expected_iou(output(masks), features(masks), prompt=prompt, view=view, frame_size=FRAME)
    assert values.shape == (len(radii),) and (values >= 0).all() and (values <= 1).all()


def test_no_clicks_at_all_are_no_error() -> None:
    prompt = Prompt(0, 1, box=(10.0, 10.0, 40.0, 40.0))
    assert np.isfinite(expected(discs(10), prompt)).all()

"""How answers to prompts are chosen and bounded."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.session.prompting.predictor import hold_in_box
from napari_sam2.session.tracking.prompt_tensors import prompt_within_box
from napari_sam2.session.zoom.crop import Crop


def test_a_box_holds_its_mask() -> None:
    logits = torch.full((1, 1, 16, 16), 2.0)
    logits[0, 0, 0, 0] = -1024.0
    held = hold_in_box(logits, Crop(100, 200, 32, 64), (108.0, 216.0, 124.0, 232.0))[0, 0]
    inside = held > 0
    # Cells are 2 x 4 pixels: rows 4 to 11, columns 4 to 7.
    assert inside[4:12, 4:8].all() and int(inside.sum()) == 32
    assert held[0, 0] == -1024
    assert (held[~inside] <= -2).all()


def test_a_box_thinner_than_a_cell_keeps_something() -> None:
    held = hold_in_box(torch.ones(1, 1, 16, 16), Crop(0, 0, 160, 160), (40.0, 41.0, 80.0, 42.0))
    assert int((held > 0).sum()) == 4


@pytest.mark.parametrize(("click", "label", "within"), [((5, 5), 1, True), ((25, 5), 1, False), ((25, 5), 0, True)])
def test_a_click_on_the_object_outside_its_box_lifts_the_bounds(
    click: tuple[int, int], label: int, within: bool
) -> None:
    prompt = Prompt(0, 1, points=np.array([click], float), labels=np.array([label]), box=(0.0, 0.0, 20.0, 20.0))
    assert prompt_within_box(prompt) is within
    assert prompt_within_box(Prompt(0, 1, box=(0.0, 0.0, 20.0, 20.0)))

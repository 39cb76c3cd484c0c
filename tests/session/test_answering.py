"""How answers to prompts are chosen and bounded."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam2.data.prompts import Prompt
from napari_sam2.model.mask_decoder import DecoderOutput
from napari_sam2.session.answering import hold_in_box, settle
from napari_sam2.session.prompt_input import prompt_within_box
from napari_sam2.session.view import View


def proposals(*sides: int, ious: list[float]) -> DecoderOutput:
    """Squares of those sides around one spot; each mask's token tells its number."""
    masks = torch.full((1, len(sides), 32, 32), -3.0)
    for k, side in enumerate(sides):
        masks[0, k, 16 - side // 2 : 16 + side // 2, 16 - side // 2 : 16 + side // 2] = 3
    tokens = torch.arange(len(sides)).float()[None, :, None].expand(1, -1, 8)
    return DecoderOutput(masks, torch.tensor([ious]), tokens, torch.tensor([5.0]))


def test_a_click_takes_the_mask_its_others_agree_with() -> None:
    # The model likes its speck best, and three others say that the object is larger.
    settled = settle(proposals(18, 24, 4, 20, ious=[0.3, 0.2, 0.36, 0.3]))
    assert settled.mask_tokens_bkc[0, :, 0].tolist() == [0, 3]
    assert int((settled.masks_bkhw[0, 1] > 0).sum()) == 400
    assert settled.ious_bk[0, 1] == pytest.approx(0.3)
    assert settle(proposals(18, 24, 4, 40, ious=[0.3, 0.2, 0.36, 0.3])).mask_tokens_bkc[0, 1, 0] == 0


def test_a_mask_the_model_is_sure_of_is_not_outvoted() -> None:
    output = proposals(18, 24, 4, 20, ious=[0.3, 0.2, 0.9, 0.3])
    assert settle(output) is output


def test_a_box_holds_its_mask() -> None:
    logits = torch.full((1, 1, 16, 16), 2.0)
    logits[0, 0, 0, 0] = -1024.0
    held = hold_in_box(logits, View(100, 200, 32, 64), (108.0, 216.0, 124.0, 232.0))[0, 0]
    inside = held > 0
    # Cells are 2 x 4 pixels: rows 4 to 11, columns 4 to 7.
    assert inside[4:12, 4:8].all() and int(inside.sum()) == 32
    assert held[0, 0] == -1024
    assert (held[~inside] <= -2).all()


def test_a_box_thinner_than_a_cell_keeps_something() -> None:
    held = hold_in_box(torch.ones(1, 1, 16, 16), View(0, 0, 160, 160), (40.0, 41.0, 80.0, 42.0))
    assert int((held > 0).sum()) == 4


@pytest.mark.parametrize(("click", "label", "within"), [((5, 5), 1, True), ((25, 5), 1, False), ((25, 5), 0, True)])
def test_a_click_on_the_object_outside_its_box_lifts_the_bounds(
    click: tuple[int, int], label: int, within: bool
) -> None:
    prompt = Prompt(0, 1, points=np.array([click], float), labels=np.array([label]), box=(0.0, 0.0, 20.0, 20.0))
    assert prompt_within_box(prompt) is within
    assert prompt_within_box(Prompt(0, 1, box=(0.0, 0.0, 20.0, 20.0)))

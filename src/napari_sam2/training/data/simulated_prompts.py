"""Simulated prompts: clicks inside a region, jittered boxes, corrections.

Chance is always drawn on the CPU: the same seed gives the same prompts on every device.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam2.model.prompt_encoder import BOX_BOTTOM_RIGHT, BOX_TOP_LEFT, NEGATIVE, PAD_LABEL, POSITIVE

BOX_JITTER, MOST_JITTER = 0.1, 20.0
_INTERIOR = 9
# Sides of neighbourhoods, in cells of four pixels, whose share of the object tells its middle from its rim; and the
# power that makes the middle likely.
_MIDDLES, _CELL, _MIDDLE_POWER = (3, 9, 25), 4, 64


def click_in(region_bhw: Tensor, generator: torch.Generator, *, middle_share: float = 0.0) -> Tensor:
    """Draw one pixel of each region, the interior more likely than the rim.

    Points are (x, y); an empty region gives an arbitrary pixel.
    """
    region = region_bhw.float()[:, None]
    weight = region * _pooled(region, _INTERIOR).square()
    if middle_share > 0:
        careful = (torch.rand(len(region), generator=generator) < middle_share).to(region.device)
        weight = torch.where(careful[:, None, None, None], weight * _towards_middle(region), weight)
    weight = weight.flatten(1)
    # An empty region still has to give something; its click is ignored by whoever asks.
    weight = torch.where(weight.sum(1, keepdim=True) > 0, weight, torch.ones_like(weight))
    # A pixel with a chance in proportion to its weight, by the inverse of the cumulative sum.
    total = weight.cumsum(1)
    drawn = torch.rand(len(total), 1, generator=generator).to(total.device) * total[:, -1:]
    index = torch.searchsorted(total, drawn, right=True)[:, 0].clamp(max=total.shape[1] - 1)
    width = region_bhw.shape[-1]
    return torch.stack((index % width, index // width), dim=1).float()


def _pooled(x_b1hw: Tensor, side: int) -> Tensor:
    """Average over squares of that odd side, with zeros around; the pooling layer takes three times as long."""
    # Differences of cumulative sums, one axis after the other.
    for axis in (-2, -1):
        length = x_b1hw.shape[axis]
        pad = (0, 0, side // 2 + 1, side // 2) if axis == -2 else (side // 2 + 1, side // 2)
        sums = F.pad(x_b1hw, pad).cumsum(axis)
        x_b1hw = (sums.narrow(axis, side, length) - sums.narrow(axis, 0, length)) / side
    return x_b1hw


def _towards_middle(region_b1hw: Tensor) -> Tensor:
    """Weigh places by how much of the object lies around them, near and far: (objects, 1, h, w), at most 1."""
    cells = F.avg_pool2d(region_b1hw, _CELL, ceil_mode=True)
    around = torch.stack([_pooled(cells, side) for side in _MIDDLES]).sum(dim=0) * cells
    around = around / around.amax(dim=(2, 3), keepdim=True).clamp(min=1e-6)
    return F.interpolate(around, region_b1hw.shape[-2:]) ** _MIDDLE_POWER


def boxes_of(masks_bhw: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Find bounding boxes, jittered by up to a tenth of their size, or 20 pixels, where a generator is given.

    Corners are (x, y) of the outermost pixels, top left and bottom right.
    """
    # First and last seen column, then row.
    corners = []
    for axis in (1, 2):
        seen = masks_bhw.any(dim=axis)
        length = seen.shape[1]
        first = seen.int().argmax(dim=1)
        last = length - 1 - seen.flip(1).int().argmax(dim=1)
        corners.append(torch.stack((first, last), dim=1).float())
    boxes = torch.stack(corners, dim=2)
    if generator is None:
        return boxes
    # Jitter in proportion to the box, within the image.
    extent = (boxes[:, 1] - boxes[:, 0]).clamp(min=2)[:, None]
    noise = (torch.rand(boxes.shape, generator=generator).to(boxes.device) * 2 - 1) * BOX_JITTER
    limit = torch.tensor([masks_bhw.shape[2] - 1.0, masks_bhw.shape[1] - 1.0], device=boxes.device)
    return (boxes + (noise * extent).clamp(-MOST_JITTER, MOST_JITTER)).clamp(min=torch.zeros_like(limit), max=limit)


def first_prompts(
    masks_bhw: Tensor, generator: torch.Generator, *, box_share: float = 0.5, middle_share: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Prompt each object with a click, see `click_in`, or a box: points (x, y) and their labels."""
    # Both have two points, so that one batch holds either: a click is padded.
    boxes = boxes_of(masks_bhw, generator)
    click = click_in(masks_bhw, generator, middle_share=middle_share)
    boxed = (torch.rand(len(masks_bhw), generator=generator) < box_share).to(masks_bhw.device)
    clicks = torch.stack((click, torch.zeros_like(click)), dim=1)
    points = torch.where(boxed[:, None, None], boxes, clicks)
    labels = torch.where(
        boxed[:, None],
        torch.tensor([BOX_TOP_LEFT, BOX_BOTTOM_RIGHT], device=boxed.device),
        torch.tensor([POSITIVE, PAD_LABEL], device=boxed.device),
    )
    return points, labels


def correction(
    prediction_bhw: Tensor, masks_bhw: Tensor, generator: torch.Generator, *, truth_share: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Click where the prediction is wrong: positive on what it missed, negative on what it added.

    One point (x, y) and its label for each object; "no point" where nothing is wrong.
    """
    region = prediction_bhw ^ masks_bhw
    if truth_share > 0:
        anywhere = (torch.rand(len(region), generator=generator) < truth_share).to(region.device)
        region = torch.where(anywhere[:, None, None] & masks_bhw.any(dim=(1, 2), keepdim=True), masks_bhw, region)
    points = click_in(region, generator)
    # The truth at the click says which kind it is.
    columns, rows = points.long().unbind(1)
    inside = masks_bhw[torch.arange(len(points), device=points.device), rows, columns]
    labels = torch.where(inside, POSITIVE, NEGATIVE)
    labels = torch.where(region.flatten(1).any(dim=1), labels, PAD_LABEL)
    return points[:, None], labels[:, None]

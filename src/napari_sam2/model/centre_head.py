"""A small head on the image features that says where the objects of a frame are: a click for each, in one pass.

SAM 2 has none. Its weights lie in a checkpoint under a prefix of their own; models without them work as ever.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import LayerNorm2d

PREFIX = "centre_head."
STRIDE = 4
CENTRE_THRESHOLD = 0.3
_CHANNELS = 48
# A frame shows objects on a hundredth of its cells, more or less; a head that begins there learns sooner.
_RARE = -4.6
# Peaks are this many cells apart, and no nearer to a stronger one than this share of its radius.
_NEIGHBOURHOOD, _CLEARANCE = 3, 0.7


@dataclass(frozen=True)
class CentreMaps:
    """What the head says of each cell of four by four pixels."""

    # (batch, h, w) float32: is this the innermost place of an object.
    logits_bhw: Tensor
    # (batch, h, w) float32: base-2 logarithm of its distance to the object's rim, in pixels of the input.
    log_radius_bhw: Tensor


@dataclass(frozen=True)
class Centres:
    """Places to click on in one frame, the surest first."""

    # (n, 2) float32 in pixels of the input.
    points_nxy: Tensor
    # How sure the head is, and how far away the object's rim.
    scores_n: Tensor
    radii_n: Tensor


class CentreHead(nn.Module):
    """Image features to `CentreMaps`."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.from_s16 = nn.Conv2d(d_model, _CHANNELS, 1)
        self.from_s8 = nn.Conv2d(d_model // 4, _CHANNELS, 1)
        self.from_s4 = nn.Conv2d(d_model // 8, _CHANNELS, 1)
        self.mix_s16, self.mix_s8, self.mix_s4 = (_mixer() for _ in range(3))
        self.out = nn.Conv2d(_CHANNELS, 2, 1)
        with torch.no_grad():
            bias = self.out.get_parameter("bias")
            bias.copy_(torch.tensor((_RARE, 3.0)))

    def forward(self, s4_bchw: Tensor, s8_bchw: Tensor, s16_bchw: Tensor) -> CentreMaps:
        """Say where the objects are, from the features of a frame without any memory."""
        # From coarse to fine: what a thing is comes from the former, where it ends from the latter.
        x = self.mix_s16(self.from_s16(s16_bchw))
        x = self.mix_s8(_doubled(x) + self.from_s8(s8_bchw))
        x = self.mix_s4(_doubled(x) + self.from_s4(s4_bchw))
        logits, log_radius = self.out(x).float().unbind(dim=1)
        return CentreMaps(logits, log_radius)


def _mixer() -> nn.Module:
    return nn.Sequential(nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1), LayerNorm2d(_CHANNELS), nn.GELU())


def _doubled(x_bchw: Tensor) -> Tensor:
    return F.interpolate(x_bchw, scale_factor=2.0, mode="bilinear", align_corners=False)


def find_peaks(maps: CentreMaps, *, threshold: float = CENTRE_THRESHOLD, most: int = 1000) -> list[Centres]:
    """Turn maps into places to click on, for each frame of a batch."""
    scores_bhw = maps.logits_bhw.sigmoid()
    highest = F.max_pool2d(scores_bhw[:, None], _NEIGHBOURHOOD, stride=1, padding=_NEIGHBOURHOOD // 2)[:, 0]
    peaks_bhw = (scores_bhw == highest) & (scores_bhw >= threshold)
    found = []
    for scores, peaks, log_radius in zip(scores_bhw, peaks_bhw, maps.log_radius_bhw, strict=True):
        rows, columns = peaks.nonzero(as_tuple=True)
        order = scores[rows, columns].argsort(descending=True)[:most]
        rows, columns = rows[order], columns[order]
        points = (torch.stack((columns, rows), dim=1) + 0.5) * STRIDE
        radii = log_radius[rows, columns].clamp(-1, 10).exp2()
        kept = _apart(points, radii)
        found.append(Centres(points[kept], scores[rows, columns][kept], radii[kept]))
    return found


def _apart(points_nxy: Tensor, radii_n: Tensor) -> Tensor:
    """Which of the places, the surest first, are not inside the object of a surer one."""
    near_nn = torch.cdist(points_nxy, points_nxy) < _CLEARANCE * torch.maximum(radii_n[:, None], radii_n[None])
    kept = torch.ones(len(points_nxy), dtype=torch.bool, device=points_nxy.device)
    for index in range(len(points_nxy)):
        kept[index] = not bool((near_nn[index, :index] & kept[:index]).any())
    return kept

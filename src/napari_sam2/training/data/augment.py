"""Random augmentation of clips: flips, affine maps, colours, other instruments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage

WINDOW = (0.45, 1.0)
# Limits of the affine map in degrees, and of the colour changes from frame to frame, as in SAM 2's own training
# (spec 6.1).
MOST_TURN, MOST_SHEAR = 25.0, 20.0
FRAME_BRIGHTNESS, FRAME_CONTRAST, FRAME_TINT = 0.1, 0.05, 0.05
# How far a still in motion goes: shares of its sides, radians, and the logarithm of its scale.
_DRIFT_WAY, _DRIFT_TURN, _DRIFT_SCALE = 0.12, 0.25, 0.15


@dataclass(frozen=True)
class Augmentation:
    """How clips are changed."""

    # Smallest and largest side of the window cut out of a clip, as shares of the frame's.
    window: tuple[float, float] = WINDOW
    # Share of the clips cut out by a window that follows an object instead, see `clips.follow_window`.
    follow_share: float = 0.0
    # Shares of the clips that are tilted, and whose colours change from frame to frame, see `tilt` and `flicker`.
    affine_share: float = 0.0
    jitter_share: float = 0.0
    # Share of the clips that look as if another instrument had taken them, see `change_modality`.
    modality_share: float = 0.0


PLAIN = Augmentation()


def turn(
    rng: np.random.Generator, frames: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Flip and transpose the whole clip at random."""
    for axis in (1, 2):
        if rng.random() < 0.5:
            frames, labels = np.flip(frames, axis), np.flip(labels, axis)
    if rng.random() < 0.5:
        frames, labels = frames.swapaxes(1, 2), labels.swapaxes(1, 2)
    return np.ascontiguousarray(frames), np.ascontiguousarray(labels)


def recolour(rng: np.random.Generator, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Change brightness, contrast, tone and channels at random, by one table per channel for the whole clip."""
    if rng.random() < 0.25:
        grey = frames @ np.array((0.3, 0.59, 0.11), dtype=np.float32)
        frames = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)
    elif rng.random() < 0.2:
        frames = frames[..., rng.permutation(3)]
    if rng.random() < 0.3:
        return np.ascontiguousarray(frames)
    # Gamma, contrast, offset and tint as one table for each channel; now and then inverted.
    level = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    gamma = np.exp(rng.normal(0, 0.25))
    contrast = np.exp(rng.normal(0, 0.2)) * np.exp(rng.normal(0, 0.05, 3))
    table = (level**gamma - 0.5) * contrast + 0.5 + rng.normal(0, 0.08) + rng.normal(0, 0.03, 3)
    if rng.random() < 0.12:
        table = 1 - table
    bytes_ = (np.clip(table, 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.stack([bytes_[frames[..., channel], channel] for channel in range(3)], axis=-1)


def tilt(
    rng: np.random.Generator, frames: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Turn and shear all frames alike by up to 25 and 20 degrees; what comes in from outside is black background."""
    turned, sheared = np.deg2rad(rng.uniform((-MOST_TURN, -MOST_SHEAR), (MOST_TURN, MOST_SHEAR)))
    cos, sin = np.cos(turned), np.sin(turned)
    matrix = np.array(((cos, -sin), (sin, cos))) @ np.array(((1, np.tan(sheared)), (0, 1)))
    theta = torch.from_numpy(np.column_stack((matrix, np.zeros(2)))).float()[None].expand(len(frames), -1, -1)
    grid = F.affine_grid(theta, [len(frames), 1, *labels.shape[1:]], align_corners=False)
    pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()
    ids = torch.from_numpy(np.ascontiguousarray(labels))[:, None].float()
    seen = F.grid_sample(pixels, grid, align_corners=False).round().byte()
    owners = F.grid_sample(ids, grid, mode="nearest", align_corners=False)[:, 0].byte()
    return seen.permute(0, 2, 3, 1).numpy(), owners.numpy()


def flicker(rng: np.random.Generator, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Change brightness, contrast and tint of each frame for itself, a little."""
    shape = (len(frames), 1)
    contrast = 1 + rng.uniform(-FRAME_CONTRAST, FRAME_CONTRAST, shape)
    gain = 1 + rng.uniform(-FRAME_BRIGHTNESS, FRAME_BRIGHTNESS, shape)
    gain = gain * (1 + rng.uniform(-FRAME_TINT, FRAME_TINT, (len(frames), 3)))
    # A table for each frame and channel.
    level = np.arange(256)[None, None]
    tables = np.clip(((level - 128) * contrast[..., None] + 128) * gain[..., None] + 0.5, 0, 255).astype(np.uint8)
    changed = [
        np.stack([tables[t, channel][frame[..., channel]] for channel in range(3)], axis=-1)
        for t, frame in enumerate(frames)
    ]
    return np.stack(changed)


def change_modality(rng: np.random.Generator, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make a clip look as if another instrument had taken it: one channel, inverse, blurred, coarse, dark, noisy."""
    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    if rng.random() < 0.3:
        pixels = pixels[:, [int(rng.integers(3))]].expand(-1, 3, -1, -1)
    if rng.random() < 0.35:
        pixels = 1 - pixels
    size = pixels.shape[-2:]
    if rng.random() < 0.25:
        coarse = [max(round(side / rng.uniform(1.5, 4)), 8) for side in size]
        pixels = F.interpolate(F.interpolate(pixels, coarse, mode="area"), size, mode="bilinear")
    elif rng.random() < 0.3:
        pixels = torch.from_numpy(ndimage.gaussian_filter(pixels.numpy(), (0, 0, *[rng.uniform(0.5, 2)] * 2)))
    pixels = pixels ** float(np.exp(rng.normal(0, 0.5)))
    if rng.random() < 0.4:
        # Grey images have the same noise in all channels.
        channels = 1 if torch.equal(pixels[:, 0], pixels[:, 1]) else 3
        noise = rng.normal(0, rng.uniform(0.01, 0.12), (len(pixels), channels, *size)).astype(np.float32)
        pixels = pixels + torch.from_numpy(noise)
    return (pixels.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


def drift(
    rng: np.random.Generator, image: NDArray[np.uint8], labels: NDArray[np.uint8], *, frames: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Make a clip of a still that shifts, turns and grows evenly; what comes in from outside is background."""
    way, turned, scaled = rng.uniform(-1, 1, 2) * _DRIFT_WAY, rng.normal(0, _DRIFT_TURN), rng.normal(0, _DRIFT_SCALE)
    done = np.linspace(0, 1, frames)
    cos, sin = (f(done * turned) * np.exp(done * scaled) for f in (np.cos, np.sin))
    rows = ((cos, -sin, 2 * way[0] * done), (sin, cos, 2 * way[1] * done))
    theta = torch.from_numpy(np.array(rows).transpose(2, 0, 1)).float()
    grid = F.affine_grid(theta, [frames, 1, *labels.shape], align_corners=False)
    pixels = torch.from_numpy(image).permute(2, 0, 1).float().expand(frames, -1, -1, -1)
    ids = torch.from_numpy(labels).float().expand(frames, 1, -1, -1)
    seen = F.grid_sample(pixels, grid, padding_mode="border", align_corners=False).round().byte()
    owners = F.grid_sample(ids, grid, mode="nearest", align_corners=False)[:, 0].byte()
    return seen.permute(0, 2, 3, 1).numpy(), owners.numpy()

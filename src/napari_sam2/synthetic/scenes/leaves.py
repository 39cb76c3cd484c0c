"""Clutter (the dead-leaves model): textured shapes of all sizes on top of each other, much like natural images."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from napari_sam2.synthetic.scene_motion import log_uniform
from napari_sam2.synthetic.textures import Field, Rng, noise_field, palette, texture


def heap(rng: Rng, size: tuple[int, int], *, colours: Field, count: int) -> Field:
    """Heap textured shapes over a textured ground.

    ``colours``: palette of the ground; the shapes take theirs from near it or from anywhere.
    """
    channels = colours.shape[1]
    picture = _image(_ground(rng, size, colours=colours))
    longer = max(size)
    patch = max(16, longer // 2)
    # A few textures serve all shapes, which cut their own part out of them.
    bank = []
    for _ in range(4):
        near = colours if rng.random() < 0.6 else None
        inks = palette(rng, int(rng.integers(2, 5)), channels=channels, near=near, spread=1.5)
        bank.append(_image(texture(rng, (patch, patch), colours=inks)))
    # Large ones first: small things lie in front, so that all sizes stay in sight.
    radii = np.sort([log_uniform(rng, 0.015, 0.24) * longer for _ in range(count)])[::-1]
    for radius in radii:
        _lay(rng, picture, cloth=bank[int(rng.integers(len(bank)))], radius=float(radius))
    return np.asarray(picture, dtype=np.float32).reshape(*size, channels) * np.float32(1 / 255)


def _ground(rng: Rng, size: tuple[int, int], *, colours: Field) -> Field:
    """Draw what the shapes lie on: one texture, or one above and one below a wavy horizon."""
    below = texture(rng, size, colours=colours)
    if rng.random() < 0.5:
        return below
    above = texture(rng, size, colours=palette(rng, 3, channels=colours.shape[1]))
    wave = noise_field(rng, (1, size[1]), cells=rng.uniform(1, 6))[0]
    horizon = size[0] * (rng.uniform(0.3, 0.7) + rng.uniform(0, 0.06) * wave)
    return np.where((np.arange(size[0])[:, None] < horizon)[..., None], above, below)


def _image(picture: Field) -> Image.Image:
    pixels = (np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])


def _lay(rng: Rng, picture: Image.Image, *, cloth: Image.Image, radius: float) -> None:
    """Cut one shape out of a cloth and paste it, in place."""
    side = int(2 * radius) + 2
    mask = Image.new("L", (side, side))
    corners = _corners(rng) * radius + side / 2
    ImageDraw.Draw(mask).polygon([(float(x), float(y)) for x, y in corners], fill=255)
    span = min(side * rng.uniform(0.6, 1.6), cloth.width)
    left, top = rng.uniform(0, cloth.width - span, 2)
    cut = cloth.resize((side, side), Image.Resampling.BILINEAR, (left, top, left + span, top + span))
    if rng.random() < 0.5:
        cut = cut.transpose(Image.Transpose.ROTATE_90)
    shade = rng.uniform(0.7, 1.15)
    cut = cut.point(lambda value: value * shade)
    corner = rng.uniform(-0.05, 1.05, 2) * np.array(picture.size) - side / 2
    picture.paste(cut, (int(corner[0]), int(corner[1])), mask)


def _corners(rng: Rng) -> Field:
    """Draw the corners (n, 2) of a leaf, a stone, a plank or a pole within the unit circle."""
    count = int(rng.choice((3, 4, 5, 24)))
    angle = np.sort(rng.uniform(0, 2 * np.pi, count)) if count < 24 else np.linspace(0, 2 * np.pi, 25)[:-1]
    radius = 1.0 + (
        0.3 * np.cos(int(rng.integers(1, 5)) * angle + rng.uniform(0, 6)) - 0.3 if count == 24 else 0 * angle
    )
    width = log_uniform(rng, 0.08, 1.0) if rng.random() < 0.5 else 1.0
    turn = rng.choice((0.0, np.pi / 2, rng.uniform(0, np.pi)))
    x, y = radius * np.cos(angle), radius * np.sin(angle) * width
    corners = np.stack([np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y], axis=1)
    return np.asarray(corners, dtype=np.float32)

"""Simulated instruments: light, blur, noise, tone, compression."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .scene_motion import log_uniform
from .textures import Field, Rng, noise_field


@dataclass(frozen=True)
class Imaging:
    """How the frames of one clip are taken."""

    # (Y, X) float32 factor.
    light: Field | None
    # (T,) brightness factor.
    flicker: Field
    # (T,) standard deviation in pixels.
    blur: Field
    # Exponent of the tone curve.
    gamma: float = 1.0
    # Standard deviation of the read noise, of a range of 1.
    gaussian: float = 0.0
    # Standard deviation of the shot noise at full brightness.
    poisson: float = 0.0
    # Size of a noise grain in pixels.
    grain: int = 1
    # Compression; None for none.
    jpeg_quality: int | None = None


def draw_imaging(rng: Rng, n_frames: int, *, size: tuple[int, int], noise: float = 1.0) -> Imaging:
    """Draw an instrument; `noise` scales blur, noise and flicker (0: a perfect one)."""
    unit = min(size) / 256
    light = None
    if rng.random() < 0.5 * min(noise, 1):
        light = np.exp(rng.uniform(0.03, 0.2) * noise_field(rng, size, cells=rng.uniform(0.5, 2))).astype(np.float32)
    flicker = np.ones(n_frames)
    if rng.random() < 0.35:
        flicker = np.exp(rng.normal(0, rng.uniform(0.01, 0.12) * noise, n_frames))
    blur = np.full(n_frames, log_uniform(rng, 0.3, 2.2) * unit * noise if rng.random() < 0.5 else 0.0)
    if rng.random() < 0.12:
        blur += (rng.random(n_frames) < 0.3) * rng.uniform(0.5, 3) * unit * noise
    return Imaging(
        light=light,
        flicker=flicker.astype(np.float32),
        blur=blur.astype(np.float32),
        gamma=log_uniform(rng, 0.65, 1.5) if rng.random() < 0.4 else 1.0,
        gaussian=log_uniform(rng, 0.003, 0.06) * noise if rng.random() < 0.6 else 0.0,
        poisson=log_uniform(rng, 0.01, 0.1) * noise if rng.random() < 0.3 else 0.0,
        grain=int(rng.choice((1, 2, 3), p=(0.82, 0.13, 0.05))),
        jpeg_quality=int(rng.integers(25, 90)) if noise > 0 and rng.random() < 0.25 else None,
    )


def expose(rng: Rng, frames: Field, *, imaging: Imaging) -> NDArray[np.uint8]:
    """Take the frames.

    ``frames``: (T, Y, X, channels) float32, 0..1 for black to white; channels is 1 or 3. Changed in place.
    Returned is (T, Y, X, 3) uint8.
    """
    taken = np.empty((*frames.shape[:3], 3), dtype=np.uint8)
    for frame, scene in enumerate(frames):
        if imaging.light is not None:
            scene *= imaging.light[..., None]
        scene *= imaging.flicker[frame]
        np.clip(scene, 0, 1, out=scene)
        if imaging.gamma != 1.0:
            np.power(scene, np.float32(imaging.gamma), out=scene)
        if imaging.blur[frame] > 0.2:
            scene = _blurred(scene, float(imaging.blur[frame]))
        taken[frame] = _developed(_noisy(rng, scene, imaging=imaging), imaging)
    return taken


def _blurred(scene: Field, sigma: float) -> Field:
    image = Image.fromarray(_to_bytes(scene))
    blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(sigma)), dtype=np.float32)
    return np.asarray(blurred.reshape(scene.shape) * np.float32(1 / 255), dtype=np.float32)


def _noisy(rng: Rng, scene: Field, *, imaging: Imaging) -> Field:
    if imaging.gaussian <= 0 and imaging.poisson <= 0:
        return scene
    rows, columns, channels = scene.shape
    grain = imaging.grain
    draw = rng.standard_normal((-(-rows // grain), -(-columns // grain), channels), dtype=np.float32)
    if grain > 1:
        draw = draw.repeat(grain, axis=0).repeat(grain, axis=1)[:rows, :columns]
    if imaging.poisson <= 0:
        draw *= np.float32(imaging.gaussian)
    else:
        draw *= np.sqrt(np.float32(imaging.gaussian**2) + scene * np.float32(imaging.poisson**2))
    draw += scene
    return draw


def _developed(scene: Field, imaging: Imaging) -> NDArray[np.uint8]:
    pixels = _to_bytes(scene)
    if imaging.jpeg_quality is not None:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=imaging.jpeg_quality)
        pixels = np.asarray(Image.open(buffer))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _to_bytes(scene: Field) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = np.clip(scene * np.float32(255) + np.float32(0.5), 0, 255).astype(np.uint8)
    return pixels if pixels.shape[2] == 3 else pixels[..., 0]

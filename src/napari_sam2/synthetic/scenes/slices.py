"""Kind "slices", first half: bodies and their organs cut into slices, as in MRI and CT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_sam2.synthetic.imaging import Imaging, draw_imaging
from napari_sam2.synthetic.random_outlines import draw_outline
from napari_sam2.synthetic.scene_motion import Path, draw_camera, log_uniform, smooth_walk
from napari_sam2.synthetic.scene_settings import DrawnScene, SceneSettings
from napari_sam2.synthetic.sprites import Labels, Scene, Sprite, background_size, compose, level_maps
from napari_sam2.synthetic.textures import Field, Rng, fractal_field, noise_field, palette, texture


@dataclass(frozen=True)
class Lump:
    """A soft body along z."""

    # Slice of its middle, and half its thickness in slices.
    middle: float
    half: float
    # (2,) place in the middle slice.
    centre: Field
    # Radius in the middle slice, in pixels.
    radius: float
    # Brightness.
    value: float
    # The id it writes, 0 for an unlabelled one.
    label: int


@dataclass(frozen=True)
class Trunk:
    """The section of the body that organs lie in."""

    # (2,) pixels.
    centre: Field
    # Half its width in pixels.
    radius: float
    # Height over width.
    aspect: float
    # Brightness.
    value: float
    # Typical difference in brightness between an organ and the rest.
    contrast: float


def draw_organs(rng: Rng, settings: SceneSettings) -> DrawnScene:
    """Draw bodies that grow and vanish, some nested, inside a body outline."""
    trunk = Trunk(
        centre=(np.array(settings.size) * rng.normal(0.5, 0.05, 2)).astype(np.float32),
        radius=(rng.uniform(0.38, 0.55) if rng.random() < 0.6 else rng.uniform(0.6, 1.8)) * min(settings.size),
        aspect=rng.uniform(0.6, 1.0),
        value=rng.uniform(0.2, 0.75),
        contrast=log_uniform(rng, 0.05, 0.4),
    )
    count, clutter = int(rng.integers(1, 7)), int(rng.integers(4, 22))
    lumps: list[Lump] = []
    label = 0
    for is_object in rng.permutation(np.arange(clutter + count) < count):
        label += int(is_object)
        lumps.append(_draw_lump(rng, settings, trunk=trunk, label=label if is_object else 0))
        # Some organs hold another one, half as large.
        if is_object and rng.random() < 0.3:
            label += 1
            value = lumps[-1].value + rng.choice((-1, 1)) * rng.uniform(0.5, 1.5) * trunk.contrast
            half, radius = 0.8 * lumps[-1].half, 0.5 * lumps[-1].radius
            lumps.append(replace(lumps[-1], half=half, radius=radius, value=value, label=label))
    frames, labels = cut_body(rng, settings, trunk=trunk, lumps=lumps)
    return DrawnScene(frames, labels, scanner(rng, settings, contrast=trunk.contrast))


def cut_body(rng: Rng, settings: SceneSettings, *, trunk: Trunk, lumps: Sequence[Lump]) -> tuple[Field, Labels]:
    """Paint the slices of a body, (Z, Y, X, 1) and labels; later lumps lie over earlier ones."""
    # The body first, organs over it, all in faintly noisy air.
    sprites = [_trunk_sprite(rng, settings, trunk=trunk)]
    sprites += [_lump_sprite(rng, settings, lump=lump) for lump in lumps]
    camera = draw_camera(rng, settings.n_frames, size=settings.size, strength=0.15 * settings.motion)
    size = background_size(camera, settings.size)
    air = np.float32(rng.uniform(0, 0.08)) + np.float32(0.01) * noise_field(rng, size, cells=20)
    frames, labels = compose(Scene(air[..., None], camera, tuple(sprites)), settings.size)
    frames *= coil_bias(rng, settings.size)
    return frames, labels


def _draw_lump(rng: Rng, settings: SceneSettings, *, trunk: Trunk, label: int) -> Lump:
    """Draw an organ inside the trunk: unlabelled ones may be as dark as air or as bright as bone."""
    n_frames = settings.n_frames
    angle, out = rng.uniform(0, 2 * np.pi), 0.62 * np.sqrt(rng.random())
    in_view = min(trunk.radius, 0.7 * min(settings.size))
    offset = out * in_view * np.array([trunk.aspect * np.sin(angle), np.cos(angle)])
    room = 0.65 * trunk.aspect * (1 - out) * in_view
    value = trunk.value + trunk.contrast * rng.choice((-1, 1)) * rng.uniform(0.5, 1.5)
    if rng.random() < (0.1 if label else 0.25):
        value = rng.choice((0.02, rng.uniform(0.9, 1.1)))
    return Lump(
        middle=rng.uniform(0.1, 0.9) * n_frames if label else rng.uniform(-0.3, 1.3) * n_frames,
        half=_thickness(rng) * n_frames / max(settings.motion, 0.1),
        centre=(trunk.centre + offset).astype(np.float32),
        radius=min(log_uniform(rng, 0.03, 0.36) * min(settings.size), room),
        value=float(value),
        label=label,
    )


def _thickness(rng: Rng) -> float:
    """Draw half the thickness of an organ as a share of the stack: some end soon, and tissue goes on in their place."""
    return log_uniform(rng, 0.1, 0.35) if rng.random() < 0.4 else log_uniform(rng, 0.25, 2.5)


def _trunk_sprite(rng: Rng, settings: SceneSettings, *, trunk: Trunk) -> Sprite:
    """Draw the body: skin, fat or skull in layers, and a mottled or folded inside that changes with z."""
    n_frames = settings.n_frames
    n_pixels = int(np.clip(2.2 * trunk.radius, 32, 300))
    size = (n_pixels, n_pixels)
    outline = replace(draw_outline(rng, "blob", roughness=rng.uniform(0.1, 0.5)), aspect=trunk.aspect)
    levels = level_maps(rng, outline, n_pixels=n_pixels, extent=1.1, change=rng.uniform(0.02, 0.15))
    # Layers follow the outline at rising depths.
    shell = levels.mean(axis=-1)
    layers = np.zeros(size, dtype=np.float32)
    depth = 0.0
    for _ in range(int(rng.integers(0, 4))):
        depth += rng.uniform(0.01, 0.06)
        width = np.float32(rng.uniform(0.01, 0.04))
        layers += np.exp(-(((shell - np.float32(depth)) / width) ** 2)) * np.float32(rng.uniform(-0.5, 0.6))
    inks = np.float32(trunk.value) + np.float32(trunk.contrast) * (palette(rng, 3, channels=1) - np.float32(0.5))
    early = texture(rng, size, colours=inks, detail=0.02) if rng.random() < 0.3 else _mottle(rng, size, trunk=trunk)
    late = early if rng.random() < 0.3 else _mottle(rng, size, trunk=trunk)
    growth = np.exp(0.02 * settings.motion * smooth_walk(rng, n_frames, inertia=0.9)[:, 0])
    path = Path(
        np.repeat(trunk.centre[None], n_frames, axis=0),
        np.zeros(n_frames, dtype=np.float32),
        (trunk.radius * growth).astype(np.float32),
        np.linspace(0, 1, n_frames, dtype=np.float32),
        np.ones(n_frames, dtype=bool),
    )
    first, last = (np.clip(skin + layers[..., None], 0.01, 1) for skin in (early, late))
    return Sprite(levels, first, 1.1, path, 0, softness=rng.uniform(0.8, 3.0), late_texture=last)


def _mottle(rng: Rng, size: tuple[int, int], *, trunk: Trunk) -> Field:
    """Draw soft or folded tissue: (S, S, 1)."""
    field = fractal_field(rng, size, cells=rng.uniform(3, 14), octaves=4)
    if rng.random() < 0.5:
        field = np.float32(2) * np.exp(-np.abs(field) * np.float32(rng.uniform(1, 6))) - 1
    amount = np.float32(trunk.contrast * rng.uniform(0.05, 0.6))
    return np.asarray(trunk.value + amount * field[..., None], dtype=np.float32)


def _lump_sprite(rng: Rng, settings: SceneSettings, *, lump: Lump) -> Sprite:
    """Turn a lump into a sprite whose radius follows its thickness through the slices."""
    n_frames = settings.n_frames
    depth = (np.arange(n_frames) - lump.middle) / lump.half
    thickness = np.sqrt(np.clip(1 - depth**2, 0, 1))
    drift = smooth_walk(rng, n_frames, dims=2, inertia=0.9) * 0.008 * settings.motion * min(settings.size)
    path = Path(
        (lump.centre + drift).astype(np.float32),
        np.full(n_frames, rng.uniform(0, 2 * np.pi), dtype=np.float32),
        (lump.radius * thickness).astype(np.float32),
        np.clip(0.5 + 0.5 * depth, 0, 1).astype(np.float32),
        thickness > 0.05,
    )
    n_pixels = int(np.clip(2.5 * lump.radius, 20, 200))
    size = (n_pixels, n_pixels)
    kind = str(rng.choice(("blob", "ellipse", "spindle", "parts"), p=(0.6, 0.2, 0.1, 0.1)))
    outline = draw_outline(rng, kind, roughness=rng.uniform(0.2, 0.9))
    levels = level_maps(rng, outline, n_pixels=n_pixels, extent=1.2, change=rng.uniform(0.05, 0.35))
    grain = np.float32(rng.uniform(0, 0.06)) * fractal_field(rng, size, cells=rng.uniform(3, 12), octaves=4)
    skin = np.float32(lump.value) + grain
    if rng.random() < 0.3:
        # A capsule, or the dark wall around a bright chamber.
        width = np.float32(max(rng.uniform(0.06, 0.25), 1.5 / max(lump.radius, 1)))
        skin = skin + np.exp(-((levels[..., 0] / width) ** 2)) * np.float32(rng.normal(0, 0.2))
    skin = np.clip(skin, 0.01, 1.0)[..., None]
    soft = rng.uniform(0.8, 2.5) if rng.random() < 0.7 else max(1.5, rng.uniform(0.1, 0.4) * lump.radius)
    return Sprite(levels, skin.astype(np.float32), 1.2, path, lump.label, softness=float(soft))


def coil_bias(rng: Rng, size: tuple[int, int]) -> Field:
    """Draw the uneven sensitivity of a receiver coil: (Y, X, 1) factor."""
    field = noise_field(rng, size, cells=rng.uniform(0.5, 2.5))
    return np.asarray(np.exp(np.float32(rng.uniform(0, 0.25)) * field)[..., None], dtype=np.float32)


def scanner(rng: Rng, settings: SceneSettings, *, contrast: float) -> Imaging:
    """Draw an instrument for stacks, with no more noise than the contrast bears."""
    imaging = draw_imaging(rng, settings.n_frames, size=settings.size, noise=settings.noise)
    noise = min(log_uniform(rng, 0.004, 0.08) * settings.noise, 0.5 * contrast)
    steady = np.full_like(imaging.blur, imaging.blur.min())
    return replace(imaging, light=None, jpeg_quality=None, gaussian=noise, poisson=0.0, blur=steady)

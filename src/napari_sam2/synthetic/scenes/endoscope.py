"""Kind "endoscope": moist tissue with polyps and steel tools, seen through a lens at the tip of a tube."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_sam2.synthetic.imaging import draw_imaging
from napari_sam2.synthetic.scene_motion import Path, draw_camera, draw_path, log_uniform, smooth_walk
from napari_sam2.synthetic.scene_settings import DrawnScene, SceneSettings
from napari_sam2.synthetic.sprites import Labels, Scene, background_size, compose
from napari_sam2.synthetic.textures import Field, Rng, fractal_field, squash

from .tools import draw_tool
from .tract import draw_glint, draw_polyp, draw_tract, tissue_colours


def draw_endoscope(rng: Rng, settings: SceneSettings) -> DrawnScene:
    """Draw one to four polyps and tools over tissue, with glints, smoke and a vignette."""
    strength = log_uniform(rng, 0.5, 3) * settings.motion
    camera = draw_camera(rng, settings.n_frames, size=settings.size, strength=strength)
    colours = tissue_colours(rng)
    polyps, tools = int(rng.integers(0, 3)), int(rng.integers(0, 3))
    if polyps + tools == 0:
        polyps = 1
    # Polyps on the wall, glints on them, tools in front.
    sprites = [draw_polyp(rng, colours, path=_polyp_path(rng, settings), label=index + 1) for index in range(polyps)]
    sprites += [draw_glint(rng, settings) for _ in range(int(rng.integers(0, 14)))]
    for label in range(polyps + 1, polyps + tools + 1):
        sprites.append(draw_tool(rng, _tool_path(rng, settings), width=log_uniform(rng, 0.03, 0.11), label=label))
    tract = draw_tract(rng, background_size(camera, settings.size), colours=colours)
    smoky = bool(rng.random() < 0.25)
    frames, labels = film(rng, Scene(tract, camera, tuple(sprites)), size=settings.size, smoky=smoky)
    imaging = draw_imaging(rng, settings.n_frames, size=settings.size, noise=settings.noise)
    return DrawnScene(frames, labels, replace(imaging, light=None))


def film(rng: Rng, scene: Scene, *, size: tuple[int, int], smoky: bool) -> tuple[Field, Labels]:
    """Paint a scene as seen through the lens, and through smoke where wanted."""
    frames, labels = compose(scene, size)
    if smoky:
        _smoke(rng, frames)
    light = _lens(rng, size)
    frames *= light[..., None]
    # Nobody can find what the lens lets no light from.
    labels[:, light <= 0.02] = 0
    return frames, labels


def _polyp_path(rng: Rng, settings: SceneSettings) -> Path:
    """Draw where a polyp is: most sit on the wall and only move as the camera does."""
    unit = min(settings.size)
    radius, speed = log_uniform(rng, 0.07, 0.42) * unit, 0.006 * unit * settings.motion
    path = draw_path(rng, settings.n_frames, size=settings.size, radius=radius, speed=speed)
    start = path.centres[:1] if rng.random() < 0.6 else path.centres
    return replace(path, centres=np.broadcast_to(start, path.centres.shape), visible=np.ones_like(path.visible))


def _tool_path(rng: Rng, settings: SceneSettings) -> Path:
    """Draw how a tool reaches in from outside the frame and moves along and across."""
    n_frames, unit = settings.n_frames, min(settings.size)
    length = rng.uniform(0.75, 1.0) * unit
    angle = rng.uniform(0, 2 * np.pi) + 0.03 * settings.motion * smooth_walk(rng, n_frames)[:, 0]
    inward = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    target = np.array(settings.size) * rng.uniform(0.25, 0.75, 2)
    # In and out along the shaft, some all the way, and a little sideways.
    thrust = smooth_walk(rng, n_frames, inertia=0.8) * 0.04 * settings.motion * unit
    if rng.random() < 0.25:
        thrust = thrust - (np.arange(n_frames)[:, None] - rng.integers(0, n_frames)) * rng.normal(0, 0.08) * unit
    sway = smooth_walk(rng, n_frames, dims=2, inertia=0.8) * 0.02 * settings.motion * unit
    opening = 0.5 + 0.5 * np.sin(rng.uniform(0, 6) + np.arange(n_frames) * rng.uniform(0.1, 0.8))
    return Path(
        (target + sway - inward * (length - thrust)).astype(np.float32),
        angle.astype(np.float32),
        np.full(n_frames, length, dtype=np.float32),
        opening.astype(np.float32),
        np.ones(n_frames, dtype=bool),
    )


def _smoke(rng: Rng, frames: Field) -> None:
    """Lay smoke over some frames, in place."""
    size = frames.shape[1], frames.shape[2]
    cloud = squash(fractal_field(rng, size, cells=3, octaves=3)) * np.float32(rng.uniform(0.2, 0.7))
    strength = np.clip(smooth_walk(rng, len(frames))[:, 0] * 0.4 + rng.uniform(0, 0.6), 0, 1)
    for frame, amount in zip(frames, strength, strict=True):
        frame += (np.float32(0.75) - frame) * (cloud * np.float32(amount))[..., None]


def _lens(rng: Rng, size: tuple[int, int]) -> Field:
    """Draw the vignette and, in some clips, the dark round a circular view: (Y, X)."""
    rows, columns = np.ogrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j]
    distance = np.hypot(rows - rng.normal(0, 0.15), columns - rng.normal(0, 0.15))
    light = 1.15 - rng.uniform(0.1, 0.45) * distance**2
    if rng.random() < 0.4:
        rim = np.hypot(rows, columns)
        light = light * np.clip((rng.uniform(0.95, 1.3) - rim) * 40, 0, 1)
    return np.asarray(np.clip(light, 0, 1.2), dtype=np.float32)

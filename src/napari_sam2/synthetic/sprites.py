"""Sprites, textures with an outline that move as one, and their painting into frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .random_outlines import RandomOutline
from .scene_motion import Camera, Path
from .textures import Field, Rng

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Sprite:
    """A thing with an outline and a texture of its own, which move together."""

    # (S, S, 2) float32: the two outlines between which it changes, in units of the radius, positive inside.
    levels: Field
    # (S, S, channels) float32.
    texture: Field
    # Half the side of the maps, in units of the radius.
    extent: float
    path: Path
    # The id it writes, 0 to hide the labels below it, None to leave them.
    label: int | None
    # How far beyond the outline it is painted, in units of the radius.
    reach: float = 0.0
    # Width of the border in pixels.
    softness: float = 1.0
    # 0 to 1.
    opacity: float = 1.0
    # Amplitude (in radii) and waves per radius of a bend that runs along the object.
    ripple: tuple[float, float] = (0.0, 0.0)
    # What the texture has become where the path's blend is 1; None for no change.
    late_texture: Field | None = None


@dataclass(frozen=True)
class Scene:
    """What is in front of the camera."""

    # (h, w, channels) float32; its middle lies at the middle of the world.
    background: Field
    camera: Camera
    # Back to front.
    sprites: tuple[Sprite, ...]


def grid(n_pixels: int, extent: float) -> tuple[Field, Field]:
    """Coordinates of an object's own maps: rows (S, 1) and columns (1, S), from -extent to extent."""
    axis = np.linspace(-extent, extent, n_pixels, dtype=np.float32)
    return axis[:, None], axis[None, :]


def level_maps(rng: Rng, outline: RandomOutline, *, n_pixels: int, extent: float, change: float) -> Field:
    """Stack the level maps of an outline and of one that differs by about `change`: (S, S, 2)."""
    axes = grid(n_pixels, extent)
    first = outline.level(axes)
    if change <= 0:
        return np.stack([first, first], axis=-1)
    return np.stack([first, outline.jittered(rng, change).level(axes)], axis=-1)


def background_size(camera: Camera, size: tuple[int, int]) -> tuple[int, int]:
    """Size of a background that covers every view of the camera."""
    corners = np.array([[0, 0], [0, size[1]], [size[0], 0], [size[0], size[1]]], dtype=np.float64)
    middle = np.array(size) / 2
    reach = np.zeros(2)
    for angle, zoom, offset in zip(camera.angles, camera.zooms, camera.offsets, strict=True):
        cos, sin = np.cos(angle), np.sin(angle)
        world = (corners - middle - offset) @ np.array([[cos, sin], [-sin, cos]]) / zoom
        reach = np.maximum(reach, np.abs(world).max(axis=0))
    rows, columns = (int(2 * np.ceil(half) + 4) for half in reach)
    return rows, columns


def compose(scene: Scene, size: tuple[int, int]) -> tuple[Field, Labels]:
    """Paint every frame: (T, Y, X, channels) float32, about 0..1, and (T, Y, X) labels."""
    n_frames = len(scene.camera.zooms)
    frames = np.empty((n_frames, *size, scene.background.shape[2]), dtype=np.float32)
    labels = np.zeros((n_frames, *size), dtype=np.uint8)
    planes = (np.clip(scene.background, 0, 1) * 255).astype(np.uint8)
    image = Image.fromarray(planes if planes.shape[2] == 3 else planes[..., 0])
    for frame in range(n_frames):
        frames[frame] = _view(image, scene.camera, frame=frame, size=size)
        for sprite in scene.sprites:
            if sprite.path.visible[frame]:
                _paint(sprite, scene.camera, frame=frame, canvas=frames[frame], labels=labels[frame])
    return frames, labels


def _view(image: Image.Image, camera: Camera, *, frame: int, size: tuple[int, int]) -> Field:
    """Sample the background as the camera sees it."""
    cos, sin = np.cos(camera.angles[frame]), np.sin(camera.angles[frame])
    inverse = np.array([[cos, -sin], [sin, cos]]) / camera.zooms[frame]
    origin = -inverse @ (np.array(size) / 2 + camera.offsets[frame]) + np.array([image.height, image.width]) / 2
    (yy, yx), (xy, xx) = inverse
    coefficients = (xx, xy, origin[1], yx, yy, origin[0])
    view = image.transform((size[1], size[0]), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
    return np.asarray(view, dtype=np.float32).reshape(*size, -1) * np.float32(1 / 255)


def _paint(sprite: Sprite, camera: Camera, *, frame: int, canvas: Field, labels: Labels) -> None:
    path = sprite.path
    centre = camera.project(path.centres[frame], frame, size=labels.shape)
    radius = float(path.radii[frame] * camera.zooms[frame])
    half = radius * min(sprite.extent, 1.15 + sprite.reach) + 2
    low = np.maximum(np.floor(centre - half).astype(int), 0)
    high = np.minimum(np.ceil(centre + half).astype(int) + 1, labels.shape)
    if radius < 0.5 or (low >= high).any():
        return
    # Level and texture are looked up for the pixels that the sprite can reach.
    box = slice(low[0], high[0]), slice(low[1], high[1])
    angle = float(path.angles[frame] + camera.angles[frame])
    corners = _lookup(sprite, (low - centre) / radius, span=(high - low, 1 / radius), angle=angle, frame=frame)
    level = _mix(sprite.levels, corners)
    blend = np.float32(path.blend[frame])
    distance = (level[..., 0] + blend * (level[..., 1] - level[..., 0])) * np.float32(radius)
    # Soft at the border and opaque within; labels are hard.
    edge = distance + np.float32(sprite.reach * radius)
    alpha = np.clip(edge * np.float32(1 / sprite.softness) + np.float32(0.5), 0, 1) * np.float32(sprite.opacity)
    skin = _mix(sprite.texture, corners)
    if sprite.late_texture is not None:
        skin += blend * (_mix(sprite.late_texture, corners) - skin)
    view = canvas[box]
    view += alpha[..., None] * (skin - view)
    if sprite.label is not None:
        labels[box][distance > 0] = sprite.label


Corners = tuple[NDArray[np.intp], int, Field, Field]


def _lookup(sprite: Sprite, first: Field, *, span: tuple[NDArray[np.int_], float], angle: float, frame: int) -> Corners:
    """Find, for each pixel of a box, its place in the sprite's maps: index, row length, and the two fractions."""
    shape, step = span
    rows = (first[0] + np.arange(shape[0]) * step).astype(np.float32)[:, None]
    columns = (first[1] + np.arange(shape[1]) * step).astype(np.float32)[None, :]
    # From frame to sprite: turn back, then undo ripple and stretch.
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    v = cos * rows - sin * columns
    u = sin * rows + cos * columns
    amplitude, waves = sprite.ripple
    if amplitude > 0:
        v = v + np.float32(amplitude) * np.sin(np.float32(waves) * u + np.float32(0.9 * frame))
    if sprite.path.stretch is not None:
        v = v / sprite.path.stretch[frame]
    # In cells of the maps; the last cell is left out, so that a neighbour always exists.
    n_pixels = sprite.levels.shape[0]
    to_index = np.float32((n_pixels - 1) / (2 * sprite.extent))
    v = np.clip((v + np.float32(sprite.extent)) * to_index, 0, n_pixels - 1.001)
    u = np.clip((u + np.float32(sprite.extent)) * to_index, 0, n_pixels - 1.001)
    iv, iu = v.astype(np.int32), u.astype(np.int32)
    return (iv * n_pixels + iu).astype(np.intp), n_pixels, v - iv.astype(np.float32), u - iu.astype(np.float32)


def _mix(maps: Field, corners: Corners) -> Field:
    """Interpolate maps (S, S, K) bilinearly: (h, w, K)."""
    index, row, part_v, part_u = corners
    flat = maps.reshape(-1, maps.shape[2])
    part_v, part_u = part_v[..., None], part_u[..., None]
    # Along the rows first; in place, for this is where rendering spends its time.
    upper = np.take(flat, index, axis=0)
    upper += part_u * (np.take(flat, index + 1, axis=0) - upper)
    lower = np.take(flat, index + row, axis=0)
    lower += part_u * (np.take(flat, index + row + 1, axis=0) - lower)
    lower -= upper
    lower *= part_v
    lower += upper
    return lower

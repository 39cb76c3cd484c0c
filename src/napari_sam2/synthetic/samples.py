"""Samples for demo and documentation: small stacks, drawn on request, with their true labels and prompts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam2.synthetic.scenes.cell_looks import Culture
from napari_sam2.synthetic.scenes.cells import grow
from napari_sam2.synthetic.scenes.endoscope import film
from napari_sam2.synthetic.scenes.slices import Lump, Trunk, cut_body
from napari_sam2.synthetic.scenes.tools import draw_tool
from napari_sam2.synthetic.scenes.tract import draw_polyp, draw_tract, tissue_colours

from . import SceneSettings
from .imaging import Imaging, expose
from .random_outlines import draw_outline
from .scene_motion import Camera, Path, still_path
from .sprites import Scene, background_size
from .textures import Rng

# Training seeds its generators with one number or two; three never give the same scene.
_SEEDS = {"cells": (2026, 11, 11), "zstack": (2026, 11, 8), "endoscope": (2026, 11, 6)}
_MOST_PROMPTS = 6


@dataclass(frozen=True, eq=False)
class Sample:
    """A stack with the truth about it.

    Attributes
    ----------
    name : str
        One of `SAMPLES`.
    frames : ndarray
        (T, Y, X) or (Z, Y, X), of any number type, or (T, Y, X, 3) uint8.
    labels : ndarray
        (T, Y, X) or (Z, Y, X) uint8: 0 for background, the same id for the same object throughout.
    axis : str
        "t" for time, "z" for slices.
    pixel_size : tuple of float or None
        Height and width of a pixel in `unit`.
    step : float or None
        Distance between slices in `unit`; None for time.
    unit : str or None
        "um" or "mm".
    prompts : tuple of dict
        One for each of the largest objects, as entries of ``prompts.json``: a click on it or a box around it.
    """

    name: str
    frames: NDArray[Any]
    labels: NDArray[np.uint8]
    axis: Literal["t", "z"]
    pixel_size: tuple[float, float] | None
    step: float | None
    unit: str | None
    prompts: tuple[dict[str, Any], ...]


def make_sample(name: str) -> Sample:
    """Draw a sample; it is the same every time.

    Parameters
    ----------
    name : str
        One of `SAMPLES`: "cells" is a time-lapse (30, 256, 256) uint16 of fluorescent cells, "zstack" is a scan
        (24, 256, 256) float32 of a body with organs, "endoscope" is a film (30, 240, 320, 3) uint8 in which a tool
        comes in, hides a polyp and leaves.

    Returns
    -------
    Sample
        The stack, its truth and prompts.

    Raises
    ------
    ValueError
        If there is no sample of that name.
    """
    if name not in SAMPLES:
        raise ValueError(f"there is no sample called {name!r}: choose one of {', '.join(SAMPLES)}")
    return SAMPLES[name](np.random.default_rng(_SEEDS[name]))


def draw_culture(
    rng: Rng, settings: SceneSettings, *, speed: float, roughness: float, contrast: float, count: int
) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Draw fluorescent cells that move, grow and divide: frames and labels, (T, Y, X); `Culture` says what changes."""
    culture = Culture(
        radius=17.0,
        speed=speed,
        roughness=roughness,
        contrast=contrast,
        outlines=tuple(draw_outline(rng, "blob", roughness=roughness) for _ in range(3)),
        floor=0.06,
        look="fluorescent",
        light_angle=0.0,
    )
    field, labels = grow(rng, settings, culture=culture, count=count)
    # A 12-bit camera: an offset, about 2000 photons in a bright pixel, and a little read noise.
    photons = rng.poisson(np.clip(field[..., 0], 0, 1.5) * 2000)
    return np.clip(100 + photons + rng.normal(0, 6, photons.shape), 0, 4095).astype(np.uint16), labels


def _cells(rng: Rng) -> Sample:
    settings = SceneSettings(size=(256, 256), n_frames=30, motion=0.6)
    counts, labels = draw_culture(rng, settings, speed=0.12, roughness=0.35, contrast=0.55, count=18)
    prompts = _prompts(labels, axis="t")
    return Sample("cells", counts, labels, "t", (0.65, 0.65), None, "um", prompts)


def _zstack(rng: Rng) -> Sample:
    settings = SceneSettings(size=(256, 256), n_frames=24, motion=0.4)
    trunk = Trunk(np.full(2, 128, dtype=np.float32), radius=112.0, aspect=0.85, value=0.42, contrast=0.2)
    organs = (
        ((10.0, 15.0), (112, 82), 44.0, 0.58, 1),
        ((14.0, 9.0), (150, 172), 26.0, 0.68, 2),
        ((8.0, 8.0), (92, 168), 22.0, 0.26, 3),
        ((13.0, 6.0), (112, 78), 15.0, 0.85, 4),
        ((12.0, 40.0), (186, 126), 17.0, 1.0, 0),
        ((4.0, 7.0), (140, 118), 12.0, 0.12, 0),
        ((19.0, 8.0), (84, 124), 15.0, 0.62, 0),
    )
    lumps = [
        Lump(middle, half, np.array(centre, dtype=np.float32), radius, value, label)
        for (middle, half), centre, radius, value, label in organs
    ]
    field, labels = cut_body(rng, settings, trunk=trunk, lumps=lumps)
    # Magnitude of a complex signal with noise in both parts, as magnetic resonance gives it.
    real, imaginary = 0.025 * rng.standard_normal((2, *labels.shape), dtype=np.float32)
    signal = 800 * np.hypot(field[..., 0] + real, imaginary)
    prompts = _prompts(labels, axis="z")
    return Sample("zstack", signal.astype(np.float32), labels, "z", (0.9, 0.9), 3.0, "mm", prompts)


def _endoscope(rng: Rng) -> Sample:
    n_frames, size = 30, (240, 320)
    turn = np.linspace(0, 2 * np.pi, n_frames)
    camera = Camera(
        offsets=np.stack([6 * np.sin(turn), 10 * np.sin(turn / 2)], axis=1).astype(np.float32),
        angles=(0.04 * np.sin(turn)).astype(np.float32),
        zooms=np.linspace(1.0, 1.15, n_frames, dtype=np.float32),
    )
    colours = tissue_colours(rng)
    # Clear of the tool's course, and right on it.
    aside = still_path(n_frames, np.array([78, 110], dtype=np.float32), radius=48.0)
    below = still_path(n_frames, np.array([158, 190], dtype=np.float32), radius=15.0, angle=1.0)
    sprites = (
        draw_polyp(rng, colours, path=aside, label=1),
        draw_polyp(rng, colours, path=below, label=2),
        draw_tool(rng, _in_and_out(n_frames), width=0.1, label=3),
    )
    tract = draw_tract(rng, background_size(camera, size), colours=colours)
    field, labels = film(rng, Scene(tract, camera, sprites), size=size, smoky=False)
    steady = np.ones(n_frames, dtype=np.float32)
    frames = expose(rng, field, imaging=Imaging(None, steady, 0.6 * steady, gaussian=0.012))
    prompts = _prompts(labels, axis="t", boxed=(3,))
    return Sample("endoscope", frames, labels, "t", None, None, None, prompts)


def _in_and_out(n_frames: int) -> Path:
    """Draw the course of a tool from the right: outside, in over the middle, and out again."""
    frames = np.arange(n_frames)
    length, row = 200.0, 158.0
    tip = np.interp(frames, (3, 11, 17, 25), (345.0, 130.0, 130.0, 380.0))
    centres = np.stack([row + 4 * np.sin(frames / 4), tip + length], axis=1)
    return Path(
        centres.astype(np.float32),
        np.full(n_frames, np.pi, dtype=np.float32),
        np.full(n_frames, length, dtype=np.float32),
        (0.5 + 0.5 * np.sin(frames / 3)).astype(np.float32),
        np.ones(n_frames, dtype=bool),
    )


def _prompts(
    labels: NDArray[np.uint8], *, axis: Literal["t", "z"], boxed: tuple[int, ...] = ()
) -> tuple[dict[str, Any], ...]:
    """Prompt the largest objects: where each is first well in view (t) or on its largest slice (z)."""
    areas = np.stack([np.bincount(frame.ravel(), minlength=256) for frame in labels])[:, 1:]
    lasting = np.flatnonzero((areas > 0).mean(axis=0) >= 0.5)
    chosen = sorted(lasting, key=lambda column: -areas[:, column].max())[:_MOST_PROMPTS]
    entries = []
    for column in sorted(chosen):
        area = areas[:, column]
        frame = int(area.argmax() if axis == "z" else (area >= 0.6 * area.max()).argmax())
        shape = _box if column + 1 in boxed else _click
        entries.append({"frame": frame, "object": int(column + 1), **shape(labels[frame] == column + 1)})
    return tuple(entries)


def _click(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Click where an object is thickest."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), mask.shape)
    return {"points": [[int(y), int(x)]], "labels": [1]}


def _box(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Draw the box (y0, x0, y1, x1) around an object."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return {"box": [int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1]}


SAMPLES: Mapping[str, Callable[[Rng], Sample]] = MappingProxyType(
    {"cells": _cells, "zstack": _zstack, "endoscope": _endoscope}
)

"""Render a clip of any kind of scene."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_sam2.synthetic.scenes.cells import draw_cells
from napari_sam2.synthetic.scenes.colonies import draw_colony
from napari_sam2.synthetic.scenes.endoscope import draw_endoscope
from napari_sam2.synthetic.scenes.slices import draw_organs
from napari_sam2.synthetic.scenes.tissue import draw_tissue

from .imaging import expose
from .objects import draw_absences, draw_natural, draw_shapes
from .scene_settings import ABSENCES, KINDS, Clip, DrawnScene, SceneSettings
from .textures import Rng


def _draw_cells(rng: Rng, settings: SceneSettings) -> DrawnScene:
    """Draw cells that wander, or a colony of rods."""
    return draw_colony(rng, settings) if rng.random() < 0.35 else draw_cells(rng, settings)


def _draw_slices(rng: Rng, settings: SceneSettings) -> DrawnScene:
    """Draw a stack of slices through organs or through dense tissue."""
    return draw_tissue(rng, settings) if rng.random() < 0.35 else draw_organs(rng, settings)


_DRAW: dict[str, Callable[[Rng, SceneSettings], DrawnScene]] = {
    "shapes": draw_shapes,
    "cells": _draw_cells,
    "slices": _draw_slices,
    "endoscope": draw_endoscope,
    "natural": draw_natural,
    ABSENCES: draw_absences,
}
_ATTEMPTS = 4
_SMALLEST_AREA = 24


def render_clip(rng: np.random.Generator, settings: SceneSettings) -> Clip:
    """Render a clip; the same state of the generator gives the same clip."""
    # Scenes in which hardly anything is seen are drawn again, a few times.
    for _ in range(_ATTEMPTS):
        kind = settings.kind or str(rng.choice(KINDS, p=(0.25, 0.18, 0.17, 0.15, 0.25)))
        drawing = _DRAW[kind](rng, settings)
        if np.count_nonzero(drawing.labels) >= _SMALLEST_AREA * settings.n_frames:
            break
    return Clip(expose(rng, drawing.frames, imaging=drawing.imaging), drawing.labels)

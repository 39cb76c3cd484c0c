"""Objects that are dark and bright at once are proposed as wholes; no model."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from drawn_discs import SIZE, candidate, disc
from napari_sam2.session.population.blobs import Blob
from napari_sam2.session.population.candidates import make_candidates
from napari_sam2.session.population.mask_proposals import MaskProposal
from napari_sam2.session.population.mixed_regions import mixed_proposals


def phase_contrast(*, rim: float) -> np.ndarray:
    """Two cells, each a dark core in a rim that is brighter than the ground by so much."""
    image = np.random.default_rng(0).normal(100, 2, SIZE)
    for x in (40, 110):
        image[disc(60, x, 9)] += rim
        image[disc(60, x, 5)] -= 60 + rim
    return gaussian_filter(image, 0.7).astype(np.float32)


def mask(x: float, radius: float, place: float, score: float) -> MaskProposal:
    one = candidate(60, x, radius)
    return MaskProposal(one.area, one.mask, score, Blob(60, place, radius, 50.0))


# The model is not sure of them.
CORES = [mask(x, 4, x + by, 0.4) for x in (40, 110) for by in (-1, 0, 1)]


def test_a_core_and_its_rim_are_one_object() -> None:
    image = phase_contrast(rim=60)
    made = make_candidates([*CORES, *mixed_proposals(image, CORES)], image)
    for one, x in zip(sorted(made[:2], key=lambda one: one.centre[1]), (40, 110), strict=True):
        whole = np.zeros(SIZE, bool)
        whole[one.area] = one.mask
        assert (whole & disc(60, x, 9)).sum() / (whole | disc(60, x, 9)).sum() > 0.6


def test_what_is_dark_alone_has_no_rim() -> None:
    assert mixed_proposals(phase_contrast(rim=0), CORES) == []
    assert mixed_proposals(phase_contrast(rim=60), []) == []


def test_dark_objects_that_the_model_sees_are_no_cores() -> None:
    seen = [mask(x, 5, x, 0.8) for x in (40, 110)]
    assert mixed_proposals(phase_contrast(rim=60), seen) == []

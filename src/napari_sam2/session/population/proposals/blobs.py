"""Places to click on: blobs, brighter or darker than what surrounds them, of any size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import cKDTree

# Blobs are looked for at sizes a factor of the root of two apart, from this radius in pixels on.
_SMALLEST_RADIUS = 3.0
_STEP = 2**0.5
# The largest blob's diameter, as a share of the frame's shorter side.
_LARGEST_SHARE = 0.5
# A difference of two Gaussians whose widths differ by this factor comes close to the Laplacian (Marr and Hildreth).
_WIDER = 1.6
# A blob stands out of its scale by so many robust deviations, and by so many grey levels.
_DEVIATIONS, _LEVELS = 5.0, 5.0
# Nearer to the middle of a stronger blob than this share of its radius, a blob of its size or smaller is a part of it.
_CLEARANCE, _SAME_SIZE = 0.7, 1.5
# A difference of Gaussians answers with the other sign around a blob, with up to this share of its strength; two blobs
# share their surroundings.
_RING = 0.4


@dataclass(frozen=True)
class Blob:
    """A place where something stands out."""

    # In pixels of the image.
    y: float
    x: float
    radius: float
    # How far it stands out, in grey levels.
    strength: float
    # Whether it is brighter than its surroundings.
    is_bright: bool = True


def find_blobs(grey: NDArray[np.floating], *, most: int = 2000) -> list[Blob]:
    """Find blobs in a (Y, X) image of grey levels, the strongest first."""
    rows = []
    radius = _SMALLEST_RADIUS
    while 2 * radius <= _LARGEST_SHARE * min(grey.shape):
        rows += _peaks(grey, radius)
        radius *= _STEP
    rows.sort(key=lambda blob: -blob.strength)
    return _without_rings(_apart(rows[: 4 * most]))[:most]


def _peaks(grey: NDArray[np.floating], radius: float) -> list[Blob]:
    # A disc answers most to a Gaussian of its radius by the root of two. Large blobs are found as well on a coarser
    # grid.
    sigma = radius / 2**0.5
    cell = max(int(sigma / 2), 1)
    coarse = _binned(grey, cell).astype(np.float32)
    narrow, wide = (gaussian_filter(coarse, s / cell, mode="nearest", truncate=3) for s in (sigma, _WIDER * sigma))
    response = narrow - wide
    middle = float(np.median(response))
    threshold = max(_DEVIATIONS * 1.4826 * float(np.median(np.abs(response - middle))), _LEVELS)
    found = []
    for is_bright, signed in ((True, response), (False, -response)):
        highest = maximum_filter(signed, 2 * max(round(sigma / cell), 1) + 1)
        for row, column in zip(*np.nonzero((signed == highest) & (signed > threshold)), strict=True):
            y, x = (row + 0.5) * cell - 0.5, (column + 0.5) * cell - 0.5
            found.append(Blob(float(y), float(x), radius, float(signed[row, column]), is_bright))
    return found


def _binned(image: NDArray[np.floating], cell: int) -> NDArray[np.floating]:
    height, width = (length // cell * cell for length in image.shape)
    binned: NDArray[np.floating] = image[:height, :width].reshape(height // cell, cell, width // cell, cell)
    return np.asarray(binned.mean(axis=(1, 3)))


def _apart(blobs: list[Blob]) -> list[Blob]:
    """Leave out, the strongest first, what is only a part of a blob that was kept."""
    if not blobs:
        return []
    places = np.array([(blob.y, blob.x) for blob in blobs])
    radii = np.array([blob.radius for blob in blobs])
    tree, kept = cKDTree(places), np.ones(len(blobs), bool)
    for index in range(len(blobs)):
        if kept[index]:
            near = [i for i in tree.query_ball_point(places[index], _CLEARANCE * radii[index]) if i > index]
            kept[[i for i in near if radii[i] <= _SAME_SIZE * radii[index]]] = False
    return [blob for blob, is_kept in zip(blobs, kept, strict=True) if is_kept]


def _without_rings(blobs: list[Blob]) -> list[Blob]:
    """Leave out what is no more than the surroundings of stronger blobs of the other kind."""
    kept = []
    for is_bright in (True, False):
        own, others = ([blob for blob in blobs if blob.is_bright is kind] for kind in (is_bright, not is_bright))
        if not others:
            kept += own
            continue
        tree = cKDTree([(blob.y, blob.x) for blob in others])
        radii = np.array([blob.radius for blob in others])
        strengths = np.array([blob.strength for blob in others])
        for blob in own:
            near = np.array(tree.query_ball_point((blob.y, blob.x), blob.radius + 2 * radii.max()), int)
            apart = np.hypot(*(tree.data[near] - (blob.y, blob.x)).T)
            close = near[apart < blob.radius + 2 * radii[near]]
            if blob.strength >= _RING * strengths[close].max(initial=0):
                kept.append(blob)
    return sorted(kept, key=lambda blob: -blob.strength)

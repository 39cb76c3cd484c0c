from __future__ import annotations

import torch

from napari_sam2.model.centre_head import STRIDE, CentreHead, CentreMaps, find_peaks
from napari_sam2.model.config import CONFIGS
from napari_sam2.model.sam2 import build_sam2


def maps_with(*peaks: tuple[int, int, float, float], size: int = 32) -> CentreMaps:
    logits, log_radius = torch.full((1, size, size), -8.0), torch.zeros(1, size, size)
    for row, column, logit, radius in peaks:
        logits[0, row, column] = logit
        log_radius[0, row, column] = torch.tensor(radius).log2()
    return CentreMaps(logits, log_radius)


def test_a_head_speaks_of_every_fourth_pixel() -> None:
    config = CONFIGS["sam2_nano"].with_image_size(64)
    model = build_sam2(config)
    features = model.encode_image(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    assert model.find_centres(features) is None
    model.centre_head = CentreHead(config.d_model)
    maps = model.find_centres(features)
    assert maps is not None
    assert maps.logits_bhw.shape == maps.log_radius_bhw.shape == (2, 64 // STRIDE, 64 // STRIDE)
    assert sum(p.numel() for p in model.centre_head.parameters()) < 100_000


def test_peaks_become_clicks_the_surest_first() -> None:
    (found,) = find_peaks(maps_with((4, 20, 1.0, 8.0), (25, 6, 3.0, 12.0), (10, 10, -2.0, 8.0)), threshold=0.5)
    assert found.points_nxy.tolist() == [[26.0, 102.0], [82.0, 18.0]]
    assert found.radii_n.round().tolist() == [12.0, 8.0]
    assert found.scores_n[0] > found.scores_n[1]


def test_two_peaks_in_one_object_are_one_click() -> None:
    (found,) = find_peaks(maps_with((10, 10, 3.0, 40.0), (10, 14, 2.0, 40.0), (10, 28, 1.0, 10.0)), threshold=0.5)
    assert found.points_nxy[:, 0].tolist() == [42.0, 114.0]


def test_nothing_is_found_where_nothing_is() -> None:
    (found,) = find_peaks(maps_with(), threshold=0.5)
    assert found.points_nxy.shape == (0, 2)

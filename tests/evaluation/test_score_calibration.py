"""Object scores: ranking and calibration by hand-made numbers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_sam2.evaluation.score_calibration import ScoreCheck, draw_calibration


def check(scores: list[float], seen: list[int]) -> ScoreCheck:
    return ScoreCheck(np.array(scores), np.array(seen, bool))


def test_calibration_error_by_hand() -> None:
    # two bins: mean 0.95 with 1 of 2 there, mean 0.12 with 0 of 2 there
    one = check([0.92, 0.98, 0.11, 0.13], [1, 0, 0, 0])
    assert one.bins() == [(pytest.approx(0.12), 0.0, 2), (pytest.approx(0.95), 0.5, 2)]
    assert one.calibration_error == pytest.approx((0.45 + 0.12) / 2)
    assert one.auc == pytest.approx(2 / 3)
    assert one.report() == {
        "auc": 0.6667,
        "calibration_error": 0.285,
        "answers": 4,
        "hidden": 3,
        "hidden_called_hidden": 2,
        "seen_called_hidden": 0,
    }


def test_a_score_of_one_belongs_to_the_last_bin() -> None:
    assert check([1.0, 0.95], [1, 1]).bins() == [(0.975, 1.0, 2)]


def test_objects_that_never_hide_cannot_be_ranked() -> None:
    assert math.isnan(check([0.9, 0.8], [1, 1]).auc)
    assert check([0.9], [1]).report()["auc"] is None
    assert check([], []).report()["calibration_error"] == 0


def test_the_picture_shows_where_the_bins_lie(tmp_path: Path) -> None:
    draw_calibration(check([0.05] * 50 + [0.95] * 50, [0] * 50 + [1] * 50), tmp_path / "good.png")
    draw_calibration(check([0.05] * 50 + [0.95] * 50, [1] * 50 + [0] * 50), tmp_path / "bad.png")
    good, bad = (np.asarray(Image.open(tmp_path / name).convert("RGB"), int) for name in ("good.png", "bad.png"))
    assert good.shape == (360, 360, 3)
    coloured = [np.argwhere(np.ptp(image, axis=2) > 60) for image in (good, bad)]
    # rows grow downwards: a good score's dots rise to the right, a bad one's fall
    assert [np.sign(np.corrcoef(points.T)[0, 1]) for points in coloured] == [-1, 1]

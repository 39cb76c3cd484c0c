"""What a person has said of some masks changes what is expected of others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.data.labels.provenance import Maker, Provenance, Replaced
from napari_sam2.data.labels.scores import ScoreRow
from napari_sam2.session.quality.expected_quality import expected_quality
from napari_sam2.session.quality.quality_curves import load_curves
from napari_sam2.session.quality.recalibration import JudgedMask, QualityCalibration, judged_masks, refitted

NANO, OTHER = Maker("nano", "1", "standard"), Maker("other", "2", "standard")
SHARE = st.floats(0, 1)


def tracked(frame: int, sharpness: float, maker: Maker = NANO) -> ScoreRow:
    return ScoreRow(frame, 1, 0.9, 0.9, sharpness=sharpness, made=Provenance("tracked", maker))


def test_what_counts_as_said() -> None:
    was = Replaced(0.8, 0.3, NANO)
    rows = [
        ScoreRow(0, 1, 1, 1, accepted=True, sharpness=0.9, made=Provenance("tracked", NANO)),
        ScoreRow(1, 1, 1, 1, accepted=True, made=Provenance("clicked", OTHER, corrected=True), replaced=was),
        ScoreRow(2, 1, 1, 1, made=Provenance("painted", None, corrected=True), replaced=was),
        # A click is the model's answer: it may still be wrong. Nor does it say anything of tracking where none was.
        ScoreRow(3, 1, 1, 1, made=Provenance("clicked", NANO, corrected=True), replaced=was),
        ScoreRow(4, 1, 1, 1, accepted=True, sharpness=0.9, made=Provenance("clicked", NANO)),
        # Of an earlier version.
        ScoreRow(5, 1, 1, 1, accepted=True, sharpness=0.9),
        tracked(6, 0.9),
    ]
    said = JudgedMask(NANO, 0.8, 0.3)
    assert list(judged_masks(rows)) == [JudgedMask(NANO, 0.9, 1.0), said, said]


@pytest.mark.parametrize(("overlap", "way"), [(0.1, -1), (1.0, 1)])
def test_a_model_that_is_surer_or_less_sure_than_others(overlap: float, way: int) -> None:
    rows, shipped = [tracked(t, 0.9) for t in range(4)], load_curves().expect(np.array([0.9]))[:, 0]
    moves = []
    for n in (1, 5, 50, 500):
        quality = expected_quality(rows, QualityCalibration((JudgedMask(NANO, 0.9, overlap),) * n))
        moves.append(way * (quality.mean[0] - shipped[0]))
        assert quality.low[0] <= quality.mean[0] <= quality.high[0]
    # Little by one frame, nearly all by many.
    assert moves == sorted(moves)
    assert moves[0] < 0.1
    assert quality.mean[0] == pytest.approx(overlap, abs=0.05)
    assert quality.low[0] <= overlap <= quality.high[0] + 1e-6


def test_what_was_said_of_one_model_says_nothing_of_another() -> None:
    calibration = QualityCalibration((JudgedMask(OTHER, 0.9, 0.1),) * 50)
    rows = [tracked(0, 0.9), tracked(1, 0.9, OTHER)]
    mine, other = expected_quality(rows, calibration).mean
    assert mine == expected_quality(rows).mean[0] > 0.5 > other


@given(st.lists(st.tuples(SHARE, SHARE), max_size=30))
def test_curves_never_fall_and_never_cross(pairs: list[tuple[float, float]]) -> None:
    curves = refitted(load_curves(), [JudgedMask(None, *pair) for pair in pairs])
    mean, low, high = curves.expect(np.linspace(0, 1, 50))
    assert ((low >= 0) & (low <= mean + 1e-9) & (mean <= high + 1e-9) & (high <= 1)).all()
    assert (np.diff(mean) >= -1e-9).all()
    assert 0 <= curves.unknown[1] <= curves.unknown[0] <= curves.unknown[2] <= 1


@pytest.mark.parametrize("bias", [-0.35, 0.0, 0.2])
def test_the_interval_holds_for_masks_that_nobody_has_judged(bias: float) -> None:
    draw, shipped = np.random.default_rng(0), load_curves()
    sharpness = draw.uniform(0.5, 1.0, 600)
    overlap = np.clip(shipped.expect(sharpness)[0] + bias + draw.normal(0, 0.1, 600), 0, 1)
    judged = [JudgedMask(None, *pair) for pair in zip(sharpness[:60], overlap[:60], strict=True)]
    mean, low, high = refitted(shipped, judged).expect(sharpness[60:])
    rest = overlap[60:]
    assert ((low <= rest) & (rest <= high)).mean() >= 0.78
    # Nearer than before, where that was off.
    before = np.abs(shipped.expect(sharpness[60:])[0].mean() - rest.mean())
    assert np.abs(mean.mean() - rest.mean()) <= max(before / 2, 0.03)

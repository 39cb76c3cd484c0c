"""What is expected of masks by the sharpness of their outlines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.data.labels.provenance import Provenance
from napari_sam2.data.labels.scores import ScoreRow, ScoreTable
from napari_sam2.session.quality.expected_quality import estimated, expected_quality
from napari_sam2.session.quality.quality_curves import QualityCurves, load_curves


def row(frame: int, sharpness: float | None, **other: object) -> ScoreRow:
    return replace(ScoreRow(frame, 1, 1.0, 0.9), sharpness=sharpness, **other)


@given(st.lists(st.none() | st.floats(0, 1), max_size=8))
def test_a_sharper_mask_is_never_expected_to_be_worse(values: list[float | None]) -> None:
    quality = expected_quality([row(t, value) for t, value in enumerate(values)])
    assert quality.frames.tolist() == list(range(len(values)))
    assert ((quality.low <= quality.mean) & (quality.mean <= quality.high)).all()
    known = sorted((value, mean) for value, mean in zip(values, quality.mean, strict=True) if value is not None)
    assert [mean for _, mean in known] == sorted(mean for _, mean in known)


def test_the_curves_tell_a_sharp_mask_from_a_blurred_one() -> None:
    blurred, sharp = expected_quality([row(0, 0.4), row(1, 0.95)]).mean
    assert blurred < 0.4 < 0.7 < sharp
    for curves in (load_curves(), load_curves(answers=True)):
        for values in (curves.sharpness, curves.mean, curves.low, curves.high):
            assert (np.diff(values) >= 0).all()


def test_more_is_expected_of_an_answer_to_clicks_than_of_a_tracked_mask_that_is_as_blurred() -> None:
    rows = [row(t, 0.6, made=Provenance(source)) for t, source in enumerate(("clicked", "boxed", "tracked", "unknown"))]
    clicked, boxed, tracked, unknown = expected_quality(rows).mean
    assert clicked == boxed > tracked + 0.2 and tracked == unknown


def test_of_a_mask_from_elsewhere_the_usual_is_expected() -> None:
    curves = QualityCurves(
        np.array([0.0, 1.0]), np.array([0.2, 0.8]), np.array([0.1, 0.7]), np.array([0.3, 0.9]), unknown=(0.5, 0.0, 1.0)
    )
    np.testing.assert_allclose(curves.expect(np.array([0.5, np.nan])), [[0.5, 0.5], [0.4, 0.0], [0.6, 1.0]])


def test_what_a_person_accepted_is_right() -> None:
    quality = expected_quality([row(0, 0.2, accepted=True), row(1, 0.2)])
    assert quality.mean[0] == quality.low[0] == quality.high[0] == 1
    assert quality.mean[1] < 1


def test_what_a_person_painted_is_right() -> None:
    quality = expected_quality([row(0, None, made=Provenance("painted")), row(1, None, made=Provenance("found"))])
    assert quality.low[0] == 1 > quality.mean[1]


def test_a_table_gets_what_is_expected_of_each_object() -> None:
    table = ScoreTable([row(0, 0.2), replace(row(0, 0.9), object_id=2), row(1, 0.9, accepted=True)])
    found = estimated(table)
    assert [(one.frame, one.object_id) for one in found] == [(one.frame, one.object_id) for one in table]
    assert found.get(0, 1).expected_j < found.get(0, 2).expected_j < found.get(1, 1).expected_j == 1

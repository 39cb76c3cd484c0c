from pathlib import Path

import numpy as np
import pytest

from napari_sam2 import Session
from napari_sam2.data.labels.scores import ScoreRow
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session import review_methods
from napari_sam2.session.quality.expected_quality import ExpectedQuality, expected_quality
from napari_sam2.session.quality.recalibration import QualityCalibration

pytestmark = pytest.mark.usefixtures("one_thread")


def test_every_tracked_frame_has_an_estimate(tracked: Session) -> None:
    for object_id in tracked.object_ids:
        rows = [row for row in tracked.outputs.scores if row.object_id == object_id]
        quality = tracked.expected_quality(object_id)
        assert quality.frames.tolist() == [row.frame for row in rows]
        assert ((quality.low <= quality.high) & (quality.mean >= 0) & (quality.mean <= 1)).all()
    table = tracked.estimates
    assert table.columns.tolist() == ["frame", "object", "expected_j", "low", "high"]
    assert table[["frame", "object"]].to_numpy().tolist() == tracked.scores[["frame", "object"]].to_numpy().tolist()
    assert table[table.object == object_id].expected_j.tolist() == quality.mean.tolist()
    with pytest.raises(ValueError, match="object 99"):
        tracked.expected_quality(99)


def test_what_a_person_accepted_is_right_and_not_asked_for_again(tracked: Session) -> None:
    first = tracked.next_correction()
    assert first is not None
    frame, object_id = first
    tracked.accept(frame, [object_id])
    quality = tracked.expected_quality(object_id)
    assert quality.mean[np.flatnonzero(quality.frames == frame)] == 1
    assert tracked.next_correction() != first
    seen = tracked.outlook()
    assert seen is not None
    assert seen.after >= seen.mean


def test_a_model_that_is_too_sure_is_believed_less(tracked: Session, model: Sam2, tmp_path: Path) -> None:
    """It tracked far beside what a person then paints, wherever one looks."""
    before, elsewhere = tracked.outlook(), tracked.expected_quality(1)
    assert before is not None
    for frame in range(1, 7):
        mask = np.zeros(tracked.labels.shape[1:], bool)
        mask[2:6, 2:6] = True
        tracked.add_mask(frame, 1, mask)
    rest = np.isin(elsewhere.frames, range(7, 12))
    now = tracked.expected_quality(1)
    assert (now.mean[rest] < elsewhere.mean[rest] - 0.05).all()
    # So is what it did of another object, on the finish line and in the table, too.
    other, table = tracked.expected_quality(2), tracked.estimates
    np.testing.assert_array_equal(table[table.object == 2].expected_j, other.mean)
    assert tracked.outlook().mean < before.mean + 6 / 24
    tracked.save(tmp_path / "one.napari-sam2")
    tracked.close()
    opened = Session.open(tmp_path / "one.napari-sam2", frames=tracked.stack, model=model)
    np.testing.assert_array_equal(opened.expected_quality(2).mean, tracked.expected_quality(2).mean)


def test_a_model_of_which_all_is_accepted_is_believed_more(tracked: Session) -> None:
    before = tracked.expected_quality(2).mean[11]
    tracked.accept(range(1, 10))
    assert tracked.expected_quality(2).mean[11] > before


def test_one_object_is_estimated_alone(tracked: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def noted(rows: list[ScoreRow], *others: QualityCalibration, in_slices: bool) -> ExpectedQuality:
        seen.append(rows)
        return expected_quality(rows, *others, in_slices=in_slices)

    monkeypatch.setattr(review_methods, "expected_quality", noted)
    tracked.expected_quality(2)
    assert [{row.object_id for row in rows} for rows in seen] == [{2}]

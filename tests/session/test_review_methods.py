import numpy as np
import pytest

from napari_sam2 import Session

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

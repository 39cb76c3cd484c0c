"""Every mask says how it came about, and what a person has corrected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_sam2 import Session
from napari_sam2.data.labels.scores import ScoreRow
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.population.found_objects import FoundObject
from napari_sam2.session.tracking.memory.policies import AUTO
from napari_sam2.storage.fingerprint import hash_weights
from session_state import assert_same_sessions

pytestmark = pytest.mark.usefixtures("one_thread")


def row(session: Session, frame: int, object_id: int) -> ScoreRow:
    found = session.outputs.scores.get(frame, object_id)
    assert found is not None
    assert found.made is not None
    return found


def sources(session: Session, object_id: int) -> list[str]:
    return [row(session, t, object_id).made.source for t in range(session.stack.n_frames)]


def disc(session: Session, y: int = 20, x: int = 20) -> np.ndarray:
    rows, columns = np.indices(session.labels.shape[1:])
    return (rows - y) ** 2 + (columns - x) ** 2 < 60


def test_clicks_boxes_paint_and_tracking(tracked: Session, model: Sam2) -> None:
    assert sources(tracked, 1) == ["clicked", *["tracked"] * 11]
    assert sources(tracked, 2) == ["boxed", *["tracked"] * 11]
    maker = row(tracked, 4, 1).made.maker
    assert (maker.model, maker.sha256, maker.memory) == (model.config.name or "", hash_weights(model), AUTO)
    tracked.add_mask(0, 3, disc(tracked))
    assert row(tracked, 0, 3).made.source == "painted"
    assert row(tracked, 0, 3).made.maker is None
    assert not any(one.made.corrected for one in tracked.outputs.scores)


def test_frames_between_two_prompts(tracked: Session) -> None:
    tracked.add_mask(6, 1, disc(tracked))
    list(tracked.update(both_ways=True))
    assert sources(tracked, 1) == ["clicked", *["filled"] * 5, "painted", *["tracked"] * 5]
    list(tracked.propagate(object_ids=[1]))
    assert sources(tracked, 1)[1:6] == ["tracked"] * 5


def test_a_correction_says_how_far_off_the_model_was(tracked: Session) -> None:
    before, sharpness = tracked.labels[5] == 1, row(tracked, 5, 1).sharpness
    for x in (20, 26):
        # Of what the model had put there, however often it is corrected.
        mask = disc(tracked, x=x)
        tracked.add_mask(5, 1, mask)
        made, replaced = row(tracked, 5, 1).made, row(tracked, 5, 1).replaced
        assert (made.source, made.corrected, replaced.sharpness) == ("painted", True, sharpness)
        assert replaced.overlap == pytest.approx((before & mask).sum() / (before | mask).sum(), abs=1e-4)
    tracked.undo()
    tracked.undo()
    assert (row(tracked, 5, 1).made.source, row(tracked, 5, 1).replaced) == ("tracked", None)


def test_painting_over_an_answer_to_a_person_corrects_no_model(tracked: Session) -> None:
    tracked.add_mask(0, 1, disc(tracked))
    assert not row(tracked, 0, 1).made.corrected


def test_what_is_drawn_again_is_not_made_again(tracked: Session) -> None:
    tracked.add_mask(6, 1, disc(tracked))
    list(tracked.update(both_ways=True))
    # A prompt before it makes the stretch one-sided; masks stay until they are tracked again.
    tracked.add_mask(3, 1, disc(tracked))
    tracked.draw_again(range(12))
    assert sources(tracked, 1)[4:6] == ["filled"] * 2


def test_a_removed_prompt_leaves_its_mask_as_it_was_made(tracked: Session) -> None:
    tracked.add_mask(6, 1, disc(tracked))
    tracked.clear_prompts(6, 1)
    assert row(tracked, 6, 1).made.source in ("painted", "tracked")
    list(tracked.update())
    assert row(tracked, 6, 1).made.source == "tracked"


def test_accepting_other_pixels_is_a_correction(tracked: Session) -> None:
    image = tracked.labels[5]
    tracked.accept(5, shown={5: image})
    assert row(tracked, 5, 1).made.source == "tracked"
    tracked.release(5)
    image[image == 1] = 0
    image[disc(tracked)] = 1
    tracked.accept(5, [1], shown={5: image})
    made, replaced = row(tracked, 5, 1).made, row(tracked, 5, 1).replaced
    assert (made.source, made.corrected) == ("painted", True)
    assert 0 <= replaced.overlap < 1
    assert row(tracked, 5, 2).made.source == "tracked"


def test_found_objects_are_the_models(tracked: Session) -> None:
    found = FoundObject(disc(tracked), 0.9, (10, 10, 30, 30))
    (object_id,) = tracked.add_objects(0, [found])
    assert row(tracked, 0, object_id).made.source == "found"
    list(tracked.propagate(object_ids=[object_id]))
    assert sources(tracked, object_id) == ["found", *["tracked"] * 11]


def test_it_is_saved(tracked: Session, model: Sam2, tmp_path: Path) -> None:
    tracked.add_mask(5, 1, disc(tracked))
    tracked.accept(7)
    tracked.add_objects(0, [FoundObject(disc(tracked, 5, 50), 0.9, (0, 40, 15, 60))])
    tracked.save(tmp_path / "one.napari-sam2")
    tracked.close()
    opened = Session.open(tmp_path / "one.napari-sam2", frames=tracked.stack, model=model)
    assert opened.problems == ()
    assert_same_sessions(opened, tracked)
    assert row(opened, 5, 1).replaced == row(tracked, 5, 1).replaced
    assert row(opened, 5, 1).made.corrected
    assert [prompt.is_found for prompt in opened.prompts] == [prompt.is_found for prompt in tracked.prompts]


def test_the_table_has_columns_of_it(tracked: Session, model: Sam2) -> None:
    tracked.add_mask(5, 1, disc(tracked))
    table = tracked.provenance.set_index(["frame", "object"])
    assert table.loc[(5, 1), ["source", "corrected", "model"]].tolist() == ["painted", True, ""]
    assert table.loc[(6, 1), "model_sha256"] == hash_weights(model)
    np.testing.assert_allclose(table.loc[(6, 1), "expected_j"], tracked.expected_quality(1).mean[6], atol=1e-4)
    # Scores stay numbers.
    assert tracked.scores.to_numpy(float).shape == (24, 11)

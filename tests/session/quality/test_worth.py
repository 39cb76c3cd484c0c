from dataclasses import replace

import numpy as np
import pytest

from napari_sam2.session.quality.expected_quality import ExpectedQuality
from napari_sam2.session.quality.worth import corrected, outlook, worth_of_corrections


def quality(*means: float, half: float = 0.1, in_slices: bool = False) -> ExpectedQuality:
    mean = np.array(means)
    ends = np.clip(mean - half, 0, 1), np.clip(mean + half, 0, 1)
    return ExpectedQuality(np.arange(len(mean)), mean, *ends, in_slices=in_slices)


def test_the_first_bad_frame_of_a_stretch_is_worth_most() -> None:
    known = quality(0.9, 0.9, 0.3, 0.3, 0.3, 0.3)
    worth = worth_of_corrections(known, {0})
    assert worth.argmax() == 2
    assert worth[0] == 0
    # From the other side it is the last one.
    assert worth_of_corrections(quality(0.3, 0.3, 0.3, 0.9, 0.9), {4}).argmax() == 2


def test_a_worse_frame_late_is_worth_less_than_one_on_which_many_depend() -> None:
    worth = worth_of_corrections(quality(0.9, 0.5, 0.5, 0.5, 0.5, 0.5, 0.1), {0})
    assert worth.argmax() == 1


def test_between_two_prompts_each_side_depends_on_its_own() -> None:
    worth = worth_of_corrections(quality(0.9, 0.5, 0.9, 0.9, 0.5, 0.9), {0, 5})
    np.testing.assert_allclose(worth[[1, 4]], worth[1])
    assert worth[2] == worth[3] == pytest.approx(0)


def test_a_correction_helps_on_the_far_side_of_its_prompt_only() -> None:
    before = quality(0.9, 0.4, 0.4, 0.4, 0.4)
    after = corrected(before, 2, {0})
    np.testing.assert_array_equal(after.mean[:2], before.mean[:2])
    assert (after.mean[2:] > before.mean[2:]).all()
    assert (np.diff(after.mean[2:]) < 0).all()


def test_in_slices_the_end_of_an_object_is_looked_for_inside_what_nothing_is_expected_of() -> None:
    # An object of seven slices, followed through eight more: "not here" on one clears all beyond.
    known = quality(0.8, *[0.4] * 6, *[0.15] * 8, in_slices=True)
    usual, worth = (worth_of_corrections(replace(known, in_slices=slices), {0}) for slices in (False, True))
    assert 5 <= worth.argmax() <= 11 and (worth > usual)[7:].all()
    mirrored = worth_of_corrections(quality(*known.mean[::-1], in_slices=True), {14})
    np.testing.assert_allclose(mirrored, worth[::-1])
    # What has no mask there is cleared already, and says that the object has ended.
    empty = replace(known, empty=np.arange(15) >= 9)
    cleared = worth_of_corrections(empty, {0})
    assert cleared.sum() < worth.sum() and cleared.argmax() <= worth.argmax()


def test_what_is_good_gains_nothing_in_slices_either() -> None:
    assert not worth_of_corrections(quality(*[0.9] * 15, in_slices=True), {0}).any()


def test_in_slices_a_prompted_slice_need_not_have_a_result() -> None:
    whole = quality(*[0.15] * 7, 0.9, *[0.15] * 7, in_slices=True)
    kept = np.arange(15) != 7
    values = (each[kept] for each in (whole.frames, whole.mean, whole.low, whole.high))
    known, found = (worth_of_corrections(one, {7}) for one in (whole, ExpectedQuality(*values, in_slices=True)))
    np.testing.assert_allclose(found, known[kept])


@pytest.mark.parametrize("prompted", [{0, 14}, {0, 7, 14}])
def test_between_prompts_no_object_ends(prompted: set[int]) -> None:
    known = quality(*[0.8] * 5, *[0.15] * 10, in_slices=True)
    usual, worth = (worth_of_corrections(replace(known, in_slices=slices), prompted) for slices in (False, True))
    np.testing.assert_array_equal(worth, usual)


def test_in_slices_a_correction_is_expected_to_clear_what_lies_beyond_the_end() -> None:
    known = quality(0.9, *[0.8] * 6, *[0.1] * 8, in_slices=True)
    at = int(worth_of_corrections(known, {0}).argmax())
    usual, after = (corrected(replace(known, in_slices=slices), at, {0}).mean for slices in (False, True))
    assert (after[at:] > usual[at:]).all() and after[at:].min() > 0.5
    np.testing.assert_array_equal(after[:at], known.mean[:at])


def test_what_is_good_gains_nothing() -> None:
    assert worth_of_corrections(quality(0.95, 0.93, 0.92), {0}).tolist() == [0, 0, 0]
    seen = outlook({1: quality(0.95, 0.93, 0.92)}, {1: {0}})
    assert seen is not None
    assert seen.after == seen.mean


def test_the_outlook_counts_all_objects() -> None:
    known = {1: quality(0.9, 0.9, 0.9), 2: quality(0.9, 0.3, 0.3)}
    seen = outlook(known, {1: {0}, 2: {0}}, corrections=1)
    assert seen is not None
    assert (seen.frames, seen.mean) == (6, pytest.approx(0.7))
    # The frame beyond keeps what is usual and what was seen there, half each.
    assert seen.after == pytest.approx((0.9 * 5 + (0.9 * 0.93 + 0.3) / 2) / 6)
    # Independent objects, narrower together.
    alone = outlook({2: known[2]}, {2: {0}})
    assert alone is not None
    assert seen.margin == pytest.approx(alone.margin / np.sqrt(2))
    assert outlook({}, {}) is None

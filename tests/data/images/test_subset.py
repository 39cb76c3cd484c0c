"""Parts of a stack: read at their own size, and their results put back in place."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from napari_sam2.data import Calibration, LabelStack, Placement, Prompt, ScoreRow, ScoreTable, Stack
from napari_sam2.data.labels.placed_results import blend_labels, place_labels, place_scores
from napari_sam2.data.prompts.placed_prompts import prompt_inside

ARRAY = np.random.default_rng(0).integers(0, 60000, (9, 20, 30)).astype(np.uint16)


def test_a_part_reads_what_it_is() -> None:
    whole = Stack.from_array(ARRAY, "z", calibration=Calibration((1, 1), 0.5, "um", "um"))
    part = whole.part(crop=(3, 4, 18, 25), every=3)
    assert part.shape == (3, 15, 21)
    assert part.calibration == Calibration((1, 1), 1.5, "um", "um")
    np.testing.assert_array_equal(np.stack([part.read(i) for i in range(3)]), ARRAY[::3, 3:18, 4:25])
    twice = whole.part(every=Fraction(1, 2))
    assert (twice.n_frames, twice.step) == (18, 0.25)
    np.testing.assert_array_equal(twice.read(7), ARRAY[3])
    assert not part.placement.is_whole
    assert whole.placement.is_whole


def test_a_part_keeps_its_file_open(tmp_path) -> None:
    np.save(tmp_path / "a.npy", ARRAY)
    from napari_sam2.data import open_stack

    part = open_stack(tmp_path / "a.npy").part(crop=(0, 0, 5, 5))
    np.testing.assert_array_equal(part.read(2), ARRAY[2, :5, :5])


@pytest.mark.parametrize("crop", [(0, 0, 21, 5), (-1, 0, 5, 5), (5, 5, 5, 9), (9, 0, 5, 5), (0, 0, 5, 31)])
def test_crops_that_leave_the_frame(crop: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="inside the frame of 20 x 30 pixels") as error:
        Stack.from_array(ARRAY).part(crop=crop)
    assert ",".join(map(str, crop)) in str(error.value)


@pytest.mark.parametrize("every", [0, -2, Fraction(2, 3), 1.5])
def test_every_that_is_neither_skipping_nor_repeating(every: float) -> None:
    with pytest.raises(ValueError, match=r"every is a whole number .* not"):
        Placement.of((9, 20, 30), every=every)


def test_prompts_move_into_the_part() -> None:
    placement = Placement.of((9, 20, 30), (5, 10, 15, 30), 2)
    moved = prompt_inside(Prompt(4, 7, [[6, 12]], [1], (4, 9, 12, 20)), placement)
    assert (moved.frame, moved.object_id, moved.points.tolist(), moved.box) == (2, 7, [[1, 2]], (0, 0, 7, 10))
    mask = np.zeros((20, 30), bool)
    mask[8, 11] = True
    moved = prompt_inside(Prompt(0, 1, mask=mask), placement)
    assert np.argwhere(moved.mask).tolist() == [[3, 1]]
    assert moved.mask.shape == (10, 20)
    absent = prompt_inside(Prompt(2, 1, mask=np.zeros((20, 30), bool)), placement)
    assert (absent.frame, absent.mask.shape, absent.says_absent) == (1, (10, 20), True)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Prompt(3, 1, [[6, 12]], [1]), "frame 3 is left out .*: take 2 and 4 instead"),
        (Prompt(0, 1, [[6, 12], [2.5, 12]], [1, 1]), r"y=2.5, x=12 is outside the crop \(5, 10, 15, 30\)"),
        (Prompt(0, 1, box=(0, 0, 4, 9)), "box .* is outside the crop"),
        (Prompt(0, 1, mask=np.pad(np.ones((1, 1), bool), ((0, 19), (0, 29)))), "nothing of the mask"),
    ],
)
def test_prompts_outside_the_part(prompt: Prompt, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prompt_inside(prompt, Placement.of((9, 20, 30), (5, 10, 15, 30), 2))


def test_labels_go_back_in_place() -> None:
    placement = Placement.of((9, 20, 30), (5, 10, 15, 30))
    part = LabelStack((9, 10, 20))
    image = np.random.default_rng(1).integers(0, 5, (10, 20)).astype(np.uint16)
    part.set(4, image)
    whole = place_labels(part, placement)
    assert (whole.shape, whole.frames_done) == ((9, 20, 30), [4])
    np.testing.assert_array_equal(whole[4][5:15, 10:30], image)
    assert np.count_nonzero(whole[4]) == np.count_nonzero(image)


def square(y: int, x: int, side: int, value: int = 1) -> np.ndarray:
    image = np.zeros((20, 30), np.uint16)
    image[y : y + side, x : x + side] = value
    return image


def test_skipped_slices_get_shapes_in_between() -> None:
    placement = Placement.of((9, 20, 30), every=4)
    part = LabelStack((3, 20, 30))
    part.set(0, square(4, 4, 4) + square(12, 20, 6, 5))
    part.set(1, square(2, 2, 8) + square(12, 20, 6, 5))
    whole = place_labels(part, placement)
    assert whole.frames_done == [0, 1, 2, 3, 4], "frames behind the last tracked one stay empty"
    sizes = [np.count_nonzero(whole[frame] == 1) for frame in range(5)]
    assert sizes[0] == 16
    assert sizes[-1] == 64
    assert sizes == sorted(sizes)
    np.testing.assert_array_equal(whole[2] == 1, square(3, 3, 6) == 1)
    for frame in range(5):
        np.testing.assert_array_equal(whole[frame] == 5, square(12, 20, 6) == 1)


def test_an_object_on_one_side_only_is_not_made_up() -> None:
    assert not blend_labels(square(4, 4, 4, 1), square(4, 4, 4, 2), 0.5).any()


def test_repeated_slices_come_back_once() -> None:
    placement = Placement.of((3, 20, 30), every=Fraction(1, 2))
    assert placement.frame_inside(2) == 4
    part = LabelStack((6, 20, 30))
    for frame in range(6):
        part.set(frame, square(0, 0, 2, frame + 1))
    assert [int(image.max()) for image in place_labels(part, placement)] == [1, 3, 5]


def test_scores_go_back_in_place() -> None:
    placement = Placement.of((9, 20, 30), (5, 10, 15, 30), 2)
    rows = [ScoreRow(3, 2, 0.9, 0.8, 4, (1.5, 2.5), (1, 2, 3, 4)), ScoreRow(4, 2, 0.1, 0.2)]
    one, two = place_scores(ScoreTable(rows), placement)
    assert (one.frame, one.centroid, one.bbox, one.area) == (6, (6.5, 12.5), (6, 12, 8, 14), 4)
    assert (two.frame, two.centroid, two.bbox) == (8, None, None)

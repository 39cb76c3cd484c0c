from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.data import LabelStack, compose_labels


def test_higher_logit_wins_the_overlap() -> None:
    logits = np.array([[[1.0, 2.0, -1.0, 0.0]], [[-3.0, 3.0, -0.5, 0.5]]], np.float32)
    labels = compose_labels(logits, [7, 4])
    assert labels.dtype == np.uint16
    assert labels.tolist() == [[7, 4, 0, 4]]
    assert compose_labels(logits[::-1], [4, 7]).tolist() == labels.tolist()


def test_hidden_objects_leave_their_pixels_to_others() -> None:
    logits = np.array([[[1.0, 2.0]], [[5.0, -1.0]]], np.float32)
    assert compose_labels(logits, [1, 2], visible=[True, False]).tolist() == [[1, 1]]
    assert compose_labels(logits, [1, 2], visible=np.array([False, True])).tolist() == [[2, 0]]


def test_large_ids_and_no_objects() -> None:
    assert compose_labels(np.ones((1, 2, 2)), [65536]).dtype == np.uint32
    assert compose_labels(np.ones((0, 2, 3)), []).tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("shape", "ids", "visible"), [((2, 3, 3), [1], None), ((3, 3), [1], None), ((1, 3, 3), [1], [True] * 2)]
)
def test_lengths_must_match(shape: tuple[int, ...], ids: list[int], visible: list[bool] | None) -> None:
    with pytest.raises(ValueError, match="do not match"):
        compose_labels(np.ones(shape), ids, visible=visible)


def test_frames_come_back() -> None:
    rng = np.random.default_rng(0)
    array = rng.integers(0, 5, (4, 8, 9)).astype(np.uint16)
    stack = LabelStack(array.shape)
    for frame in (3, 0, 2):
        stack.set(frame, array[frame])
    array[1] = 0
    assert len(stack) == 4
    assert stack.frames_done == [0, 2, 3]
    np.testing.assert_array_equal(stack.to_array(), array)
    np.testing.assert_array_equal(np.stack(list(stack)), array)
    assert stack[2].dtype == np.uint16
    assert stack.object_ids(2) == np.unique(array[2][array[2] > 0]).tolist()
    assert stack.object_ids(1) == []
    assert stack.largest_id == 4


def test_arrays_and_slices() -> None:
    array = np.random.default_rng(0).integers(0, 5, (6, 4, 5)).astype(np.uint16)
    stack = LabelStack(array.shape)
    for frame in (1, 2, 3, 5):
        stack.set(frame, array[frame])
    array[[0, 4]] = 0
    for part in (slice(2, 5), slice(None), slice(-2, None), slice(5, 0, -2), slice(4, 4), slice(3, 99)):
        np.testing.assert_array_equal(stack[part], array[part])
        assert stack[part].dtype == np.uint16
    np.testing.assert_array_equal(np.asarray(stack), array)
    assert np.asarray(stack).dtype == np.uint16
    assert np.array(stack, dtype=np.int64).dtype == np.int64
    assert np.max(stack) == 4
    with pytest.raises(ValueError, match="always a copy"):
        stack.__array__(copy=False)


def test_what_is_read_can_be_changed_without_changing_the_stack() -> None:
    stack = LabelStack((1, 2, 2))
    stack.set(0, np.ones((2, 2), int))
    stack[0][:] = 9
    assert stack[0].tolist() == [[1, 1], [1, 1]]


def test_long_stacks_stay_small() -> None:
    image = np.zeros((512, 512), np.uint16)
    image[100:200, 100:300] = 3
    stack = LabelStack((100_000, 512, 512))
    for frame in range(50):
        stack.set(frame, np.roll(image, frame, 0))
    assert stack.nbytes < 50 * image.nbytes / 100


def test_removing() -> None:
    stack = LabelStack((3, 2, 2))
    stack.set(0, np.array([[1, 2], [0, 1]]))
    stack.set(2, np.array([[1, 1], [1, 1]]))
    stack.remove_object(1)
    assert stack.to_array().tolist() == [[[0, 2], [0, 0]], [[0, 0], [0, 0]], [[0, 0], [0, 0]]]
    assert stack.frames_done == [0, 2]
    assert stack.object_ids(0) == [2]
    stack.remove_frames([0, 1])
    assert stack.frames_done == [2]
    assert stack.largest_id == 0


@pytest.mark.parametrize(
    ("frame", "image", "message"),
    [
        (3, np.zeros((2, 2), int), "no frame 3"),
        (0, np.zeros((2, 3), int), r"shape \(2, 2\)"),
        (0, np.zeros((2, 2)), "float64"),
        (0, np.full((2, 2), 65536), "65536 does not fit labels of type uint16"),
        (0, np.full((2, 2), -1), "-1 does not fit"),
    ],
)
def test_images_that_are_refused(frame: int, image: np.ndarray, message: str) -> None:
    stack = LabelStack((3, 2, 2))
    with pytest.raises(ValueError, match=message):
        stack.set(frame, image)
    assert stack.frames_done == []


def test_types() -> None:
    stack = LabelStack((1, 2, 2), np.uint32)
    stack.set(0, np.full((2, 2), 70000))
    assert stack.to_array().max() == 70000
    with pytest.raises(ValueError, match="int32"):
        LabelStack((1, 2, 2), np.int32)

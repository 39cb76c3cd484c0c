from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_sam2.data import LabelStack, compose_labels
from napari_sam2.data.labels.label_painter import LabelPainter
from napari_sam2.data.labels.label_storage import LabelRuns, PackedFrame, bounding_box

Shape = tuple[int, int, int]


@pytest.fixture(params=["memory", "zarr"])
def make_stack(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., LabelStack]:
    """Make an empty stack in memory or on disk."""
    if request.param == "zarr":
        pytest.importorskip("zarr")

    def make(shape: Shape, dtype: type = np.uint16) -> LabelStack:
        return LabelStack(shape, dtype, folder=tmp_path / "labels.zarr" if request.param == "zarr" else None)

    return make


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


def test_masks_are_merged_one_at_a_time_as_all_together() -> None:
    rng = np.random.default_rng(0)
    logits = rng.integers(-3, 4, (6, 20, 30)).astype(np.float32)
    painter = LabelPainter((20, 30), np.uint16)
    for object_id, logit in enumerate(logits, start=1):
        painter.paint(object_id, logit)
    np.testing.assert_array_equal(painter.image, compose_labels(logits, range(1, 7)))
    # A part of the frame is as the whole frame with nothing elsewhere.
    crop = (slice(3, 9), slice(10, 22))
    alone = np.full((20, 30), -1024, np.float32)
    alone[crop] = 2.5
    painter.paint(9, alone[crop], crop)
    np.testing.assert_array_equal(painter.image, compose_labels(np.stack([*logits, alone]), [*range(1, 7), 9]))


def test_a_box_around_what_is_there() -> None:
    image = np.zeros((9, 12), np.uint16)
    assert not image[bounding_box(image)].size
    image[4, 3], image[7, 10] = 1, 2
    assert bounding_box(image) == (slice(4, 8), slice(3, 11))
    image[0, 0] = image[8, 11] = 5
    assert bounding_box(image) == (slice(0, 9), slice(0, 12))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
@pytest.mark.parametrize("most", [0, 1, 5])
def test_runs_are_the_image(dtype: type, most: int) -> None:
    rng = np.random.default_rng(most)
    image = np.repeat(rng.integers(0, most + 1, (7, 5)), 3, axis=1).astype(dtype)
    runs = LabelRuns.of(image)
    rows, columns = np.divmod(runs.starts, 15)
    assert (columns + runs.lengths <= 15).all()
    np.testing.assert_array_equal(runs.values, image[rows, columns])
    assert runs.object_ids == tuple(np.unique(image[image > 0]).tolist())
    packed = PackedFrame.pack(runs).unpack()
    for same in (runs, packed):
        np.testing.assert_array_equal(same.image(), image)
        assert same.image().dtype == dtype
    np.testing.assert_array_equal(packed.only(packed.values != 2).image(), np.where(image == 2, 0, image))


def test_frames_come_back(make_stack: Callable[..., LabelStack]) -> None:
    rng = np.random.default_rng(0)
    array = rng.integers(0, 5, (4, 8, 9)).astype(np.uint16)
    stack = make_stack(array.shape)
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


def test_arrays_and_slices(make_stack: Callable[..., LabelStack]) -> None:
    array = np.random.default_rng(0).integers(0, 5, (6, 4, 5)).astype(np.uint16)
    stack = make_stack(array.shape)
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


def test_what_is_read_can_be_changed_without_changing_the_stack(make_stack: Callable[..., LabelStack]) -> None:
    stack = make_stack((1, 2, 2))
    stack.set(0, np.ones((2, 2), int))
    stack[0][:] = 9
    assert stack[0].tolist() == [[1, 1], [1, 1]]


def test_long_stacks_stay_small() -> None:
    image = np.zeros((1024, 1024), np.uint16)
    y, x = np.ogrid[:1024, :1024]
    for object_id, (row, column) in enumerate(((200, 300), (500, 500), (800, 200)), start=1):
        image[(y - row) ** 2 + (x - column) ** 2 < 60**2] = object_id
    stack = LabelStack((10_000, 1024, 1024))
    for frame in range(20):
        stack.set(frame, np.roll(image, frame, 0))
    # Ten thousand such frames take less than 10 MB.
    assert stack.nbytes / 20 * 10_000 < 10e6


def test_wider_labels(make_stack: Callable[..., LabelStack]) -> None:
    stack = make_stack((3, 2, 2))
    stack.set(0, np.full((2, 2), 7))
    stack.widen(np.uint16)
    assert stack.dtype == np.uint16
    stack.widen(np.uint32)
    stack.set(1, np.full((2, 2), 70_000))
    stack.widen(np.uint16)
    assert stack.dtype == stack[0].dtype == np.uint32
    assert stack[:].max() == stack.largest_id == 70_000
    assert stack[0].tolist() == [[7, 7], [7, 7]]


def test_frames_are_put_back_as_they_were(make_stack: Callable[..., LabelStack]) -> None:
    stack = make_stack((6, 3, 3))
    for frame in (0, 1, 2):
        stack.set(frame, np.full((3, 3), frame + 1))
    before, packed = stack.to_array(), [stack.packed(frame) for frame in range(6)]
    assert packed[3:] == [None] * 3
    stack.set(1, np.full((3, 3), 9))
    stack.widen(np.uint32)
    stack.set(4, np.full((3, 3), 70_000))
    then, later = stack.to_array(), [stack.packed(frame) for frame in range(6)]
    stack.remove_frames([0, 4])
    stack.remove_object(3)
    for _ in range(2):
        for frames, labels, done in ((packed, before, [0, 1, 2]), (later, then, [0, 1, 2, 4])):
            for frame, one in enumerate(frames):
                stack.put_back(frame, one)
            np.testing.assert_array_equal(stack.to_array(), labels)
            assert stack.frames_done == done
            assert [stack.object_ids(t) for t in done] == [np.unique(labels[t]).tolist() for t in done]


def test_starting_anew(make_stack: Callable[..., LabelStack]) -> None:
    stack = make_stack((3, 2, 2))
    stack.set(1, np.ones((2, 2), int))
    empty = stack.emptied()
    assert (empty.frames_done, empty.largest_id, empty.to_array().any()) == ([], 0, False)
    empty.set(2, np.ones((2, 2), int))
    assert empty.to_array().sum() == 4


def test_labels_on_disk_are_an_ordinary_zarr(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    stack = LabelStack((5, 30, 2100), folder=tmp_path / "new" / "labels.zarr")
    image = np.zeros((30, 2100), np.uint16)
    image[3:9, 2000:2090] = 4
    stack.set(3, image)
    assert stack.nbytes == 0
    array = zarr.open_array(str(tmp_path / "new" / "labels.zarr"), mode="r")
    assert (array.shape, array.dtype, array.chunks) == ((5, 30, 2100), np.uint32, (1, 30, 2048))
    np.testing.assert_array_equal(array[:], stack.to_array())
    assert len(list((tmp_path / "new" / "labels.zarr" / "c").iterdir())) == 1
    stack.remove_frames([3])
    assert not array[:].any()
    assert not [path for path in (tmp_path / "new" / "labels.zarr" / "c").rglob("*") if path.is_file()]


def test_nothing_on_disk_is_written_over(tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine", encoding="utf-8")
    for place in (tmp_path / "notes", tmp_path / "notes" / "a.txt"):
        with pytest.raises(ValueError, match="is there already: name another one"):
            LabelStack((2, 3, 3), folder=place)
    assert (tmp_path / "notes" / "a.txt").read_text(encoding="utf-8") == "mine"
    (tmp_path / "empty").mkdir()
    LabelStack((2, 3, 3), folder=tmp_path / "empty").set(0, np.ones((3, 3), int))


def test_removing(make_stack: Callable[..., LabelStack]) -> None:
    stack = make_stack((3, 2, 2))
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

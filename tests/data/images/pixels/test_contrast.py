from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_sam2.data import Stack, Window, choose_window, open_stack, to_rgb8


def test_rgb8_goes_through_unchanged() -> None:
    array = np.random.default_rng(0).integers(0, 255, (2, 6, 7, 3), np.uint8)
    stack = Stack.from_array(array)
    assert choose_window(stack) is None
    assert choose_window(stack, (10, 20)) is None
    np.testing.assert_array_equal(to_rgb8(stack.read(1), None), array[1])


def test_contrast_limits_win() -> None:
    stack = Stack.from_array(np.arange(24, dtype=np.uint8).reshape(2, 3, 4), rgb=False)
    assert choose_window(stack, (5, 15)) == Window(5.0, 15.0)


@pytest.mark.parametrize("limits", [(5, 5), (6, 5), (0, np.nan), (-np.inf, 0), (1,), (1, 2, 3)])
def test_contrast_limits_that_are_none(limits: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="contrast limit"):
        choose_window(Stack.from_array(np.zeros((2, 3, 5))), limits)


def test_hot_pixels_do_not_set_the_window() -> None:
    array = np.random.default_rng(0).integers(100, 200, (4, 200, 200)).astype(np.uint16)
    array[:, :3, :3] = 65535
    window = choose_window(Stack.from_array(array))
    assert window is not None
    assert 100 <= window.low < window.high <= 200


def test_small_bright_objects_stay_inside_the_window() -> None:
    """Half a percent of the pixels is a nucleus, not an outlier."""
    array = np.random.default_rng(0).normal(100, 3, (4, 200, 200))
    array[:, 90:104, 90:104] = 5000
    window = choose_window(Stack.from_array(array))
    assert window is not None
    assert window.high == 5000


def test_spots_on_an_even_ground() -> None:
    array = np.zeros((3, 200, 200), np.uint16)
    array[:, 5, 5] = 900
    assert choose_window(Stack.from_array(array)) == Window(0.0, 900.0)


@pytest.mark.parametrize("value", [0, 7, -3.5, 1e20])
def test_constant_stack(value: float) -> None:
    stack = Stack.from_array(np.full((2, 8, 9), value))
    window = choose_window(stack)
    assert window is not None
    assert window.low == value
    assert to_rgb8(stack.read(0), window).max() == 0


def test_bool_frames() -> None:
    array = np.zeros((1, 8, 9), bool)
    array[0, :4] = True
    stack = Stack.from_array(array)
    assert set(to_rgb8(stack.read(0), choose_window(stack)).ravel().tolist()) == {0, 255}


def test_window_sees_the_whole_stack() -> None:
    """A stack that grows brighter gets one window that holds the first frame and the last."""
    array = np.broadcast_to(np.arange(1000.0)[:, None, None], (1000, 4, 5))
    window = choose_window(Stack.from_array(array))
    assert window is not None
    assert window.low < 20
    assert window.high > 980


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32", "float64"])
def test_mapping(dtype: str) -> None:
    frame = np.array([[0, 10, 61, 110, 120]], dtype)
    rgb = to_rgb8(frame, Window(10, 110))
    assert rgb.shape == (1, 5, 3)
    assert rgb.dtype == np.uint8
    assert rgb[0].tolist() == [[value] * 3 for value in (0, 0, 130, 255, 255)]


def test_wide_integers_keep_their_steps() -> None:
    frame = np.array([[10**9, 10**9 + 5, 10**9 + 10]], np.int32)
    assert to_rgb8(frame, Window(10**9, 10**9 + 10))[0, :, 0].tolist() == [0, 128, 255]


def test_colour_of_other_types_keeps_its_channels() -> None:
    frame = np.array([[[0.0, 0.5, 1.0]]], np.float32)
    assert to_rgb8(frame, Window(0, 1)).tolist() == [[[0, 128, 255]]]


def test_only_uint8_goes_without_a_window() -> None:
    with pytest.raises(ValueError, match="uint16"):
        to_rgb8(np.zeros((3, 3), np.uint16), None)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.filterwarnings("ignore:frame 2 holds 20 values")
@pytest.mark.parametrize("refuse", [False, True])
def test_a_bad_frame_does_not_keep_the_others_from_a_window(bad: float, refuse: bool) -> None:
    array = np.linspace(0, 9, 60).reshape(3, 4, 5)
    array[2] = bad
    stack = Stack.from_array(array)
    stack.missing.refuse = refuse
    assert choose_window(stack) == choose_window(Stack.from_array(array[:2]))


@pytest.mark.filterwarnings("ignore:frame 0 holds 20 values")
def test_a_stack_of_bad_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="frames 0, 1, 2 hold nothing but NaN"):
        choose_window(Stack.from_array(np.full((3, 4, 5), np.nan)))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_nan_is_black_and_infinity_is_at_the_ends(dtype: str) -> None:
    frame = np.array([[np.nan, -np.inf, np.inf, -1000, -500]], dtype)
    assert to_rgb8(frame, Window(-1000, 0))[0, :, 0].tolist() == [0, 0, 255, 0, 128]


@pytest.mark.parametrize("name", ["ctc_fluo_n2dh_sim01", "brats2013_flair_pat0005", "pyradiomics_brain1"])
def test_real_objects_keep_their_contrast(data_dir: Path, name: str) -> None:
    """The window must not crush what is to be tracked into one grey value."""
    stack = open_stack(data_dir / name / "frames.tif")
    labels = open_stack(data_dir / name / "labels.tif")
    window = choose_window(stack)
    frame = max(range(len(stack)), key=lambda index: np.count_nonzero(labels.read(index)))
    image = to_rgb8(stack.read(frame), window)[..., 0]
    inside = image[labels.read(frame) > 0]
    assert inside.std() > 8
    assert np.mean((inside == 0) | (inside == 255)) < 0.2

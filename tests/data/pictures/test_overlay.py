from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_sam2.data import LabelStack, ScoreRow, ScoreTable, Stack, open_stack, write_overlay
from napari_sam2.data.pictures.outlines import draw_objects, draw_tags, object_color
from napari_sam2.data.pictures.score_chart import CHART_HEIGHT


def moving_squares(n_frames: int, height: int, width: int) -> tuple[Stack, LabelStack, ScoreTable]:
    labels, scores = LabelStack((n_frames, height, width)), ScoreTable()
    for frame in range(n_frames):
        image = np.zeros((height, width), np.uint16)
        image[2 + frame % 3 : height // 2, 2 : width // 2] = 1
        image[height // 2 + 2 :, width // 2 :] = 5
        labels.set(frame, image)
        for object_id, score in ((1, 0.9), (5, 0.2)):
            scores.put(ScoreRow.from_mask(frame, object_id, scores=(score, 0.8), mask=image == object_id))
    frames = np.random.default_rng(0).normal(100, 10, (n_frames, height, width))
    return Stack.from_array(frames), labels, scores


def near(picture: Image.Image, color: tuple[int, int, int]) -> np.ndarray:
    """Find the pixels that show a colour, whatever a palette did to it."""
    return np.abs(np.asarray(picture.convert("RGB"), int) - color).max(axis=-1) < 30


def test_colours_are_stable_and_apart() -> None:
    assert object_color(3) == object_color(3)
    lab = rgb2lab(np.array([[object_color(number) for number in range(1, 13)]]) / 255)[0]
    distances = deltaE_ciede2000(lab[:, None], lab[None])
    assert distances[~np.eye(12, dtype=bool)].min() > 8


def test_only_the_object_is_coloured() -> None:
    labels = np.zeros((20, 30), np.uint32)
    labels[5:12, 8:18] = 70000
    picture = np.asarray(draw_objects(np.full((20, 30, 3), 100, np.uint8), labels, (300, 200))).astype(int)
    color = np.array(object_color(70000))
    np.testing.assert_array_equal(picture[:40], 100)
    np.testing.assert_array_equal(picture[:, 200:], 100)
    assert np.abs(picture[48:54, 130] - color).max(axis=-1).min() < 30
    inside = picture[85, 130]
    np.testing.assert_allclose(inside, 100 + 0.22 * (color - 100), atol=1)


def test_objects_that_touch_the_edge_or_fill_the_frame() -> None:
    image = np.full((9, 7, 3), 100, np.uint8)
    for labels in (np.ones((9, 7), int), np.tri(9, 7, dtype=int), np.zeros((9, 7), int)):
        for size in ((70, 90), (3, 4), (1, 1)):
            assert draw_objects(image, labels, size).size == size


@pytest.mark.parametrize(("n_frames", "height", "width"), [(1, 40, 30), (2, 10, 400), (9, 600, 20), (70, 24, 32)])
def test_gif(tmp_path: Path, n_frames: int, height: int, width: int) -> None:
    path = tmp_path / "overlay.gif"
    write_overlay(path, *moving_squares(n_frames, height, width))
    with Image.open(path) as gif:
        # Pillow joins pictures that are the same, which the running cursor prevents.
        assert gif.n_frames == min(n_frames, 60)
        assert max(gif.width, gif.height - CHART_HEIGHT) == 480
        for place in range(gif.n_frames):
            gif.seek(place)
            picture = near(gif, object_color(1))[: gif.height - CHART_HEIGHT]
            assert picture.any()


def test_png_strip(tmp_path: Path) -> None:
    path = tmp_path / "overlay.png"
    write_overlay(path, *moving_squares(20, 40, 60))
    with Image.open(path) as picture:
        assert picture.width == 6 * 255 + 5 * 6
        chart = picture.height - CHART_HEIGHT
        shown = near(picture, object_color(5))
        panels = np.array_split(shown[:chart], 6, axis=1)
        assert all(panel.any() for panel in panels)
        # The line of a score of 0.2 runs low in the chart, that of 0.9 high.
        rows = [np.flatnonzero(near(picture, object_color(number))[chart + 30 :].any(axis=1)) for number in (1, 5)]
        assert rows[0].max() < rows[1].min()


def test_only_tracked_frames_are_drawn(tmp_path: Path) -> None:
    stack, labels, scores = moving_squares(12, 20, 20)
    labels.remove_frames(set(range(12)) - {4, 5})
    write_overlay(tmp_path / "overlay.gif", stack, labels, scores)
    with Image.open(tmp_path / "overlay.gif") as gif:
        assert gif.n_frames == 2
    labels.remove_frames([4, 5])
    with pytest.raises(ValueError, match="no frame has been tracked"):
        write_overlay(tmp_path / "overlay.gif", stack, labels, scores)


def test_what_cannot_be_drawn(tmp_path: Path) -> None:
    stack, labels, scores = moving_squares(3, 20, 20)
    with pytest.raises(ValueError, match=r"not 'overlay.jpg'"):
        write_overlay(tmp_path / "overlay.jpg", stack, labels, scores)
    with pytest.raises(ValueError, match=r"\(3, 9, 9\) do not fit a stack of shape \(3, 20, 20\)"):
        write_overlay(tmp_path / "overlay.png", stack, LabelStack((3, 9, 9)), scores)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["ctc_fluo_n2dh_sim01", "davis_bmx-trees"])
def test_real_sequences_make_pictures(data_dir: Path, tmp_path: Path, name: str) -> None:
    folder = data_dir / name
    stack = open_stack(folder / "frames.tif" if (folder / "frames.tif").exists() else folder / "frames")
    with open_stack(folder / "labels.tif") as truth:
        labels = LabelStack(truth.shape)
        for frame in range(10):
            labels.set(frame, truth.read(frame))
    write_overlay(tmp_path / "overlay.png", stack, labels, ScoreTable())
    with Image.open(tmp_path / "overlay.png") as picture:
        for object_id in labels.object_ids(0):
            assert near(picture, object_color(object_id)).any()


def test_tags_are_written_where_they_leave_the_object_to_be_seen() -> None:
    labels = np.zeros((100, 200), np.uint16)
    labels[10:90, 10:90], labels[40:62, 100:120], labels[5:10, 150:155] = 7, 8, 9
    picture = Image.new("RGB", (400, 200))
    tags = {7: ["7  0.93", "7"], 8: ["8  0.93", "8"], 9: ["9  0.93", "9"], 10: ["10"]}
    draw_tags(picture, labels, tags)
    written = np.asarray(picture).any(axis=-1)
    assert written[:, :200].any()
    long, short = (np.ptp(np.flatnonzero(written[:, part].any(axis=0))) for part in (slice(200), slice(200, 290)))
    assert long > 3 * short > 0
    assert not written[:, 290:].any(), "too small for any text"
    rows, columns = np.nonzero(written[:, :200])
    assert (rows.mean(), columns.mean()) == pytest.approx((100, 100), abs=6)

"""Pictures and videos of the objects, read back with PyAV and imageio."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest

from napari_sam2.data import Calibration, ScoreRow, ScoreTable, Stack, Window
from napari_sam2.data.formats import Results, export_results
from napari_sam2.data.pictures.outlines import object_color

av = pytest.importorskip("av", reason="PyAV is not installed")

SHAPE = (7, 61, 83)


def make_results(**changes: object) -> Results:
    rng = np.random.default_rng(0)
    pixels = rng.integers(500, 1500, SHAPE).astype(np.uint16)
    labels = np.zeros(SHAPE, np.uint16)
    for frame in range(len(labels)):
        labels[frame, 10 : 40 + frame, 5 + 4 * frame : 40 + 4 * frame] = 2
    table = ScoreTable(ScoreRow.from_mask(t, 2, scores=(0.9, 0.8), mask=image == 2) for t, image in enumerate(labels))
    stack = Stack.from_array(pixels, calibration=Calibration(step=1 / 25, step_unit="s"))
    settings = {"labels": labels, "stack": stack, "scores": table, "window": Window(0, 2000)} | changes
    return Results(**settings)


def decoded(path: Path, pix_fmt: str = "rgb24") -> tuple[np.ndarray, float]:
    with av.open(str(path)) as container:
        rate = float(container.streams.video[0].average_rate)
        return np.stack([frame.to_ndarray(format=pix_fmt) for frame in container.decode(video=0)]), rate


def colour_near(pixels: np.ndarray, colour: tuple[int, ...], tolerance: int) -> np.ndarray:
    return (np.abs(pixels.astype(int) - colour) <= tolerance).all(axis=-1)


def test_mp4_shows_outlines_and_scores(tmp_path: Path) -> None:
    dark = Stack.from_array(np.full(SHAPE, 20, np.uint8), calibration=Calibration(step=1 / 25, step_unit="s"))
    path = export_results(make_results(stack=dark, window=Window(0, 255)), "mp4", tmp_path / "overlay.mp4")
    frames, rate = decoded(path)
    assert len(frames) == 7
    assert rate == pytest.approx(25)
    assert frames.shape[1] % 2 == frames.shape[2] % 2 == 0
    scale = 480 / 83
    picture = frames[3, : round(61 * scale)]
    picture = np.where(np.arange(len(picture))[:, None, None] < 40, 0, picture)  # the caption
    outline = colour_near(picture, object_color(2), 60)
    rows, columns = np.nonzero(outline)
    assert (rows.min() / scale, rows.max() / scale) == pytest.approx((10, 43), abs=2)
    assert (columns.min() / scale, columns.max() / scale) == pytest.approx((17, 52), abs=2)
    chart = frames[3, round(61 * scale) + 2 :]
    assert colour_near(chart, (255, 255, 255), 12).mean() > 0.5
    assert np.abs(frames[0].astype(int) - frames[6]).max() > 100


def test_gif(tmp_path: Path) -> None:
    frames = imageio.imread(export_results(make_results(), "gif", tmp_path / "overlay.gif"), index=None)
    assert frames.shape[0] == 7
    assert colour_near(frames[2][..., :3], object_color(2), 60).any()


def expected_rgb(results: Results, frame: int) -> np.ndarray:
    grey = np.rint(results.stack.read(frame) * (255 / 2000)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def test_a_blurred_background_takes_no_light_of_the_objects(tmp_path: Path) -> None:
    # Stripes, and an object far brighter than all of them.
    pixels = np.zeros((2, 64, 96), np.uint8)
    pixels[:, :, ::4] = 80
    labels = np.zeros(pixels.shape, np.uint8)
    labels[:, 20:44, 30:60] = 1
    pixels[labels > 0] = 250
    results = make_results(stack=Stack.from_array(pixels), labels=labels, scores=ScoreTable(), window=Window(0, 255))
    spread = {}
    for blur in (0.01, 0.05):
        path = export_results(replace(results, blur=blur), "blur-mp4", tmp_path / f"{blur}.mp4")
        frames, _ = decoded(path)
        assert frames.shape == (2, 64, 96, 3)
        assert np.abs(frames[labels > 0].astype(int) - 250).max() < 12
        ground = frames[0, :, :24].astype(int)
        spread[blur] = ground.std()
        # A blur that goes over the object would leave a bright rim of 100 and more.
        assert frames[0, 24:40, 61:63].max() < 90
    assert spread[0.05] < 0.8 * spread[0.01] < 0.5 * pixels[0, :, :24].std()


def test_transparent_video_is_exact(tmp_path: Path) -> None:
    results = make_results()
    frames, rate = decoded(export_results(results, "cutout", tmp_path / "cutout.mov"), "rgba")
    assert frames.shape == (*SHAPE, 4)
    assert rate == pytest.approx(25)
    for number, frame in enumerate(frames):
        inside = results.labels[number] > 0
        np.testing.assert_array_equal(frame[..., 3] > 0, inside)
        np.testing.assert_array_equal(frame[inside][:, :3], expected_rgb(results, number)[inside])


def test_transparent_images_are_exact(tmp_path: Path) -> None:
    results = make_results()
    path = export_results(results, "cutout-png", tmp_path / "cutout")
    for number, file in enumerate(sorted(path.iterdir())):
        frame = imageio.imread(file)
        inside = results.labels[number] > 0
        np.testing.assert_array_equal(frame[..., 3], inside * np.uint8(255))
        np.testing.assert_array_equal(frame[inside][:, :3], expected_rgb(results, number)[inside])
    assert number == 6
    export_results(results, "cutout-png", path)


def test_one_colour_in_place_of_the_background(tmp_path: Path) -> None:
    results = make_results(background=(0, 177, 64))
    frames, _ = decoded(export_results(results, "cutout-mp4", tmp_path / "cutout.mp4"))
    assert frames.shape == (7, 62, 84, 3), "H.264 takes even sides"
    picture, inside = frames[4, :61, :83], results.labels[4] > 0
    # Away from the outline, where colours run into each other.
    far = np.zeros_like(inside)
    far[50:, :] = True
    assert colour_near(picture[far], (0, 177, 64), 8).all()
    grey = picture[15:35, 30:50].astype(int)
    assert np.abs(grey - expected_rgb(results, 4)[15:35, 30:50]).mean() < 12


def test_colour_images_are_kept_as_they_are(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (*SHAPE, 3)).astype(np.uint8)
    results = make_results(stack=Stack.from_array(pixels), window=None)
    frames, rate = decoded(export_results(results, "cutout", tmp_path / "cutout.mov"), "rgba")
    assert rate == 10, "no step is known"
    inside = results.labels[2] > 0
    np.testing.assert_array_equal(frames[2][inside][:, :3], pixels[2][inside])

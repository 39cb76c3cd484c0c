"""PNG, JPEG, JPEG 2000, GIF, BMP, WebP and PNM: animations, pictures that a camera held sideways, and palettes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2.data import open_stack

RED, GREEN = (200, 30, 10), (20, 180, 40)


def moving_square(count: int) -> list[Image.Image]:
    frames = []
    for i in range(count):
        pixels = np.zeros((20, 30, 3), np.uint8)
        pixels[:] = GREEN
        pixels[5:10, i % 25 : i % 25 + 5] = RED
        frames.append(Image.fromarray(pixels))
    return frames


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.apng", "a.webp"])
def test_animations_in_any_order(tmp_path: Path, name: str) -> None:
    frames = moving_square(70)
    options = {"format": "PNG"} if name.endswith("png") else {"lossless": True} if name.endswith("webp") else {}
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=40, **options)
    with open_stack(tmp_path / name) as stack:
        assert (stack.shape, stack.is_rgb, stack.axis, stack.step) == ((70, 20, 30), True, "t", 0.04)
        order = [0, 1, 2, 69, *range(68, 30, -1), 3, 50]
        for frame in order:
            np.testing.assert_array_equal(stack.read(frame), np.asarray(frames[frame]), err_msg=f"frame {frame}")


def test_a_still_gif(tmp_path: Path) -> None:
    moving_square(1)[0].save(tmp_path / "a.gif")
    with open_stack(tmp_path / "a.gif") as stack:
        np.testing.assert_array_equal(stack.read(0), np.asarray(moving_square(1)[0]))


def test_a_gif_cut_short_is_told(tmp_path: Path) -> None:
    frames = moving_square(5)
    path = tmp_path / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"a\.gif"), open_stack(path) as stack:
        stack.read(stack.n_frames - 1)


def test_an_animation_is_no_frame_of_a_folder(tmp_path: Path) -> None:
    for number in range(2):
        frames = moving_square(3)
        frames[0].save(tmp_path / f"{number}.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=r"0\.gif holds 3 frames where a single image is wanted"):
        open_stack(tmp_path)


@pytest.mark.parametrize("name", ["a.bmp", "a.webp", "a.jpg", "a.gif", "a.jp2", "a.ppm"])
def test_other_kinds_of_still_images(tmp_path: Path, name: str) -> None:
    options = {"lossless": True} if name == "a.webp" else {"quality": 100} if name == "a.jpg" else {}
    moving_square(1)[0].save(tmp_path / name, **options)
    for path in (tmp_path, tmp_path / name):
        with open_stack(path) as stack:
            assert np.abs(stack.read(0) - np.asarray(moving_square(1)[0]).astype(float)).mean() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_photographs_are_turned_as_the_camera_says(tmp_path: Path, orientation: int, ending: str) -> None:
    upright = np.zeros((24, 16), np.uint8)
    upright[:8, :8] = 250
    # How the camera stores what is upright.
    ways = [lambda a: a, np.fliplr, lambda a: a[::-1, ::-1], np.flipud, np.transpose]
    ways += [lambda a: np.rot90(a, 1), lambda a: a[::-1, ::-1].T, lambda a: np.rot90(a, -1)]
    stored = Image.fromarray(np.ascontiguousarray(ways[orientation - 1](upright)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100} if ending == "jpg" else {"lossless": True} if ending == "webp" else {}
    for number in range(2):
        stored.save(tmp_path / f"{number}.{ending}", exif=exif, **options)
    for path in (tmp_path, tmp_path / f"0.{ending}"):
        with open_stack(path) as stack:
            image = stack.read(0).astype(int)
            assert image.shape[:2] == (24, 16)
            grey = image if image.ndim == 2 else image[..., 0]
            assert np.abs(grey - upright).max() < 20


def palette_image(mode_l: np.ndarray) -> Image.Image:
    image = Image.fromarray(mode_l, "L").convert("P")
    image = Image.new("P", mode_l.shape[::-1])
    image.putdata(mode_l.ravel().tolist())
    image.putpalette([0, 0, 0, *RED, *GREEN])
    return image


@pytest.mark.parametrize("name", ["a.png", "a.gif", "a.bmp", "a.tif"])
def test_images_of_a_palette_are_in_colour(tmp_path: Path, name: str) -> None:
    indices = np.zeros((8, 9), np.uint8)
    indices[2:4, 3:5], indices[5:7, 1:4] = 1, 2
    palette_image(indices).save(tmp_path / name)
    with open_stack(tmp_path / name) as stack:
        image = stack.read(0)
    np.testing.assert_array_equal(image[2, 3], RED)
    np.testing.assert_array_equal(image[6, 1], GREEN)


def test_intensities_with_a_table_of_colours_stay_intensities(tmp_path: Path) -> None:
    table = np.zeros((3, 256), np.uint16)
    table[1] = np.arange(256) * 257
    frames = np.random.default_rng(0).integers(0, 255, (4, 8, 9)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", frames, photometric="palette", colormap=table)
    with open_stack(tmp_path / "a.tif") as stack:
        np.testing.assert_array_equal(stack.read(2), frames[2])

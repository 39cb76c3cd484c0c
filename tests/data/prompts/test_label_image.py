"""Label images as prompts: of a palette, of floats, in grey colours; and pictures that are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.ndimage import gaussian_filter

from napari_sam2.data.prompts.label_image import read_label_prompts
from napari_sam2.data.prompts.prompt import read_prompts

LABELS = np.zeros((20, 30), np.uint8)
LABELS[2:8, 3:9], LABELS[10:15, 12:20] = 1, 2


def palette_image(indices: np.ndarray) -> Image.Image:
    image = Image.new("P", indices.shape[::-1])
    image.putdata(indices.ravel().tolist())
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    return image


def check(path: Path, frames: int = 1) -> None:
    prompts = read_label_prompts(path)
    assert [(prompt.frame, prompt.object_id) for prompt in prompts] == [(t, i) for t in range(frames) for i in (1, 2)]
    for prompt in prompts:
        assert prompt.mask is not None
        np.testing.assert_array_equal(prompt.mask, prompt.object_id == LABELS)


@pytest.mark.parametrize("name", ["a.png", "a.gif", "a.bmp", "a.tif"])
def test_the_indices_of_a_palette_are_the_labels(tmp_path: Path, name: str) -> None:
    palette_image(LABELS).save(tmp_path / name)
    check(tmp_path / name)


def test_a_folder_of_palette_images(tmp_path: Path) -> None:
    for number in range(3):
        palette_image(LABELS).save(tmp_path / f"{number:05}.png")
    check(tmp_path, 3)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "int64", "uint32"])
def test_labels_of_any_type(tmp_path: Path, dtype: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", LABELS.astype(dtype))
    check(tmp_path / "a.tif")


def test_grey_labels_written_as_colour(tmp_path: Path) -> None:
    Image.fromarray(LABELS).convert("RGB").save(tmp_path / "a.png")
    check(tmp_path / "a.png")


def test_float_label_volume_in_nifti(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    volume = np.repeat(LABELS[None], 3, axis=0).astype(np.float32).transpose(2, 1, 0)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "a.nii.gz")
    check(tmp_path / "a.nii.gz", 3)


def test_what_is_no_number_is_background(tmp_path: Path) -> None:
    labels = LABELS.astype(np.float32)
    labels[0] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", labels)
    with pytest.warns(UserWarning, match="NaN"):
        check(tmp_path / "a.tif")


def test_floats_that_are_no_labels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", LABELS * np.float32(0.3))
    with pytest.raises(ValueError, match=r"frame 0 of .*a\.tif holds 0.3, which is no label"):
        read_label_prompts(tmp_path / "a.tif")


def test_numbers_below_zero_are_no_labels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.full((8, 9), -3, np.int16))
    with pytest.raises(ValueError, match=r"frame 0 of .*a\.tif holds -3, which is no label"):
        read_label_prompts(tmp_path / "a.tif")


def test_colours_that_are_no_labels(tmp_path: Path) -> None:
    palette_image(LABELS).convert("RGB").save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="is in colour: prompts are"):
        read_label_prompts(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["noisy", "smooth", "16-bit"])
def test_pictures_are_no_labels(tmp_path: Path, kind: str) -> None:
    noise = np.random.default_rng(0).random((200, 260))
    if kind == "smooth":
        noise = gaussian_filter(noise, 12)
    noise = (noise - noise.min()) / np.ptp(noise)
    picture = (noise * 4000).astype(np.uint16) if kind == "16-bit" else (noise * 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", picture)
    with pytest.raises(ValueError, match="looks like a picture, not like labels"):
        read_label_prompts(tmp_path / "a.tif")


def test_hundreds_of_small_cells_are_labels(tmp_path: Path) -> None:
    y, x = np.indices((120, 120))
    grid = (y // 6) * 20 + x // 6 + 1
    cells = np.where((y % 6 < 4) & (x % 6 < 4), grid, 0).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", cells)
    assert len(read_label_prompts(tmp_path / "a.tif")) == 400


@pytest.mark.parametrize("kind", ["palette", "colour", "grey colour", "black and white", "grey"])
def test_masks_of_every_kind_of_png(tmp_path: Path, kind: str) -> None:
    mask = LABELS == 1
    palette = palette_image(mask.astype(np.uint8))
    grey = Image.fromarray(mask.astype(np.uint8) * 255)
    images = {"palette": palette, "colour": palette.convert("RGB"), "grey colour": grey.convert("RGBA")}
    (images | {"black and white": grey.convert("1"), "grey": grey})[kind].save(tmp_path / "m.png")
    document = {"version": 1, "prompts": [{"frame": 0, "object": 1, "mask": "m.png"}]}
    (tmp_path / "p.json").write_text(json.dumps(document), encoding="utf-8")
    (prompt,) = read_prompts(tmp_path / "p.json")
    np.testing.assert_array_equal(prompt.mask, mask)


def test_two_colours_are_no_mask(tmp_path: Path) -> None:
    palette_image(LABELS).convert("RGB").save(tmp_path / "m.png")
    document = {"version": 1, "prompts": [{"frame": 0, "object": 1, "mask": "m.png"}]}
    (tmp_path / "p.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ValueError, match=r"mask 'm.png' must have one value or colour besides 0, not 2"):
        read_prompts(tmp_path / "p.json")

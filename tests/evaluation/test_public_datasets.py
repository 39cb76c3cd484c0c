from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from napari_sam2.data.files.rle import decode_rle
from napari_sam2.evaluation.labelled_sequences import read_sequences
from napari_sam2.evaluation.public_datasets import find_videos
from napari_sam2.evaluation.track_and_score import evaluate
from napari_sam2.model.config import CONFIGS
from napari_sam2.model.sam2 import build_sam2
from napari_sam2.training.data.sources import Videos, open_source

SHAPE = (24, 32)


def write_frames(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for t in range(count):
        image = np.full((*SHAPE, 3), 40 + 10 * t, np.uint8)
        Image.fromarray(image).save(folder / f"{t:05d}.jpg", quality=95)


def write_ids(path: Path, ids: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(ids).convert("P")
    image.putpalette([channel for i in range(256) for channel in (i, 255 - i, 7)])
    image.putdata(ids.ravel().tolist())
    image.save(path)


def square(top: int, left: int, side: int = 8) -> NDArray[np.bool_]:
    mask = np.zeros(SHAPE, bool)
    mask[top : top + side, left : left + side] = True
    return mask


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    for name in ("boat", "car"):
        write_frames(tmp_path / "JPEGImages" / "480p" / name, 6)
        for t in range(6):
            ids = np.where(square(2, 2 + t), 1, np.where(square(12, 20), 2, 0)).astype(np.uint8)
            write_ids(tmp_path / "Annotations" / "480p" / name / f"{t:05d}.png", ids)
    return tmp_path


@pytest.fixture
def sav(tmp_path: Path) -> Path:
    write_frames(tmp_path / "JPEGImages_24fps" / "sav_1", 9)
    for t in (0, 4, 8):
        for object_id, mask in (("000", square(2, 2, 12)), ("001", square(4, 4, 4))):
            path = tmp_path / "Annotations_6fps" / "sav_1" / object_id / f"{t:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask.astype(np.uint8) * 255).save(path)
    return tmp_path


def encode_rle(mask: NDArray[np.bool_]) -> str:
    """COCO's compression, written down once more from its description."""
    flat = mask.ravel(order="F").astype(int)
    changes = np.flatnonzero(np.diff(np.concatenate(([0], flat)))).tolist()
    ends = [*changes, flat.size]
    runs = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
    text = ""
    for place, run in enumerate(runs):
        value = run - runs[place - 2] if place > 2 else run
        while True:
            bits, value = value & 0x1F, value >> 5
            last = value == (-1 if bits & 0x10 else 0)
            text += chr(48 + bits + (0 if last else 0x20))
            if last:
                break
    return text


def test_compressed_masks_by_hand() -> None:
    # two rows, three columns: down the columns 0 0, 1 1, 1 0 -> runs 2, 3, 1
    assert decode_rle((2, 3), "231").tolist() == [[False, True, True], [False, True, False]]
    # a run of 40 takes two characters: 40 = 01000 + 1 * 32
    assert decode_rle((8, 5), "X1").any() == False  # noqa: E712
    with pytest.raises(ValueError, match="6 pixels instead of 2 x 4"):
        decode_rle((2, 4), "231")


def test_compressed_masks_there_and_back() -> None:
    rng = np.random.default_rng(0)
    for share in (0.02, 0.5, 0.98):
        mask = rng.random((37, 53)) < share
        assert np.array_equal(decode_rle(mask.shape, encode_rle(mask)), mask)


def test_davis_layout(davis: Path) -> None:
    boat, car = read_sequences(davis)
    assert (boat.name, car.name, boat.axis) == ("boat", "car", "t")
    assert boat.stack.shape == boat.labels.shape == (6, *SHAPE)
    assert np.array_equal(boat.labels[3], np.where(square(2, 5), 1, np.where(square(12, 20), 2, 0)))
    assert boat.objects() == [1, 2]
    assert [sequence.name for sequence in read_sequences(davis, ("car",))] == ["car"]
    with pytest.raises(ValueError, match="plane"):
        list(read_sequences(davis, ("plane",)))


def test_the_resolution_s_folder_may_be_missing(davis: Path) -> None:
    for kind in ("JPEGImages", "Annotations"):
        (davis / kind / "480p" / "boat").rename(davis / kind / "boat")
    assert [video.name for video in find_videos(davis)] == ["boat", "car"]


def test_sav_layout(sav: Path) -> None:
    (sequence,) = read_sequences(sav)
    assert sequence.annotated == (0, 4, 8)
    assert list(sequence.graded) == [0, 4, 8]
    # numbered from 1; the smaller object lies on the larger
    assert np.array_equal(sequence.labels[4], np.where(square(4, 4, 4), 2, np.where(square(2, 2, 12), 1, 0)))
    assert not sequence.labels[5].any()
    assert sequence.objects() == [1, 2]


def test_sav_training_layout(sav: Path, tmp_path: Path) -> None:
    for mask in (sav / "Annotations_6fps").rglob("*.png"):
        mask.unlink()
    (tmp_path / "sav_000").mkdir()

    def write(ending: str, masks: list[NDArray[np.bool_]]) -> None:
        masklet = [[{"size": list(SHAPE), "counts": encode_rle(mask)} for mask in masks]] * 3
        (tmp_path / "sav_000" / f"sav_1{ending}").write_text(json.dumps({"masklet": masklet}), encoding="utf-8")

    write("_auto.json", [square(14, 20)])
    write("_manual.json", [square(2, 2), square(2, 12)])
    (video,) = find_videos(sav)
    assert video.annotated == (0, 4, 8)
    expected = square(2, 2) + 2 * square(2, 12) + 3 * square(14, 20)
    assert np.array_equal(video.label_frame(4), expected)


def test_frames_without_masks_are_not_graded(sav: Path) -> None:
    model = build_sam2(CONFIGS["sam2_nano"].with_image_size(64))
    with_masks = evaluate(model, read_sequences(sav), flow=False)["sequences"]["sav_1"]
    # copied to the other annotated frames, both masks are right everywhere
    assert with_masks["copied"] == {"J": 1.0, "F": 1.0, "J&F": 1.0}


def test_clips_are_drawn_from_annotated_frames(sav: Path, davis: Path) -> None:
    # one folder with both layouts is read as SA-V's
    source = open_source(str(sav), size=64)
    assert isinstance(source, Videos)
    clip = source.draw(np.random.default_rng(0), 4)
    assert clip.frames.shape == (3, *SHAPE, 3)
    assert abs(int(clip.frames[1].mean()) - 80) <= 2
    assert set(np.unique(clip.labels)) == {0, 1, 2}


def test_what_is_wrong_with_masks_is_said(davis: Path) -> None:
    place = davis / "Annotations" / "480p" / "boat"
    Image.fromarray(np.zeros((*SHAPE, 3), np.uint8)).save(place / "00002.png")
    with pytest.raises(ValueError, match=r"boat: masks of shape \(24, 32, 3\) on frame 2"):
        list(read_sequences(davis))
    (place / "00002.png").rename(place / "99999.png")
    with pytest.raises(ValueError, match=r"99999.png has no frame"):
        list(read_sequences(davis))

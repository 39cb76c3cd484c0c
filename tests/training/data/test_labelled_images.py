from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2.evaluation.image_sets import Split, find_image_sets, split_sets
from napari_sam2.training.data.augment import change_modality, drift
from napari_sam2.training.data.labelled_images import ImageSets
from napari_sam2.training.data.sources import Mixture
from napari_sam2.training.loop import open_held_out, open_mixture
from napari_sam2.training.train_settings import TrainSettings


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def write_stills(folder: Path, *, count: int, size: tuple[int, int] = (40, 50), origin: str = "camera") -> None:
    (folder / "frames").mkdir(parents=True)
    (folder / "labels").mkdir()
    for i in range(count):
        labels = np.zeros(size, np.uint16)
        labels[5:25, 5:30] = 300 + i
        Image.fromarray(np.full((*size, 3), 2 * i, np.uint8)).save(folder / "frames" / f"{i:03d}.png")
        Image.fromarray(labels).save(folder / "labels" / f"{i:03d}.png")
    (folder / "meta.json").write_text(json.dumps({"axis": "still", "original": origin}), encoding="utf-8")


def write_stack(folder: Path, *, frames: int, value: int = 7, origin: str = "scanner") -> None:
    folder.mkdir(parents=True)
    labels = np.zeros((frames, 30, 40), np.uint16)
    labels[:, 5:20, 5:20] = 1
    tifffile.imwrite(folder / "labels.tif", labels)
    pictures = np.zeros((frames, 30, 40, 3), np.uint8) + np.arange(frames, dtype=np.uint8)[:, None, None, None]
    pictures[..., 2] = value
    tifffile.imwrite(folder / "frames.tif", pictures, photometric="rgb", metadata={"axes": "TYXS"})
    (folder / "meta.json").write_text(json.dumps({"axis": "t", "original": origin}), encoding="utf-8")


def test_stills_and_stacks_are_found_and_drawn(tmp_path: Path) -> None:
    write_stills(tmp_path / "photos", count=3)
    write_stack(tmp_path / "movie", frames=6)
    sets = ImageSets(tmp_path)
    shapes = {sets.draw(rng(seed), 1).labels.shape for seed in range(20)}
    assert shapes == {(1, 40, 50), (1, 30, 40)}
    for seed in range(10):
        clip = sets.draw(rng(seed), 4)
        assert len(clip.frames) == len(clip.labels) == 4
        assert set(np.unique(clip.labels)) == {0, 1}


def test_what_is_held_out_is_not_trained_on(tmp_path: Path) -> None:
    write_stills(tmp_path / "photos", count=40)
    write_stack(tmp_path / "movie", frames=30)
    for number in range(10):
        write_stack(tmp_path / f"heart_{number}", frames=5, value=10 + number, origin="hearts")

    def frames(*, held_out: bool) -> set[tuple[str, int]]:
        families = split_sets(find_image_sets(tmp_path), Split(0.1, held_out=held_out))
        return {(part.images.name, frame) for family in families for part in family for frame in part.frames}

    training, held_out = frames(held_out=False), frames(held_out=True)
    assert not training & held_out
    assert len(training | held_out) == 40 + 30 + 50
    assert {frame for name, frame in held_out if name == "photos"} == {15, 16, 17}
    assert {frame for name, frame in held_out if name == "movie"} == {27, 28, 29}
    assert {name for name, _ in held_out if name.startswith("heart")} == {"heart_5"}


def test_a_folder_named_twice_is_split_and_another_is_read_whole(tmp_path: Path) -> None:
    write_stills(tmp_path / "a" / "photos", count=30)
    write_stills(tmp_path / "b" / "photos", count=3)
    both = str(tmp_path / "a")
    settings = TrainSettings("", data=(both, str(tmp_path / "b")), held_out=(both,), data_weights=(1.0, 0.0))
    seen = {int(open_mixture(settings).draw(rng(seed), 1).frames[0, 0, 0, 0]) // 2 for seed in range(400)}
    assert seen == set(range(30)) - {15, 16, 17}
    held_out = open_held_out(both, settings)
    assert {int(held_out.draw(rng(seed), 1).frames[0, 0, 0, 0]) // 2 for seed in range(30)} == {15, 16, 17}


def test_sets_are_left_out_by_name(tmp_path: Path) -> None:
    write_stills(tmp_path / "photos", count=3)
    write_stack(tmp_path / "fruit_apple", frames=6)
    assert [found.name for found in find_image_sets(tmp_path, ("fruit_*",))] == ["photos"]
    with pytest.raises(ValueError, match="no labelled sets"):
        ImageSets(tmp_path, Split(without=("*",)))


def test_a_large_set_does_not_drown_a_small_one(tmp_path: Path) -> None:
    write_stills(tmp_path / "many", count=36)
    write_stills(tmp_path / "few", count=4, size=(20, 35), origin="other")
    few = sum(ImageSets(tmp_path).draw(rng(seed), 1).labels.shape == (1, 20, 35) for seed in range(400))
    assert 70 < few < 130


def test_a_still_with_more_objects_than_a_byte_counts_is_cut(tmp_path: Path) -> None:
    folder = tmp_path / "crowd"
    write_stills(folder, count=1, size=(80, 80))
    crowd = np.arange(400, dtype=np.uint16).reshape(20, 20).repeat(4, 0).repeat(4, 1)
    Image.fromarray(crowd).save(folder / "labels" / "000.png")
    clip = ImageSets(tmp_path).draw(rng(), 1)
    assert clip.labels.shape == (1, 53, 53)
    assert len(np.unique(clip.labels)) > 170


def test_names_of_stills_and_labels_must_agree(tmp_path: Path) -> None:
    write_stills(tmp_path / "photos", count=2)
    (tmp_path / "photos" / "labels" / "001.png").rename(tmp_path / "photos" / "labels" / "002.png")
    with pytest.raises(ValueError, match="same names"):
        find_image_sets(tmp_path)


def test_labels_must_fit_their_image(tmp_path: Path) -> None:
    write_stills(tmp_path / "photos", count=1)
    Image.fromarray(np.zeros((5, 5), np.uint16)).save(tmp_path / "photos" / "labels" / "000.png")
    with pytest.raises(ValueError, match=r"labels of shape \(5, 5\)"):
        ImageSets(tmp_path).draw(rng(), 1)


def test_weights_are_one_for_each_source(tmp_path: Path) -> None:
    write_stills(tmp_path / "photos", count=2)
    with pytest.raises(ValueError, match="2 weights for 1 sources"):
        Mixture([ImageSets(tmp_path)], (1.0, 2.0))


def test_a_still_in_motion_keeps_its_objects_on_their_pixels() -> None:
    labels = np.zeros((60, 60), np.uint8)
    labels[20:40, 22:38] = 1
    image = np.repeat(labels[..., None] * 200, 3, axis=-1)
    for seed in range(5):
        frames, moved = drift(rng(seed), image, labels, frames=5)
        assert np.array_equal(moved[0], labels)
        assert not np.array_equal(moved[0], moved[-1])
        assert ((frames[..., 0] > 100) == (moved > 0)).mean() > 0.98


def test_another_instrument_keeps_the_shape() -> None:
    frames = rng().integers(0, 256, (2, 24, 32, 3), dtype=np.uint8)
    changed = [change_modality(rng(seed), frames) for seed in range(12)]
    assert all(image.shape == frames.shape and image.dtype == np.uint8 for image in changed)
    assert len({image.tobytes() for image in changed}) > 8

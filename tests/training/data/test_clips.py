from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from napari_sam2.synthetic import Clip, SceneSettings
from napari_sam2.training.data.augment import Augmentation, flicker, recolour, tilt, turn
from napari_sam2.training.data.clips import cut_window, draw_batch
from napari_sam2.training.data.frame_choice import choose_frames
from napari_sam2.training.data.labelled_images import ImageSets
from napari_sam2.training.data.sources import Generated, Pool, fill_pool, open_source

SCENE = SceneSettings(size=(64, 64), n_frames=5, kind="shapes")


class Marked:
    """Clips whose red channel is the label, so that frames and masks can be compared."""

    def draw(self, rng: np.random.Generator, frames: int) -> Clip:
        labels = np.zeros((6, 64, 64), dtype=np.uint8)
        for t in range(6):
            labels[t, 8 + t : 40 + t, 8:30] = 1
            if t < 4:
                labels[t, 45:60, 40:60] = 2
        return Clip(np.repeat(labels[..., None] * 100, 3, axis=-1), labels)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_batch_has_its_shape_and_its_objects() -> None:
    batch = draw_batch([Marked()], rng(), size=64, shape=(3, 4, 2))
    assert batch.frames_btchw.shape == (3, 4, 3, 64, 64)
    assert batch.frames_btchw.dtype == torch.uint8
    assert batch.masks_btnhw.shape == (3, 4, 2, 64, 64)
    assert batch.present_btn[:, 0].all()


def test_masks_stay_on_their_objects() -> None:
    for seed in range(12):
        batch = draw_batch([Marked()], rng(seed), size=64, shape=(1, 3, 2))
        grey = batch.frames_btchw[0].float().mean(dim=1)
        for t, n in ((0, 0), (0, 1), (2, 0)):
            mask = batch.masks_btnhw[0, t, n]
            if 150 < mask.sum() < 64 * 64 - 20:
                # resampling mixes the rim, nothing else
                inside = grey[t][mask].median()
                assert (grey[t][mask] - inside).abs().float().quantile(0.5) < 2


def test_few_objects_come_several_times() -> None:
    batch = draw_batch([Marked()], rng(), size=64, shape=(1, 1, 7))
    assert batch.masks_btnhw.shape[2] == 7


def test_the_same_seed_gives_the_same_batch() -> None:
    source = [Generated(SCENE)]
    one, two = (draw_batch(source, rng(5), size=64, shape=(2, 3, 2)) for _ in range(2))
    assert torch.equal(one.frames_btchw, two.frames_btchw)
    assert torch.equal(one.masks_btnhw, two.masks_btnhw)


def test_clips_without_objects_are_an_error() -> None:
    class Empty:
        def draw(self, rng: np.random.Generator, frames: int) -> Clip:
            return Clip(np.zeros((3, 32, 32, 3), np.uint8), np.zeros((3, 32, 32), np.uint8))

    with pytest.raises(ValueError, match="No object"):
        draw_batch([Empty()], rng(), size=32, shape=(1, 2, 1))


def test_frames_are_evenly_spaced_either_way() -> None:
    steps = set()
    for seed in range(60):
        order = choose_frames(rng(seed), 10, 4)
        assert order.min() >= 0
        assert order.max() <= 9
        assert len(set(np.diff(order))) == 1
        steps.add(int(np.diff(order)[0]))
    assert steps == {-3, -2, -1, 1, 2, 3}


def test_a_short_clip_is_played_to_and_fro() -> None:
    order = choose_frames(rng(), 3, 6).tolist()
    assert order in ([0, 1, 2, 1, 0, 1], [1, 0, 1, 2, 1, 0])


def test_windows_turns_and_colours_keep_frames_and_labels_together() -> None:
    clip = Marked().draw(rng(), 6)
    for seed in range(10):
        frames, labels = cut_window(rng(seed), clip.frames, clip.labels, size=48)
        frames, labels = turn(rng(seed), frames, labels)
        assert frames.shape == (6, 48, 48, 3)
        assert labels.shape == (6, 48, 48)
        agree = np.abs(frames[..., 0].astype(int) - labels.astype(int) * 100) < 50
        assert agree.mean() > 0.93
        assert recolour(rng(seed), frames).dtype == np.uint8


def test_tilting_keeps_frames_and_labels_together() -> None:
    clip = Marked().draw(rng(), 6)
    tilted = 0
    for seed in range(10):
        frames, labels = tilt(rng(seed), clip.frames, clip.labels)
        agree = np.abs(frames[..., 0].astype(int) - labels.astype(int) * 100) < 50
        assert agree.mean() > 0.93
        tilted += (labels != clip.labels).mean() > 0.05
        assert {*np.unique(labels)} <= {*np.unique(clip.labels)}
    assert tilted >= 8


def test_flicker_changes_each_frame_a_little_for_itself() -> None:
    frames = np.full((5, 4, 4, 3), 120, np.uint8)
    changed = flicker(rng(), frames).astype(int)
    assert (changed == changed[:, :1, :1]).all()
    levels = changed[:, 0, 0]
    assert len(np.unique(levels, axis=0)) == 5
    assert np.abs(levels - 120).max() <= 0.16 * 120 + 1


def test_augmentation_is_drawn_for_its_share_of_the_clips() -> None:
    class Flat:
        def draw(self, rng: np.random.Generator, frames: int) -> Clip:
            return Clip(np.full((4, 32, 32, 3), 90, np.uint8), np.ones((4, 32, 32), np.uint8))

    def corners(share: float) -> int:
        batch = draw_batch([Flat()], rng(), size=32, shape=(20, 2, 1), augmentation=Augmentation(affine_share=share))
        return int((~batch.masks_btnhw[:, 0, 0, 0, 0]).sum())

    assert corners(0.0) == 0
    assert corners(1.0) > 15


def test_a_pool_gives_back_what_was_rendered(tmp_path: Path) -> None:
    fill_pool(tmp_path, SCENE, clips=3, seed=4, shard=2)
    expected = Generated(SCENE).draw(rng(4), 5)
    pool = Pool(tmp_path)
    drawn = [pool.draw(rng(seed), 5) for seed in range(12)]
    assert any(np.array_equal(clip.frames, expected.frames) for clip in drawn)
    assert isinstance(open_source(str(tmp_path), size=64), Pool)
    with pytest.raises(ValueError, match="fill the pool"):
        Pool(tmp_path / "nothing")


def test_labelled_stacks_are_a_source(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    folder.mkdir()
    labels = np.zeros((20, 30, 40), dtype=np.uint16)
    labels[:, 5:15, 5:15] = 4000
    labels[:, 20:25, 20:35] = 12
    tifffile.imwrite(folder / "labels.tif", labels)
    tifffile.imwrite(folder / "frames.tif", labels * 3, metadata={"axes": "TYX"})
    (folder / "meta.json").write_text(json.dumps({"axis": "t"}), encoding="utf-8")
    source = open_source(str(tmp_path), size=64)
    assert isinstance(source, ImageSets)
    clip = source.draw(rng(), 2)
    assert clip.frames.shape == (2, 30, 40, 3)
    assert set(np.unique(clip.labels)) == {0, 1, 2}
    assert len(np.unique(clip.labels[:, 5:15, 5:15])) == 1
    # a stack need not be square to train on
    assert draw_batch([source], rng(), size=32, shape=(1, 2, 1)).frames_btchw.shape[-2:] == (32, 32)

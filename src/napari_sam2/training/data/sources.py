"""Sources of training clips: rendered, from a pool of rendered ones, from labelled images, from videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_sam2.data.images.pixels.contrast import choose_window, to_rgb8
from napari_sam2.evaluation.image_sets import WHOLE, Split
from napari_sam2.evaluation.public_datasets import AnnotatedVideo, find_videos
from napari_sam2.synthetic import Clip, SceneSettings, render_clip

from .labelled_images import ImageSets

GENERATED = "generated"
_MOST_FRAMES = 16


class ClipSource(Protocol):
    """Anything that clips can be drawn from."""

    def draw(self, rng: np.random.Generator, frames: int) -> Clip:
        """Return a clip, of which so many frames are wanted; the same state of ``rng`` gives the same clip."""


class Generated:
    """Clips rendered on the spot."""

    def __init__(self, settings: SceneSettings) -> None:
        self.settings = settings

    def draw(self, rng: np.random.Generator, frames: int) -> Clip:
        """Render a clip."""
        return render_clip(rng, self.settings)


class Pool:
    """Clips rendered before, read from ``frames_*.npy`` and ``labels_*.npy`` without loading them whole."""

    def __init__(self, folder: str | Path) -> None:
        names = sorted(path.name for path in Path(folder).glob("frames_*.npy"))
        pairs = [(Path(folder, name), Path(folder, name.replace("frames", "labels", 1))) for name in names]
        self.shards: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = [
            (np.load(frames, mmap_mode="r"), np.load(labels, mmap_mode="r"))
            for frames, labels in pairs
            if labels.exists()
        ]
        if not self.shards:
            raise ValueError(f"{folder} holds no frames_*.npy with labels beside them; fill the pool first.")

    def draw(self, rng: np.random.Generator, frames: int) -> Clip:
        """Pick a clip, all with the same probability."""
        sizes = np.array([len(frames) for frames, _ in self.shards])
        images, labels = self.shards[int(rng.choice(len(sizes), p=sizes / sizes.sum()))]
        index = int(rng.integers(len(images)))
        return Clip(np.asarray(images[index]), np.asarray(labels[index]))


def fill_pool(folder: str | Path, settings: SceneSettings, *, clips: int, seed: int, shard: int = 50) -> None:
    """Render clips into a folder that `Pool` reads; clips of the same seed are written over."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for number, first in enumerate(range(0, clips, shard)):
        rendered = [render_clip(rng, settings) for _ in range(min(shard, clips - first))]
        # The labels come last: a shard counts once both files are there.
        np.save(target / f"frames_{seed}_{number:03d}.npy", np.stack([clip.frames for clip in rendered]))
        np.save(target / f"labels_{seed}_{number:03d}.npy", np.stack([clip.labels for clip in rendered]))


class Videos:
    """Clips of the annotated frames of videos, of which each is opened when it is drawn."""

    def __init__(self, videos: Sequence[AnnotatedVideo]) -> None:
        self.videos = videos

    def draw(self, rng: np.random.Generator, frames: int) -> Clip:
        """Read up to 16 annotated frames that follow one another, all videos with the same probability."""
        # A copy, so that what it keeps of its files is forgotten with it.
        video = replace(self.videos[int(rng.integers(len(self.videos)))])
        first = int(rng.integers(max(len(video.annotated) - _MOST_FRAMES, 0) + 1))
        chosen = video.annotated[first : first + _MOST_FRAMES]
        with video.open() as stack:
            window = choose_window(stack)
            images = np.stack([to_rgb8(stack.read(frame), window) for frame in chosen])
        return Clip(images, _few_ids(rng, np.stack([video.label_frame(frame) for frame in chosen])))


def _few_ids(rng: np.random.Generator, labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Number the objects from 1 in a random order; what does not fit into a byte becomes background."""
    ids, index = np.unique(labels, return_inverse=True)
    order = np.zeros(len(ids), dtype=np.int64)
    objects = np.flatnonzero(ids)
    order[objects] = 1 + rng.permutation(len(objects))
    numbered = order[index].reshape(labels.shape)
    return np.where(numbered < 256, numbered, 0).astype(np.uint8)


class Mixture:
    """Clips of several sources."""

    def __init__(self, sources: Sequence[ClipSource], weights: Sequence[float] = ()) -> None:
        if weights and len(weights) != len(sources):
            raise ValueError(f"{len(weights)} weights for {len(sources)} sources of clips; give one for each.")
        self.sources = sources
        shares = np.asarray(weights or [1.0] * len(sources), np.float64)
        self.shares = shares / shares.sum()

    def draw(self, rng: np.random.Generator, frames: int) -> Clip:
        """Draw from one of them."""
        return self.sources[int(rng.choice(len(self.sources), p=self.shares))].draw(rng, frames)


def open_source(name: str, *, size: int, split: Split = WHOLE) -> ClipSource:
    """Open a source by what it is called on the command line.

    ``name``: ``"generated"``, or a folder: of rendered clips (see `Pool`), of videos in a public data set's layout (see
    `find_videos`) or of labelled stacks and stills (see `ImageSets`).
    ``size``: side of generated frames in pixels.
    """
    if name == GENERATED:
        return Generated(SceneSettings(size=(size, size), n_frames=10))
    if any(Path(name).glob("frames_*.npy")):
        return Pool(name)
    videos = find_videos(name)
    return Videos(videos) if videos else ImageSets(name, split)

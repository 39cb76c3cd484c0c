"""Where training clips come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_sam2.data.images.contrast import choose_window, to_rgb8
from napari_sam2.evaluation.labelled_sequences import read_sequences
from napari_sam2.evaluation.public_datasets import AnnotatedVideo, find_videos
from napari_sam2.synthetic import Clip, SceneSettings, render_clip

GENERATED = "generated"
_MOST_FRAMES = 16


class ClipSource(Protocol):
    """Anything that clips can be drawn from."""

    def draw(self, rng: np.random.Generator) -> Clip:
        """Return a clip; the same state of ``rng`` gives the same clip."""


class Generated:
    """Clips rendered on the spot.

    Parameters
    ----------
    settings : SceneSettings
        What to render.
    """

    def __init__(self, settings: SceneSettings) -> None:
        self.settings = settings

    def draw(self, rng: np.random.Generator) -> Clip:
        """Render a clip."""
        return render_clip(rng, self.settings)


class Pool:
    """Clips rendered before, read from ``frames_*.npy`` and ``labels_*.npy`` without loading them whole.

    Parameters
    ----------
    folder : path
        Written by `fill_pool`.

    Raises
    ------
    ValueError
        If there are no clips in the folder.
    """

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

    def draw(self, rng: np.random.Generator) -> Clip:
        """Pick a clip, all with the same probability."""
        sizes = np.array([len(frames) for frames, _ in self.shards])
        frames, labels = self.shards[int(rng.choice(len(sizes), p=sizes / sizes.sum()))]
        index = int(rng.integers(len(frames)))
        return Clip(np.asarray(frames[index]), np.asarray(labels[index]))


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


class Stacks:
    """Clips cut out of labelled stacks.

    Parameters
    ----------
    folder : path
        See `read_sequences`; frames are read when they are drawn.
    """

    def __init__(self, folder: str | Path) -> None:
        self.sequences = list(read_sequences(folder))
        self.windows = [choose_window(sequence.stack) for sequence in self.sequences]

    def draw(self, rng: np.random.Generator) -> Clip:
        """Cut up to 16 consecutive frames out of a stack, all stacks with the same probability."""
        index = int(rng.integers(len(self.sequences)))
        sequence, window = self.sequences[index], self.windows[index]
        first = int(rng.integers(max(len(sequence.labels) - _MOST_FRAMES, 0) + 1))
        labels = sequence.labels[first : first + _MOST_FRAMES]
        frames = np.stack([to_rgb8(sequence.stack.read(first + t), window) for t in range(len(labels))])
        return Clip(frames, _few_ids(rng, labels))


class Videos:
    """Clips of the annotated frames of videos, of which each is opened when it is drawn.

    Parameters
    ----------
    videos : sequence of AnnotatedVideo
        At least one.
    """

    def __init__(self, videos: Sequence[AnnotatedVideo]) -> None:
        self.videos = videos

    def draw(self, rng: np.random.Generator) -> Clip:
        """Read up to 16 annotated frames that follow one another, all videos with the same probability."""
        # A copy, so that what it keeps of its files is forgotten with it.
        video = replace(self.videos[int(rng.integers(len(self.videos)))])
        first = int(rng.integers(max(len(video.annotated) - _MOST_FRAMES, 0) + 1))
        chosen = video.annotated[first : first + _MOST_FRAMES]
        with video.open() as stack:
            window = choose_window(stack)
            frames = np.stack([to_rgb8(stack.read(frame), window) for frame in chosen])
        return Clip(frames, _few_ids(rng, np.stack([video.label_frame(frame) for frame in chosen])))


def _few_ids(rng: np.random.Generator, labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Number the objects from 1 in a random order; what does not fit into a byte becomes background."""
    ids, index = np.unique(labels, return_inverse=True)
    order = np.zeros(len(ids), dtype=np.int64)
    objects = np.flatnonzero(ids)
    order[objects] = 1 + rng.permutation(len(objects))
    numbered = order[index].reshape(labels.shape)
    return np.where(numbered < 256, numbered, 0).astype(np.uint8)


def open_source(name: str, *, size: int) -> ClipSource:
    """Open a source by what it is called on the command line.

    Parameters
    ----------
    name : str
        ``"generated"``, or a folder: of rendered clips (see `Pool`), of videos in a public data set's layout (see
        `find_videos`) or of labelled stacks (see `Stacks`).
    size : int
        Side of generated frames in pixels.
    """
    if name == GENERATED:
        return Generated(SceneSettings(size=(size, size), n_frames=10))
    if any(Path(name).glob("frames_*.npy")):
        return Pool(name)
    videos = find_videos(name)
    return Videos(videos) if videos else Stacks(name)

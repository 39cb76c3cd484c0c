"""Export of videos and images that show the objects without their background."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from napari_sam2.data.images.pixels.contrast import choose_window, to_rgb8
from napari_sam2.data.pictures.video_file import frame_rate, write_video

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from .export_data import Results


def write_cutout_video(path: Path, results: Results) -> None:
    """Write a QuickTime ``.mov`` (Animation codec, lossless) in which everything but the objects is transparent."""
    write_video(path, _cut_out(results), rate=frame_rate(results.stack), codec="qtrle")


def write_flat_video(path: Path, results: Results) -> None:
    """Write an mp4 video in which everything but the objects has one colour."""
    colour = np.array(results.background, np.uint8)
    frames = (np.where(frame[..., 3:] > 0, frame[..., :3], colour) for frame in _cut_out(results))
    write_video(path, frames, rate=frame_rate(results.stack))


def write_cutout_images(path: Path, results: Results) -> None:
    """Write a PNG image for every frame, in which everything but the objects is transparent."""
    path.mkdir()
    for number, frame in enumerate(_cut_out(results)):
        Image.fromarray(frame).save(path / f"{number:05}.png")


def is_cutout_images(path: Path) -> bool:
    """Tell whether a folder holds nothing but what `write_cutout_images` writes."""
    return all(one.suffix == ".png" and one.stem.isdecimal() and len(one.stem) == 5 for one in path.iterdir())


def _cut_out(results: Results) -> Iterator[NDArray[np.uint8]]:
    """Iterate over the frames as (Y, X, 4), the last channel 255 on objects and 0 elsewhere."""
    window = results.window or choose_window(results.stack)
    for frame in range(results.stack.n_frames):
        image = to_rgb8(results.stack.read(frame), window)
        alpha = np.where(results.labels[frame] > 0, np.uint8(255), np.uint8(0))
        # Hidden pixels are black as well: some players ignore transparency.
        yield np.dstack([image * (alpha[..., None] > 0), alpha])

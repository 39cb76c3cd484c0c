"""Export of videos and images that show the objects without their background, or with another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from napari_sam2.data.images.pixels.contrast import choose_window, to_rgb8
from napari_sam2.data.pictures.backgrounds import cut_out, on_blur, on_colour
from napari_sam2.data.pictures.video_file import frame_rate, write_video

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from .export_data import Results


def write_cutout_video(path: Path, results: Results) -> None:
    """Write a QuickTime ``.mov`` (Animation codec, lossless) in which everything but the objects is transparent."""
    frames = (cut_out(image, labels) for image, labels in _frames(results))
    write_video(path, frames, rate=frame_rate(results.stack), codec="qtrle")


def write_flat_video(path: Path, results: Results) -> None:
    """Write an mp4 video in which everything but the objects has one colour."""
    frames = (on_colour(image, labels, results.background) for image, labels in _frames(results))
    write_video(path, frames, rate=frame_rate(results.stack))


def write_blurred_video(path: Path, results: Results) -> None:
    """Write an mp4 video in which everything but the objects is blurred."""
    frames = (on_blur(image, labels, results.blur) for image, labels in _frames(results))
    write_video(path, frames, rate=frame_rate(results.stack))


def write_cutout_images(path: Path, results: Results) -> None:
    """Write a PNG image for every frame, in which everything but the objects is transparent."""
    path.mkdir()
    for number, (image, labels) in enumerate(_frames(results)):
        Image.fromarray(cut_out(image, labels)).save(path / f"{number:05}.png")


def is_cutout_images(path: Path) -> bool:
    """Tell whether a folder holds nothing but what `write_cutout_images` writes."""
    return all(one.suffix == ".png" and one.stem.isdecimal() and len(one.stem) == 5 for one in path.iterdir())


def _frames(results: Results) -> Iterator[tuple[NDArray[np.uint8], NDArray[Any]]]:
    window = results.window or choose_window(results.stack)
    for frame in range(results.stack.n_frames):
        yield to_rgb8(results.stack.read(frame), window), np.asarray(results.labels[frame])

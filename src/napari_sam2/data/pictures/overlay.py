"""Overlay pictures: tracked objects drawn over their frames, with a chart of scores, as GIF, PNG or MP4."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from napari_sam2.data.files.atomic_files import replacing
from napari_sam2.data.images.pixels.contrast import Window, choose_window, to_rgb8
from napari_sam2.data.labels.label_stack import LabelStack
from napari_sam2.data.labels.label_storage import LabelRuns

from .outlines import draw_caption, draw_objects, draw_tags
from .score_chart import CHART_HEIGHT, ScoreChart
from .video_file import frame_rate, write_video

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_sam2.data.images.stack import Stack
    from napari_sam2.data.labels.plane_labels import PlaneLabels
    from napari_sam2.data.labels.scores import ScoreTable

# Frames of a strip, and all sizes in pixels.
_STRIP_PANELS = 6
_STRIP_WIDTH = 1560
_STRIP_GAP = 6
_CHART_WIDTH = 320
_GIF_SIDE = 480
_GIF_FRAMES = 60
_MP4_SIDE = 1280
# How long a GIF lasts, where its frames stay between 50 and 200 ms each.
_GIF_MILLISECONDS = 6000


def write_overlay(
    path: str | os.PathLike[str],
    stack: Stack,
    labels: LabelStack | PlaneLabels | NDArray[Any],
    scores: ScoreTable,
    *,
    window: Window | None = None,
) -> None:
    """Draw the objects over the frames, with their scores beneath.

    A ``.gif`` is an animation of up to 60 frames with a cursor that runs along the scores, a ``.mp4`` one of all
    frames; a ``.png`` is a strip of six. Longer stacks are sampled evenly. Small frames are enlarged, large ones
    reduced.

    Parameters
    ----------
    path : str or path-like
        The file to write, ending in ``.gif``, ``.mp4`` or ``.png``, or to replace once the new one is whole.
    stack : Stack
        The images.
    labels : LabelStack or ndarray
        (T, Y, X) ids. Of a `LabelStack` only the frames that were set are drawn.
    scores : ScoreTable
        Scores of the objects.
    window : Window, optional
        How to map pixel values to brightness. By default what `choose_window` finds.

    Raises
    ------
    ValueError
        If the file name ends in something else, the labels' shape is not the stack's, or there is no frame
        to draw.
    MissingExtraError
        If an mp4 is asked for and PyAV is not installed.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".gif", ".mp4", ".png"):
        raise ValueError(f"an overlay is a .gif, .mp4 or .png file, not {Path(path).name!r}")
    if tuple(labels.shape) != stack.shape:
        raise ValueError(f"labels of shape {tuple(labels.shape)} do not fit a stack of shape {stack.shape}")
    frames = labels.frames_done if isinstance(labels, LabelStack) else range(stack.n_frames)
    if not frames:
        raise ValueError("there are no labels to draw: no frame has been tracked")
    # One window and one chart for all pictures: they must not change from frame to frame.
    scene = _Scene(stack, labels, scores, window or choose_window(stack), frames)
    with replacing(path) as draft:
        if suffix == ".gif":
            _write_gif(draft, scene)
        elif suffix == ".mp4":
            # Videos keep the resolution of the frames where that is between the two limits.
            side = min(_MP4_SIDE, max(_GIF_SIDE, stack.height, stack.width))
            pictures = scene.animation(frames, side)
            write_video(draft, (np.asarray(picture) for picture in pictures), rate=frame_rate(stack))
        else:
            scene.strip().save(draft, optimize=True)


@dataclass(frozen=True)
class _Scene:
    """Everything a picture is drawn from."""

    stack: Stack
    labels: LabelStack | PlaneLabels | NDArray[Any]
    scores: ScoreTable
    window: Window | None
    frames: Sequence[int]

    @property
    def frame_name(self) -> str:
        return "slice" if self.stack.axis == "z" else "frame"

    def panel(self, frame: int, size: tuple[int, int]) -> Image.Image:
        """Draw one frame with its objects."""
        image = to_rgb8(self.stack.read(frame), self.window)
        picture = draw_objects(image, self.labels[frame], size)
        draw_caption(picture, f"{self.frame_name} {frame}")
        return picture

    def chart(self, width: int) -> ScoreChart:
        """Prepare the chart of the drawn frames' scores."""
        return ScoreChart(self.scores, range(self.frames[0], self.frames[-1] + 1), self.frame_name, width)

    def strip(self) -> Image.Image:
        """Draw a row of frames over the chart."""
        frames = _spread(self.frames, _STRIP_PANELS)
        # Fewer frames than panels are drawn larger, but never as tall columns.
        width = (_STRIP_WIDTH - (len(frames) - 1) * _STRIP_GAP) // len(frames)
        width, height = self._fit(width, 2 * width if len(frames) > 2 else _GIF_SIDE)
        row = Image.new("RGB", (len(frames) * (width + _STRIP_GAP) - _STRIP_GAP, height), "white")
        for column, frame in enumerate(frames):
            row.paste(self.panel(frame, (width, height)), (column * (width + _STRIP_GAP), 0))
        chart = self.chart(max(row.width, _CHART_WIDTH))
        return _over(row, chart, chart.draw(), frames)

    def animation(self, frames: Sequence[int], side: int) -> Iterator[Image.Image]:
        """Draw frame after frame over the chart, with the cursor on it."""
        size = self._fit(side, side)
        chart = self.chart(max(size[0], _CHART_WIDTH))
        # Drawn once; only the cursor moves.
        paper = chart.draw()
        for frame in frames:
            panel = self.panel(frame, size)
            labels = self.labels[frame]
            draw_tags(panel, labels, self._tags(frame, LabelRuns.of(labels).object_ids))
            yield _over(panel, chart, paper, [frame])

    def _tags(self, frame: int, object_ids: Iterable[int]) -> dict[int, list[str]]:
        """List the texts for each object, longest first: number with score where known, then the number alone."""
        rows = {i: self.scores.get(frame, i) for i in object_ids}
        return {i: ([] if row is None else [f"{i}  {row.object_score:.2f}"]) + [str(i)] for i, row in rows.items()}

    def _fit(self, width: int, height: int) -> tuple[int, int]:
        """Compute the largest size of a frame, in its proportions, within these limits."""
        scale = min(width / self.stack.width, height / self.stack.height)
        return max(1, round(self.stack.width * scale)), max(1, round(self.stack.height * scale))


def _over(top: Image.Image, chart: ScoreChart, paper: Image.Image, frames: Sequence[int]) -> Image.Image:
    """Put frames over the chart they are marked on."""
    picture = Image.new("RGB", (chart.width, top.height + CHART_HEIGHT), "white")
    picture.paste(top, ((chart.width - top.width) // 2, 0))
    picture.paste(paper, (0, top.height))
    chart.draw_cursors(picture, top.height, frames)
    return picture


def _write_gif(path: Path, scene: _Scene) -> None:
    # All at once, since the common palette needs them all.
    pictures = list(scene.animation(_spread(scene.frames, _GIF_FRAMES), _GIF_SIDE))
    palette = _common_palette(pictures)
    indexed = [picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for picture in pictures]
    duration = min(200, max(50, _GIF_MILLISECONDS // len(indexed)))
    indexed[0].save(path, save_all=True, append_images=indexed[1:], duration=duration, loop=0)


def _common_palette(pictures: Sequence[Image.Image]) -> Image.Image:
    """Choose 256 colours for all pictures: with a palette each, the still parts would flicker."""
    sampled = _spread(range(len(pictures)), 9)
    side = math.ceil(math.sqrt(len(sampled)))
    width, height = pictures[0].size
    mosaic = Image.new("RGB", (width * side, height * side))
    for tile, index in enumerate(sampled):
        mosaic.paste(pictures[index], (tile % side * width, tile // side * height))
    return mosaic.quantize(256, method=Image.Quantize.MEDIANCUT)


def _spread(frames: Sequence[int], count: int) -> list[int]:
    """Pick up to `count` frames spread evenly, the first and the last among them."""
    indices = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [frames[int(index)] for index in indices]

"""The chart of object scores under an overlay picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from .outlines import font, object_color

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_sam2.data.labels.scores import ScoreTable

CHART_HEIGHT = 150

_INK = (60, 64, 70)
_GRID = (226, 229, 233)
_CURSOR = (120, 124, 130)
_PAPER = (255, 255, 255)
# Margins around the plot in pixels, for the labels of its axes and the legend.
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 16, 34, 34
# Lines and dots are drawn this much larger and scaled down, which smooths them.
_OVERSAMPLING = 3


@dataclass(frozen=True)
class ScoreChart:
    """A line per object: its score over the frames."""

    # The rows to draw.
    scores: ScoreTable
    # The frames along the horizontal axis.
    frames: range
    # What a frame is called, for the axis.
    frame_name: str
    # Width of the chart in pixels; its height is `CHART_HEIGHT`.
    width: int

    def draw(self) -> Image.Image:
        """Draw axes, legend and lines."""
        large = Image.new("RGB", (self.width * _OVERSAMPLING, CHART_HEIGHT * _OVERSAMPLING), _PAPER)
        self._draw_grid(ImageDraw.Draw(large))
        # The first objects are drawn last, on top: they are those in the legend.
        for object_id in reversed(self.scores.object_ids):
            self._draw_line(ImageDraw.Draw(large), object_id)
        picture = large.reduce(_OVERSAMPLING)
        self._draw_text(ImageDraw.Draw(picture))
        return picture

    def draw_cursors(self, picture: Image.Image, top: int, frames: Iterable[int]) -> None:
        """Mark frames on a chart that was pasted into a larger picture."""
        draw = ImageDraw.Draw(picture)
        for frame in frames:
            x = round(self._x(frame))
            draw.line((x, top + _TOP - 4, x, top + CHART_HEIGHT - _BOTTOM), _CURSOR)
            draw.polygon([(x - 4, top + _TOP - 8), (x + 4, top + _TOP - 8), (x, top + _TOP - 3)], _CURSOR)

    def _x(self, frame: int) -> float:
        span = len(self.frames) - 1
        # A single frame goes to the middle.
        share = (frame - self.frames.start) / span if span else 0.5
        return _LEFT + share * (self.width - _LEFT - _RIGHT)

    def _y(self, score: float) -> float:
        return _TOP + (1 - score) * (CHART_HEIGHT - _TOP - _BOTTOM)

    def _ticks(self) -> list[int]:
        # Round steps (1, 2, 5, 10, ...), the smallest that leaves room for the numbers.
        wanted = max(2, self.width // 90)
        steps = (base * 10**power for power in range(9) for base in (1, 2, 5))
        step = next(step for step in steps if len(self.frames) / step <= wanted)
        return [frame for frame in self.frames if frame % step == 0]

    def _draw_grid(self, draw: ImageDraw.ImageDraw) -> None:
        n = _OVERSAMPLING
        for score in (0.0, 0.5, 1.0):
            y = self._y(score) * n
            draw.line((_LEFT * n, y, (self.width - _RIGHT) * n, y), _GRID, n)
        for frame in self._ticks():
            x, bottom = self._x(frame) * n, self._y(0) * n
            draw.line((x, bottom, x, bottom + 4 * n), _CURSOR, n)

    def _draw_line(self, draw: ImageDraw.ImageDraw, object_id: int) -> None:
        n, color = _OVERSAMPLING, object_color(object_id)
        previous: tuple[float, float] | None = None
        for frame in self.frames:
            row = self.scores.get(frame, object_id)
            # A line across a gap would show scores that nobody computed.
            if row is None:
                previous = None
                continue
            x, y = self._x(frame) * n, self._y(row.object_score) * n
            if previous is not None:
                draw.line((*previous, x, y), color, 2 * n)
            # Rounds the corners of the line; a frame on its own, which has no line, gets a dot.
            alone = all(self.scores.get(frame + side, object_id) is None for side in (-1, 1))
            radius = 4 * n if alone else n
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), color)
            previous = x, y

    def _draw_text(self, draw: ImageDraw.ImageDraw) -> None:
        for score in (0.0, 0.5, 1.0):
            draw.text((_LEFT - 8, self._y(score)), f"{score:g}", _INK, font(12), anchor="rm")
        baseline = self._y(0) + 8
        for frame in self._ticks():
            draw.text((self._x(frame), baseline), str(frame), _INK, font(12), anchor="mt")
        draw.text((self.width - _RIGHT, CHART_HEIGHT - 4), self.frame_name, _INK, font(12), anchor="rb")
        draw.text((_LEFT, 6), "object score", _INK, font(13))
        self._draw_legend(draw)

    def _draw_legend(self, draw: ImageDraw.ImageDraw) -> None:
        x, limit = _LEFT + 100, self.width - _RIGHT - 30
        ids = self.scores.object_ids
        for index, object_id in enumerate(ids):
            # What has no room is at least counted.
            if x > limit:
                draw.text((x, 6), f"+{len(ids) - index}", _INK, font(13))
                return
            draw.ellipse((x, 9, x + 9, 18), object_color(object_id))
            draw.text((x + 14, 6), str(object_id), _INK, font(13))
            x += 26 + round(draw.textlength(str(object_id), font(13)))

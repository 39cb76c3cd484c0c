"""A picture of a run's curves."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from napari_sam2.data.pictures.outlines import font, object_color

WIDTH, HEIGHT = 900, 260
POINTS = 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 20, 36, 34
_INK, _GRID, _PAPER = (60, 64, 70), (226, 229, 233), (255, 255, 255)
# Drawn so much larger and scaled down, which smooths the lines.
_OVERSAMPLING = 3


@dataclass(frozen=True)
class Curve:
    """One line."""

    # For the legend.
    name: str
    # (n,) each, steps rising.
    steps: NDArray[np.float64]
    values: NDArray[np.float64]

    def thinned(self) -> Curve:
        """The same curve in at most `POINTS` points, each the mean of its neighbours."""
        if len(self.steps) <= POINTS:
            return self
        parts = np.array_split(np.arange(len(self.steps)), POINTS)
        steps, values = (np.array([each[part].mean() for part in parts]) for each in (self.steps, self.values))
        return Curve(self.name, steps, values)


def draw_curves(steps_csv: Path, validation_csv: Path, picture: Path) -> None:
    """Draw loss, IoU while training and validation figures, a panel each, as far as there are any."""
    rows = _read(steps_csv)
    kinds = {"stills": [row for row in rows if row["frames"] == 1], "clips": [row for row in rows if row["frames"] > 1]}
    columns = {"loss": ("mask_loss",), "IoU while training": ("first_iou", "last_iou")}
    panels = {
        title: [
            _curve(f"{kind}, {name.partition('_')[0]}" if len(names) > 1 else kind, some, name)
            for kind, some in kinds.items()
            for name in names
        ]
        for title, names in columns.items()
    }
    checked = _read(validation_csv)
    panels["validation"] = [_curve(name, checked, name) for name in (checked[0] if checked else ()) if name != "step"]
    panels = {title: [curve for curve in curves if len(curve.steps)] for title, curves in panels.items()}
    shown = {title: curves for title, curves in panels.items() if curves}
    if not shown:
        return
    last = max(curve.steps[-1] for curves in shown.values() for curve in curves)
    whole = Image.new("RGB", (WIDTH, HEIGHT * len(shown)), _PAPER)
    for index, (title, curves) in enumerate(shown.items()):
        panel = _Panel(title, [curve.thinned() for curve in curves], last=float(last))
        whole.paste(panel.draw(), (0, index * HEIGHT))
    partial = picture.with_suffix(".part.png")
    whole.save(partial)
    partial.replace(picture)


def _read(path: Path) -> list[dict[str, float]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def _curve(name: str, rows: Sequence[dict[str, float]], column: str) -> Curve:
    known = [(row["step"], row[column]) for row in rows if math.isfinite(row[column])]
    steps, values = np.array(known, float).reshape(-1, 2).T
    return Curve(name, steps, values)


class _Panel:
    def __init__(self, title: str, curves: Sequence[Curve], *, last: float) -> None:
        self.title = title
        self.curves = curves
        self.last = last
        highest = max(float(curve.values.max()) for curve in curves)
        self.tick = _round_step(max(highest, 1e-6) / 4)
        self.top = self.tick * math.ceil(max(highest, 1e-6) / self.tick)

    def x(self, step: float) -> float:
        return _LEFT + step / self.last * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _TOP + (1 - max(value, 0.0) / self.top) * (HEIGHT - _TOP - _BOTTOM)

    def draw(self) -> Image.Image:
        n = _OVERSAMPLING
        large = Image.new("RGB", (WIDTH * n, HEIGHT * n), _PAPER)
        draw = ImageDraw.Draw(large)
        levels = [self.tick * i for i in range(round(self.top / self.tick) + 1)]
        for level in levels:
            draw.line((_LEFT * n, self.y(level) * n, (WIDTH - _RIGHT) * n, self.y(level) * n), _GRID, n)
        for number, curve in enumerate(self.curves, start=1):
            line = [
                (self.x(step) * n, self.y(value) * n) for step, value in zip(curve.steps, curve.values, strict=True)
            ]
            draw.line(line, object_color(number), 2 * n, joint="curve")
            for x, y in line if len(line) < 20 else ():
                draw.ellipse((x - 3 * n, y - 3 * n, x + 3 * n, y + 3 * n), object_color(number))
        picture = large.reduce(n)
        self._write(ImageDraw.Draw(picture), levels)
        return picture

    def _write(self, draw: ImageDraw.ImageDraw, levels: Sequence[float]) -> None:
        for level in levels:
            draw.text((_LEFT - 8, self.y(level)), f"{level:.6g}", _INK, font(12), anchor="rm")
        step = _round_step(self.last / 6)
        for i in range(int(self.last / step) + 1):
            draw.text((self.x(i * step), HEIGHT - _BOTTOM + 8), f"{i * step:g}", _INK, font(12), anchor="mt")
        draw.text((WIDTH - _RIGHT, HEIGHT - 4), "step", _INK, font(12), anchor="rb")
        draw.text((_LEFT, 8), self.title, _INK, font(14))
        x = _LEFT + 170.0
        for number, curve in enumerate(self.curves, start=1):
            draw.ellipse((x, 12, x + 9, 21), object_color(number))
            draw.text((x + 14, 9), curve.name, _INK, font(13))
            x += 30 + draw.textlength(curve.name, font(13))


def _round_step(wanted: float) -> float:
    """The next of 1, 2, 5, 10, 20, ... and their fractions that is not below."""
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(base * power for base in (1, 2, 5, 10) if base * power >= wanted * (1 - 1e-9))

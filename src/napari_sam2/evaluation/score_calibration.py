"""How well the object score tells visible objects from hidden ones: AUC, calibration error, and a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from napari_sam2.data.pictures.outlines import font, object_color

from .metrics import roc_auc

BINS = 10
_SIDE, _EDGE, _OVERSAMPLING = 360, 48, 3
_INK, _GRID, _PAPER = (60, 64, 70), (226, 229, 233), (255, 255, 255)


@dataclass(frozen=True)
class ScoreCheck:
    """Object scores as probabilities, and whether the object was there."""

    # (n,) each.
    scores: NDArray[np.float64]
    seen: NDArray[np.bool_]

    @property
    def auc(self) -> float:
        """Area under the ROC curve; NaN where objects are always or never there."""
        return roc_auc(self.scores, self.seen)

    def bins(self) -> list[tuple[float, float, int]]:
        """Mean score, share seen and number of answers for each tenth of the scores that holds any."""
        bins = np.minimum((self.scores * BINS).astype(int), BINS - 1)
        groups = [(self.scores[bins == i], self.seen[bins == i]) for i in range(BINS)]
        return [(float(s.mean()), float(t.mean()), len(s)) for s, t in groups if len(s)]

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: how far score and share lie apart, over the bins, weighted by their answers."""
        return sum(abs(score - share) * n for score, share, n in self.bins()) / max(len(self.scores), 1)

    def report(self) -> dict[str, float | int | None]:
        """Figures for a report; ``auc`` is ``None`` where it is not defined."""
        # A score below one half calls the object hidden.
        auc = None if math.isnan(self.auc) else round(self.auc, 4)
        hidden = int(np.count_nonzero(~self.seen))
        return {
            "auc": auc,
            "calibration_error": round(self.calibration_error, 4),
            "answers": len(self.scores),
            "hidden": hidden,
            "hidden_called_hidden": int(np.count_nonzero(~self.seen & (self.scores < 0.5))),
            "seen_called_hidden": int(np.count_nonzero(self.seen & (self.scores < 0.5))),
        }


def draw_calibration(check: ScoreCheck, path: Path) -> None:
    """Draw the share of objects that are there over the score; the diagonal is perfect, dots grow with their number."""
    n, span = _OVERSAMPLING, _SIDE - 2 * _EDGE
    large = Image.new("RGB", (_SIDE * n, _SIDE * n), _PAPER)
    draw = ImageDraw.Draw(large)

    def at(score: float, share: float) -> tuple[float, float]:
        return _EDGE + score * span, _SIDE - _EDGE - share * span

    def scaled(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x * n, y * n) for x, y in points]

    # Grid and diagonal, then the curve with its dots; scaled down, which smooths the lines.
    for tick in np.linspace(0, 1, 6):
        draw.line(scaled(at(0, tick), at(1, tick)), _GRID, n)
        draw.line(scaled(at(tick, 0), at(tick, 1)), _GRID, n)
    draw.line(scaled(at(0, 0), at(1, 1)), _INK, n)
    bins = check.bins()
    draw.line(scaled(*(at(score, share) for score, share, _ in bins)), object_color(1), 2 * n, joint="curve")
    for score, share, count in bins:
        (x, y), r = at(score, share), 3 + 6 * math.sqrt(count / len(check.scores))
        draw.ellipse([(x - r) * n, (y - r) * n, (x + r) * n, (y + r) * n], object_color(1))
    picture = large.reduce(n)
    # Text last, at its final size.
    write = ImageDraw.Draw(picture)
    for tick in np.linspace(0, 1, 6):
        write.text((at(tick, 0)[0], _SIDE - _EDGE + 6), f"{tick:.1f}", _INK, font(11), anchor="mt")
        write.text((_EDGE - 6, at(0, tick)[1]), f"{tick:.1f}", _INK, font(11), anchor="rm")
    write.text((_SIDE / 2, _SIDE - 8), "object score", _INK, font(12), anchor="mb")
    title = f"share of objects there    AUC {check.auc:.3f}, calibration error {check.calibration_error:.3f}"
    write.text((_EDGE - 30, 12), title, _INK, font(12))
    picture.save(path)

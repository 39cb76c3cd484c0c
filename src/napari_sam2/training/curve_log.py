"""The curves of a run as CSV files and as a picture."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from napari_sam2.training.optimisation.losses import FrameLoss

from .curve_picture import draw_curves

STEP_LOG, VALIDATION_LOG, PICTURE = "steps.csv", "validation.csv", "curves.png"
_COLUMNS = ("step", "frames", "mask_loss", "iou_loss", "score_loss", "first_iou", "last_iou")
_SMOOTHING = 0.02


class CurveLog:
    """Writes a row per step and a row per validation."""

    def __init__(self, folder: Path, *, first_step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.line = ""
        self._smooth: dict[str, float] = {}
        for name in (STEP_LOG, VALIDATION_LOG):
            _drop_rows_after(folder / name, first_step)

    def add_step(self, step: int, losses: Sequence[FrameLoss], *, frames: int) -> None:
        """Write the terms of a step, averaged over its answers."""
        n = len(losses)
        values = [
            sum(float(loss.mask.detach()) for loss in losses) / n,
            sum(float(loss.iou.detach()) for loss in losses) / n,
            sum(float(loss.score.detach()) for loss in losses) / n,
            float(losses[0].reached_iou),
            float(losses[-1].reached_iou),
        ]
        row = dict(zip(_COLUMNS, (step, frames, *(f"{v:.5g}" for v in values)), strict=True))
        _append(self.folder / STEP_LOG, row)
        kind = "still" if frames == 1 else "clip"
        for name, value in (("loss", values[0]), ("first", values[3]), ("last", values[4])):
            key = f"{kind} {name}"
            self._smooth[key] = self._smooth.get(key, value) * (1 - _SMOOTHING) + value * _SMOOTHING
        self.line = "  ".join(f"{key} {value:.3f}" for key, value in self._smooth.items())

    def add_validation(self, step: int, figures: Mapping[str, float]) -> None:
        """Write a row of validation figures, and draw the curves anew."""
        _append(self.folder / VALIDATION_LOG, {"step": step, **{k: f"{v:.4f}" for k, v in figures.items()}})
        self.draw()

    def draw(self) -> None:
        """Draw the curves so far."""
        draw_curves(self.folder / STEP_LOG, self.folder / VALIDATION_LOG, self.folder / PICTURE)


def _append(path: Path, row: Mapping[str, object]) -> None:
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def _drop_rows_after(path: Path, step: int) -> None:
    if not path.exists():
        return
    header, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([header, *(row for row in rows if int(row.split(",", 1)[0]) <= step)]), encoding="utf-8")

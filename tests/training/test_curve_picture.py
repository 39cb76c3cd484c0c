from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_sam2.data.pictures.outlines import object_color
from napari_sam2.training.curve_log import CurveLog
from napari_sam2.training.curve_picture import HEIGHT, POINTS, WIDTH, Curve, draw_curves

HEADER = "step,frames,mask_loss,iou_loss,score_loss,first_iou,last_iou\n"


def draw(folder: Path, steps: str, validation: str = "") -> Image.Image:
    (folder / "steps.csv").write_text(steps, encoding="utf-8")
    if validation:
        (folder / "validation.csv").write_text(validation, encoding="utf-8")
    draw_curves(folder / "steps.csv", folder / "validation.csv", folder / "curves.png")
    assert {path.name for path in folder.iterdir()} <= {"steps.csv", "validation.csv", "curves.png"}
    return Image.open(folder / "curves.png").convert("RGB")


def height_of(picture: Image.Image, color: tuple[int, int, int], column: int) -> float:
    """Mean row of the pixels of about that colour in a column, below the legend."""
    pixels = np.asarray(picture, int)[30:, column]
    rows = np.flatnonzero(np.abs(pixels - color).sum(axis=-1) < 40)
    assert len(rows)
    return float(rows.mean()) + 30


def test_a_falling_loss_falls_in_the_picture(tmp_path: Path) -> None:
    rows = [f"{t},1,{2 - t / 50},0,0,0.5,0.5\n" for t in range(1, 101)]
    picture = draw(tmp_path, HEADER + "".join(rows))
    assert picture.size == (WIDTH, 2 * HEIGHT)
    loss = picture.crop((0, 0, WIDTH, HEIGHT))
    left, right = (height_of(loss, object_color(1), column) for column in (100, 800))
    assert right > left + 100


def test_each_kind_of_figure_has_a_panel(tmp_path: Path) -> None:
    rows = "".join(f"{t},{1 + t % 2 * 4},1,0,0,0.5,0.25\n" for t in range(1, 11))
    picture = draw(tmp_path, HEADER + rows, "step,click,score_auc\n5,0.25,nan\n10,0.75,0.9\n")
    assert picture.size == (WIDTH, 3 * HEIGHT)
    training = picture.crop((0, HEIGHT, WIDTH, 2 * HEIGHT))
    # stills first and last are lines 1 and 2, clips 3 and 4; 0.5 is twice as high as 0.25
    bottom = HEIGHT - 34
    half, quarter = (bottom - height_of(training, object_color(number), 500) for number in (3, 4))
    assert half == pytest.approx(2 * quarter, rel=0.03)


def test_nothing_to_draw(tmp_path: Path) -> None:
    draw_curves(tmp_path / "steps.csv", tmp_path / "validation.csv", tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def test_long_curves_are_averaged() -> None:
    steps = np.arange(10 * POINTS, dtype=float)
    thin = Curve("loss", steps, steps % 10).thinned()
    assert len(thin.steps) == POINTS
    assert np.allclose(thin.values, 4.5)


def test_the_log_draws_when_it_validates(tmp_path: Path) -> None:
    log = CurveLog(tmp_path, first_step=0)
    log.add_validation(10, {"click": 0.5})
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (WIDTH, HEIGHT)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from napari_sam2.data.images.stack import Stack
from napari_sam2.evaluation.finding import evaluate_finding
from napari_sam2.evaluation.labelled_sequences import LabelledSequence
from napari_sam2.evaluation.reports.markdown_tables import finding_table
from napari_sam2.model.centre_head import CentreHead, CentreMaps
from napari_sam2.model.config import CONFIGS
from napari_sam2.model.sam2 import Sam2, build_sam2
from napari_sam2.session.prompting.proposed_clicks import propose_clicks
from napari_sam2.session.session import Session
from napari_sam2.synthetic import SceneSettings, render_clip
from napari_sam2.weights.load import load_model

CELLS = ((20, 30), (60, 90))


class Bright(CentreHead):
    """Finds the places it is told of, in a frame of 64 by 128 pixels seen at 64 by 64."""

    def forward(self, s4_bchw: torch.Tensor, s8_bchw: torch.Tensor, s16_bchw: torch.Tensor) -> CentreMaps:
        logits = torch.full((1, *s4_bchw.shape[-2:]), -9.0)
        for y, x in CELLS:
            logits[0, y // 4, x // 8] = 3.0
        return CentreMaps(logits, torch.full_like(logits, 2.0))


@pytest.fixture
def model() -> Sam2:
    config = CONFIGS["sam2_nano"].with_image_size(64)
    built = build_sam2(config)
    built.centre_head = Bright(config.d_model)
    return built


class Painter(Session):
    """Answers a click with a square around it."""

    def add_points(self, frame: int, object_id: int, points: Any, labels: Any, replace: bool = True) -> Any:
        result = super().add_points(frame, object_id, points, labels, replace)
        y, x = (int(value) for value in points[0])
        result.logits[...] = -1
        result.logits[result.row(object_id), max(y - 8, 0) : y + 8, max(x - 8, 0) : x + 8] = 1
        return result


def sequences() -> Iterator[LabelledSequence]:
    labels = np.zeros((1, 64, 128), np.uint16)
    labels[0, 12:28, 22:38] = 4
    labels[0, 30:34, 4:8] = 9
    yield LabelledSequence("cells", "t", Stack.from_array((labels > 0) * np.uint8(200), "t"), labels)


def test_clicks_come_in_pixels_of_the_image(model: Sam2) -> None:
    clicks = propose_clicks(model, np.zeros((64, 128, 3), np.uint8))
    assert sorted((click.y, click.x) for click in clicks) == [(22.0, 28.0), (62.0, 92.0)]
    assert clicks[0].score == pytest.approx(0.953, abs=1e-3)


def test_a_model_without_a_head_says_so(model: Sam2) -> None:
    model.centre_head = None
    with pytest.raises(ValueError, match="no centre head"):
        propose_clicks(model, np.zeros((64, 64, 3), np.uint8))


def test_the_bundled_model_proposes_a_click_for_most_cells() -> None:
    clip = render_clip(np.random.default_rng(1), SceneSettings(size=(256, 256), n_frames=1, kind="cells"))
    labels, grey = clip.labels[0], clip.frames[0]
    image = np.repeat(grey[..., None], 3, axis=2) if grey.ndim == 2 else grey
    clicks = propose_clicks(load_model("sam2_nano", device="cpu"), image)
    hit = {int(labels[int(click.y), int(click.x)]) for click in clicks} - {0}
    cells = len(np.unique(labels)) - 1
    assert len(hit) >= 0.75 * cells and len(clicks) <= 1.25 * cells


def test_found_objects_are_counted(model: Sam2) -> None:
    report = evaluate_finding(model, sequences(), session_factory=Painter)
    assert report["sequences"]["cells"] == {"recall": 0.5, "precision": 0.5, "on_object": 0.5, "objects": 2.0}
    assert "| cells | 2 | 0.50 | 0.50 | 0.50 |" in finding_table(report)

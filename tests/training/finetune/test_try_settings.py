"""Settings are tried on accepted frames that tracking has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_finetuner import drifting_disks

from napari_sam2 import Session
from napari_sam2.data import open_stack
from napari_sam2.model.sam2 import Sam2
from napari_sam2.training.finetune.examples import LabelledStack
from napari_sam2.training.finetune.session_labels import session_labels
from napari_sam2.training.finetune.try_settings import (
    TrackingSettings,
    TrialProgress,
    TriedSettings,
    best_of,
    try_settings,
)
from napari_sam2.training.run_state import start
from napari_sam2.training.train_settings import TrainSettings

PRESENT = TrackingSettings("small", zoom="off", memory="standard")


@pytest.fixture(scope="module")
def model() -> Sam2:
    return start(TrainSettings("unused", image_size=64)).model.requires_grad_(False)


def run(trying: Any) -> tuple[list[TrialProgress], tuple[TriedSettings, ...]]:
    heard = []
    while True:
        try:
            heard.append(next(trying))
        except StopIteration as end:
            return heard, end.value


def test_one_setting_after_the_other_is_tried(model: Sam2) -> None:
    loaded = []

    def load(settings: TrackingSettings) -> Sam2:
        loaded.append((settings.model, settings.preset))
        return model

    choices = {"memory": ["standard", "gated"], "zoom": ["off", "auto"], "model": ["small", "other"]}
    heard, tried = run(try_settings([LabelledStack(*drifting_disks())], PRESENT, choices, load=load))
    # In the order of the settings, whatever order they were asked for in.
    assert [one.settings.model for one in tried] == ["small", "other", tried[2].settings.model, tried[3].settings.model]
    assert (tried[0].settings, tried[2].settings.zoom, tried[3].settings.memory) == (PRESENT, "auto", "gated")
    assert loaded[:2] == [("small", "balanced"), ("other", "balanced")]
    assert len(heard) == 4 * 5
    shares = [one.share_done for one in heard]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert all(0 <= one.figures["J&F"] <= 1 for one in tried)
    # Weights and frames are the same: the other name is no better, and what is at hand stays.
    assert tried[1].figures == tried[0].figures
    assert best_of(tried[:2]) is tried[0]


def test_it_can_be_ended_at_any_frame(model: Sam2) -> None:
    trying = try_settings(
        [LabelledStack(*drifting_disks())], PRESENT, {"memory": ["gated"]}, load=lambda settings: model
    )
    for _ in range(7):
        progress = next(trying)
    trying.close()
    assert [one.settings for one in progress.tried] == [PRESENT]


def test_the_best_is_better_by_more_than_nothing() -> None:
    def one(figure: float) -> TriedSettings:
        return TriedSettings(PRESENT, {"J&F": figure}, 1.0)

    near, far = [one(0.8), one(0.801)], [one(0.8), one(0.81), one(0.7)]
    assert best_of(near) is near[0]
    assert best_of(far) is far[1]


@pytest.mark.parametrize(
    ("choices", "frames", "said"),
    [
        ({"colour": ["red"]}, None, "colour"),
        ({"memory": ["perfect"]}, None, "perfect"),
        ({"memory": ["gated"]}, (1, 2), "too few"),
    ],
)
def test_what_cannot_be_tried_is_refused(
    model: Sam2, choices: dict[str, list[str]], frames: tuple[int, ...] | None, said: str
) -> None:
    stack = LabelledStack(*drifting_disks(), accepted=frames)
    with pytest.raises(ValueError, match=said):
        next(try_settings([stack], PRESENT, choices, load=lambda settings: model))


def test_the_accepted_frames_of_a_saved_session(model: Sam2, tmp_path: Path) -> None:
    pixels, labels = drifting_disks()
    np.save(tmp_path / "disks.npy", pixels)
    session = Session(model, open_stack(tmp_path / "disks.npy"), folder=tmp_path / "one.napari-sam2", memory="gated")
    for object_id in (7, 900):
        session.add_mask(0, object_id, labels[0] == object_id)
    list(session.propagate())
    session.accept([1, 2, 5])
    # One object alone does not make a frame right.
    session.accept(6, [7])
    session.close()
    with session_labels(tmp_path / "one.napari-sam2") as (labelled, header):
        assert (labelled.accepted, header.settings.memory) == ((1, 2, 5), "gated")
        np.testing.assert_array_equal(labelled.labels[2], session.labels[2])
        assert labelled.frames.shape == pixels.shape

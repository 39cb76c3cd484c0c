from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_sam2.model.prompt_encoder import BOX_BOTTOM_RIGHT, BOX_TOP_LEFT, POSITIVE
from napari_sam2.synthetic import SceneSettings
from napari_sam2.training.data.clips import Batch, draw_batch
from napari_sam2.training.data.sources import Generated
from napari_sam2.training.run_state import start
from napari_sam2.training.train_settings import TrainSettings
from napari_sam2.training.unroll import Tracker, feature_penalty, unroll
from napari_sam2.training.validate import validate

SETTINGS = TrainSettings("unused", image_size=64, bfloat16=False, corrections=2)
SOURCE = Generated(SceneSettings(size=(64, 64), n_frames=9, kind="shapes"))


@pytest.fixture(scope="module")
def clip() -> Batch:
    return draw_batch([SOURCE], np.random.default_rng(2), size=64, shape=(1, 9, 2))


def still_of(batch: Batch) -> Batch:
    return Batch(batch.frames_btchw[:, :1], batch.masks_btnhw[:, :1])


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_a_still_is_graded_after_the_prompt_and_after_each_correction(clip: Batch) -> None:
    model = start(SETTINGS).model
    losses, total = unroll(Tracker(model, still_of(clip), SETTINGS), give_masks=True, generator=generator())
    assert len(losses) == 3
    total.backward()
    assert model.sam_prompt_encoder.mask_downscaling[0].weight.grad.abs().sum() > 0


def test_a_frame_whose_mask_was_given_is_not_graded(clip: Batch) -> None:
    model = start(SETTINGS).model
    with torch.no_grad():
        given, _ = unroll(Tracker(model, clip, SETTINGS), give_masks=True, generator=generator())
        clicked, _ = unroll(Tracker(model, clip, SETTINGS), give_masks=False, generator=generator())
    assert (len(given), len(clicked)) == (8, 9)


@pytest.mark.parametrize(("share", "used"), [(0.0, [POSITIVE]), (1.0, [BOX_TOP_LEFT, BOX_BOTTOM_RIGHT])])
def test_objects_without_a_mask_get_clicks_or_boxes_as_asked(clip: Batch, share: float, used: list[int]) -> None:
    settings = replace(SETTINGS, box_prompts=share, corrections=0)
    model = start(settings).model
    _, total = unroll(Tracker(model, still_of(clip), settings), give_masks=False, generator=generator())
    total.backward()
    gradients = [embedding.weight.grad for embedding in model.sam_prompt_encoder.point_embeddings]
    assert [kind for kind, grad in enumerate(gradients) if grad is not None and grad.abs().sum() > 0] == used


def test_gradients_reach_every_part_through_the_memory(clip: Batch) -> None:
    model = start(SETTINGS).model
    short = Batch(clip.frames_btchw[:, :3], clip.masks_btnhw[:, :3])
    _, total = unroll(Tracker(model, short, SETTINGS), give_masks=True, generator=generator())
    total.backward()
    for name in ("image_encoder", "memory_encoder", "memory_attention", "obj_ptr_proj", "mask_downsample"):
        gradients = [p.grad for p in model.get_submodule(name).parameters() if p.grad is not None]
        assert sum(float(g.abs().sum()) for g in gradients) > 0, name


def test_tracking_attends_to_what_a_session_would(clip: Batch) -> None:
    tracker = Tracker(start(SETTINGS).model, clip, SETTINGS)
    with torch.no_grad():
        tracker.prompt_with_masks(0)
        for frame in range(1, 9):
            prediction = tracker.track(frame, generator())
    assert tracker.conditioning == [0]
    # the last frame needs no memory: nothing follows it
    assert sorted(tracker.maps) == list(range(8))
    assert prediction.low_res_bhw.shape == (2, 16, 16)


def test_teacher_forcing_remembers_the_truth(clip: Batch) -> None:
    short = Batch(clip.frames_btchw[:, :3], clip.masks_btnhw[:, :3])
    memories = {}
    for share in (0.0, 1.0):
        settings = replace(SETTINGS, teacher_forcing=share)
        tracker = Tracker(start(settings).model, short, settings)
        with torch.no_grad():
            tracker.prompt_with_masks(0)
            tracker.track(1, generator())
            features = tracker.encoded.at(1)
            truth = tracker.masks_tbhw[1].float()[:, None]
            expected = tracker.model.remember(features, truth, visible_b=tracker.present_tb[1])
        memories[share] = torch.allclose(tracker.maps[1], expected, atol=1e-5)
    assert memories == {0.0: False, 1.0: True}


def test_only_large_features_are_penalised() -> None:
    assert feature_penalty(torch.full((1, 1, 4, 4, 4), 0.9)) == 0
    assert feature_penalty(torch.full((1, 1, 4, 4, 4), 3.0)) == pytest.approx(8.0)


def test_validation_is_repeatable_and_in_range() -> None:
    model = start(SETTINGS).model.eval()
    one, two = (validate(model, [SOURCE], replace(SETTINGS), clips=4) for _ in range(2))
    assert one == pytest.approx(two, nan_ok=True)
    assert set(one) == {"click", "box", "next", "next_copied", "last", "last_copied", "score_auc"}
    assert all(0 <= value <= 1 for value in one.values() if value == value)


def test_the_centre_head_learns_with_the_rest_and_is_validated() -> None:
    settings = replace(SETTINGS, centre_weight=1.0, corrections=0)
    model = start(settings).model
    batch = draw_batch([SOURCE], np.random.default_rng(2), size=64, shape=(2, 1, 2), centres=True)
    assert model.centre_head is not None
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    totals = []
    for _ in range(12):
        tracker = Tracker(model, batch, settings)
        totals.append(float(tracker.centre_loss().detach()))
        unroll(tracker, give_masks=False, generator=generator())[1].backward()
        optimiser.step()
        optimiser.zero_grad()
    assert totals[-1] < 0.7 * totals[0]
    assert 0 <= validate(model, [SOURCE], settings, clips=4)["centres"] <= 1


def test_the_centre_head_can_be_trained_by_itself() -> None:
    settings = replace(SETTINGS, centre_weight=1.0, part="centre-head")
    model = start(settings).model
    batch = draw_batch([SOURCE], np.random.default_rng(2), size=64, shape=(2, 1, 2), centres=True)
    losses, total = unroll(Tracker(model, batch, settings), give_masks=False, generator=generator())
    total.backward()
    assert len(losses) == 1
    learning = {name.partition(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert learning == {"centre_head"}
    with pytest.raises(ValueError, match="no centre head"):
        start(replace(settings, centre_weight=0.0))


def test_a_model_without_a_centre_head_is_trained_without_it(clip: Batch) -> None:
    model = start(SETTINGS).model
    assert model.centre_head is None
    assert "centres" not in validate(model, [SOURCE], SETTINGS, clips=4)

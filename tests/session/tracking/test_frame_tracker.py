"""Holes, masks at the model's input, points in the model's order, options of the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_sam2 import Session, load_model
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.model.config import InferenceOptions
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.tracking.frame_tracker import fill_holes
from napari_sam2.session.tracking.memory.choice import memory_rule
from napari_sam2.session.tracking.prompt_tensors import mask_at_input, prompt_points
from napari_sam2.session.tracking.schedule import Visit, outward, schedule, straight
from napari_sam2.session.zoom.crop import Crop
from napari_sam2.weights.presets import PRESETS


def logits_of(*rows: str) -> torch.Tensor:
    """Draw a mask: # is 5, anything else -5."""
    return torch.tensor([[5.0 if c == "#" else -5.0 for c in row] for row in rows])[None]


def test_small_holes_are_filled_and_nothing_else() -> None:
    logits = logits_of(
        "..........",
        ".#######..",
        ".#.##..#..",
        ".##.#..#..",
        ".#######..",
        "..........",
    )
    filled = fill_holes(logits, 2)
    # The two cells that touch at a corner are one hole of two pixels.
    assert (filled != logits).nonzero().tolist() == [[0, 2, 2], [0, 3, 3]]
    assert filled[0, 2, 2] == pytest.approx(0.1)
    assert (fill_holes(logits, 1) == logits).all()
    assert (fill_holes(logits, 4) != logits).sum() == 6
    # Background open to the edge counts by its area alone.
    assert (fill_holes(logits, 100) > 0).all()
    assert (logits[0, 2, 2] == -5).all()


def test_exact_zero_is_background() -> None:
    logits = logits_of("###", "###", "###")
    logits[0, 1, 1] = 0.0
    assert fill_holes(logits, 1)[0, 1, 1] == pytest.approx(0.1)


def test_hidden_objects_and_full_frames_stay() -> None:
    hidden, full = torch.full((1, 3, 3), -1024.0), torch.full((1, 3, 3), 3.0)
    both = torch.cat((hidden, full))
    np.testing.assert_array_equal(fill_holes(both, 100), both)
    assert fill_holes(both, 0) is both


def test_objects_are_filled_one_by_one() -> None:
    ring = logits_of("###", "#.#", "###")
    solid = logits_of("###", "###", "...")
    out = fill_holes(torch.cat((solid, ring)), 1)
    np.testing.assert_array_equal(out[0], solid[0])
    assert out[1, 1, 1] == pytest.approx(0.1)


@pytest.mark.parametrize("shape", [(64, 64), (128, 128), (1000, 700), (35, 51), (3, 2000)])
def test_masks_at_the_input_are_never_empty(shape: tuple[int, int]) -> None:
    for y, x in [(0, 0), (shape[0] - 1, shape[1] - 1), (shape[0] // 2, shape[1] // 3)]:
        mask = np.zeros(shape, bool)
        mask[y, x] = True
        out = mask_at_input(mask, 64)
        assert out.shape == (1, 1, 64, 64)
        assert set(out.unique().tolist()) == {0.0, 1.0}
        rows, columns = out[0, 0].nonzero().float().mean(dim=0).tolist()
        assert abs((rows + 0.5) / 64 - (y + 0.5) / shape[0]) < 1 / 64 + 1 / shape[0]
        assert abs((columns + 0.5) / 64 - (x + 0.5) / shape[1]) < 1 / 64 + 1 / shape[1]


def test_masks_at_the_input_follow_the_half_rule() -> None:
    mask = np.zeros((64, 64), bool)
    mask[10:20, 30:45] = True
    np.testing.assert_array_equal(mask_at_input(mask, 64)[0, 0].numpy() > 0, mask)
    larger = mask_at_input(mask, 256)[0, 0].numpy() > 0
    wrong = (larger != mask.repeat(4, 0).repeat(4, 1)).nonzero()
    assert list(zip(*wrong, strict=True)) == [(40, 120), (40, 179), (79, 120), (79, 179)]  # rounded corners
    assert mask_at_input(np.ones((7, 9), bool), 64).min() == 1


def test_points_in_the_models_order_and_scale() -> None:
    prompt = Prompt(0, 1, points=np.array([[10, 20], [5, 0]]), labels=np.array([1, 0]), box=(2, 4, 40, 80))
    points, labels = prompt_points(prompt, Crop(0, 0, 50, 100), 256)
    assert points.dtype == torch.float32
    assert labels.tolist() == [[2, 3, 1, 0]]
    expected = [[[4 * 2.56, 2 * 5.12], [80 * 2.56, 40 * 5.12], [20 * 2.56, 10 * 5.12], [0, 5 * 5.12]]]
    np.testing.assert_allclose(points, expected, rtol=1e-6)
    points, labels = prompt_points(Prompt(0, 1, box=(2, 4, 40, 80)), Crop(0, 0, 50, 100), 256)
    assert (points.shape, labels.tolist()) == ((1, 2, 2), [[2, 3]])


def test_options_shorten_the_memory(model: Sam2) -> None:
    assert memory_rule(model).num_recent == 6
    assert memory_rule(model).max_conditioning == 6
    config = replace(model.config, num_memories=4)
    shorter = Sam2(config, InferenceOptions(recent_memories=9, max_conditioning=4))
    assert (memory_rule(shorter).num_recent, memory_rule(shorter).max_conditioning) == (3, 4)
    shorter.options = InferenceOptions(recent_memories=2)
    assert memory_rule(shorter).num_recent == 2


def test_no_more_prompted_frames_than_the_weights_learned_to_attend_to(model: Sam2) -> None:
    # The small one met one or two in its training clips.
    nano = replace(model.config, name="sam2_nano")
    for config, most, expected in ((nano, 6, 2), (nano, None, None), (model.config, 6, 6)):
        assert memory_rule(Sam2(config, InferenceOptions(max_conditioning=most))).max_conditioning == expected
    assert memory_rule(load_model("sam2_nano", device="cpu")).max_conditioning == 2


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("preset", "most"), [("balanced", 12), ("exact", 56)])
def test_fifty_corrections_lengthen_the_memory_only_where_it_is_exact(
    make_model: Callable[..., Sam2], frames: np.ndarray, preset: str, most: int
) -> None:
    model = make_model(3)
    model.options = PRESETS[preset].options
    session = Session(model, np.concatenate([frames] * 10), zoom="off")
    for frame in range(0, 100, 2):
        session.add_points(frame, 1, [[10, 12]], [1])
    assert [r.frame for r in session.propagate(start=98, max_frames=10)] == list(range(98, 108))
    track = session._objects.tracks[1]
    choices = {t: track.bank.choose(t, track.visited, step=1, num_frames=120) for t in (51, 99, 105)}
    assert max(len(choice.spatial) for choice in choices.values()) == most
    # The nearest ones are among them, in any case.
    assert {t for t, _ in choices[51].spatial} >= {46, 48, 50, 52, 54}


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("recent", [0, 1, 3])
def test_sessions_run_with_a_shorter_memory(make_model: Callable[..., Sam2], frames: np.ndarray, recent: int) -> None:
    model = make_model(3)
    results = []
    for options in (InferenceOptions(), InferenceOptions(recent_memories=recent, max_conditioning=2)):
        model.options = options
        session = Session(model, frames)
        for frame in (0, 3, 5, 9):
            session.add_points(frame, 1, [[10, 12]], [1])
        results.append(list(session.propagate()))
        assert np.isfinite(session.scores["object_score"]).all()
    assert any((a.low_res_logits != b.low_res_logits).any() for a, b in zip(*results, strict=True))


def test_schedules() -> None:
    assert straight(3, "both", reach=3, num_frames=5) == {3: 1, 4: 1, 2: -1, 1: -1}
    assert list(straight(2, "backward", reach=9, num_frames=5)) == [2, 1, 0]
    assert outward(2, reach=2, num_frames=5) == {1: -1, 2: 1, 3: 1}
    visits = schedule({1: {2: 1, 3: 1, 1: -1}, 2: {3: 1, 1: -1, 0: -1}})
    assert visits == [Visit(2, 1, (1,)), Visit(3, 1, (1, 2)), Visit(1, -1, (1, 2)), Visit(0, -1, (2,))]
    assert schedule({}) == []

"""What tracking is said to take follows the sizes; benchmarks/bench_memory.py holds it to what is measured."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
import torch

from napari_sam2 import Session
from napari_sam2.model.config import CONFIGS, InferenceOptions
from napari_sam2.model.sam2 import Sam2, build_sam2
from napari_sam2.session.memory_estimate import estimate_memory
from napari_sam2.session.results.object_set import SPARE_BYTES

SHAPE = (100, 512, 512)


def parts(model: Sam2, **changes: Any) -> dict[str, int]:
    options = {"stack_shape": SHAPE, "objects": 1} | changes
    return asdict(estimate_memory(model, **options))


def test_the_parts_add_up(model: Sam2) -> None:
    estimate = estimate_memory(model, SHAPE, 3)
    assert estimate.total == sum(parts(model, objects=3).values())
    assert estimate.weights == sum(p.numel() * 4 for p in model.parameters())
    assert str(estimate).startswith(f"about {round(estimate.total / 1e6)} MB of memory (weights ")


def test_a_longer_stack_takes_more_for_its_results_only(model: Sam2) -> None:
    short, long = (parts(model, stack_shape=(n, 512, 512), objects=2) for n in (10_000, 20_000))
    assert {name for name in short if short[name] != long[name]} == {"results"}
    assert long["results"] == 2 * short["results"]


@pytest.mark.parametrize(
    ("changes", "larger"),
    [
        ({"objects": 30}, {"features", "memories", "work", "results"}),
        ({"stack_shape": (100, 2048, 2048)}, {"frames"}),
        ({"frame_bytes": 2**30}, {"frames"}),
        ({"prompted_frames": 40}, {"memories", "work"}),
        ({"cache_bytes": 2**31, "stack_shape": (10**6, 512, 512)}, {"features", "results"}),
    ],
)
def test_what_each_size_adds_to(model: Sam2, changes: dict[str, Any], larger: set[str]) -> None:
    before, after = parts(model), parts(model, **changes)
    assert {name for name in before if after[name] > before[name]} == larger
    assert all(after[name] >= before[name] for name in before)


def test_more_prompts_than_are_attended_to_cost_no_more_work(model: Sam2) -> None:
    assert parts(model, prompted_frames=40)["work"] == parts(model, prompted_frames=6)["work"]
    exact = build_sam2(model.config, InferenceOptions("exact"))
    assert parts(exact, prompted_frames=40)["work"] > parts(exact, prompted_frames=6)["work"]


def test_memories_are_at_least_what_a_session_holds(model: Sam2, frames: Any) -> None:
    session = Session(model, frames, zoom="off")
    for object_id in (1, 2, 3):
        session.add_points(5, object_id, [(10, 12)], [1])
    list(session.propagate(direction="both"))
    tracks = session._objects.tracks.values()
    held = sum(m.nbytes for t in tracks for m in (t.bank.recent | t.bank.conditioning).values())
    said = estimate_memory(model, frames.shape, 3).memories
    assert held <= said
    assert said >= SPARE_BYTES


def test_half_precision_halves_weights_and_memories() -> None:
    with torch.device("meta"):
        nano = build_sam2(CONFIGS["sam2_nano"])
    whole, half = parts(nano), parts(nano.bfloat16())
    assert half["weights"] * 2 == whole["weights"]
    assert half["features"] == whole["features"]


@pytest.mark.parametrize("changes", [{"objects": 0}, {"stack_shape": (0, 5, 5)}, {"prompted_frames": 0}])
def test_sizes_that_make_no_sense(model: Sam2, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="of at least 1, got a stack of"):
        parts(model, **changes)

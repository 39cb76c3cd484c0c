"""Time each step of a frame on its own: encoders, attention, decoder, a click."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.tracking.memory.choice import memory_rule

from .timing import Patience, repeat
from .workload import Workload, calls_of_a_frame

# Frames tracked so far: that many memory maps, and as many pointers, until both are full.
HISTORIES = (1, 2, 4)


@dataclass(frozen=True)
class StageTime:
    """One step for one object."""

    name: str
    # Median of the runs.
    seconds: float
    runs: int

    @classmethod
    def of(cls, name: str, taken: list[float]) -> StageTime:
        """Sum the seconds of several runs up."""
        return cls(name, statistics.median(taken), len(taken))


def attention_name(maps: int, pointers: int) -> str:
    """Name the stage by what is attended to."""
    return f"memory attention, {maps} map{'s' * (maps > 1)} and {pointers} pointer{'s' * (pointers > 1)}"


def measure_stages(model: Sam2, *, side: int, patience: Patience) -> tuple[StageTime, ...]:
    """Time what a frame is made of, and the preview of a click.

    ``side``: height and width of the frames in pixels.
    """
    stages = []
    for name, call in stage_calls(model, side=side).items():
        # The first call warms up.
        call()
        stages.append(StageTime.of(name, repeat(call, model.device, patience=patience)))
    return tuple(stages)


def stage_calls(model: Sam2, *, side: int) -> dict[str, Callable[[], object]]:
    """Return the steps of a frame by name, each to be done as often as one likes; see `measure_stages`."""
    # Attention is timed while memory fills and when it is full, the rest when it is full.
    work, rule = Workload(side=side), memory_rule(model)
    full = calls_of_a_frame(model, work.begin(model)[1])
    attention = {
        attention_name(history, history): calls_of_a_frame(model, work.begin(model, history=history)[1])["condition"]
        for history in HISTORIES
    }
    return {
        "image encoder": full["encode_image"],
        **attention,
        attention_name(rule.num_memories, rule.max_object_pointers): full["condition"],
        "mask decoder": full["run_decoder"],
        "memory encoder": full["remember"],
        "preview of a click": _preview(model, side),
    }


def _preview(model: Sam2, side: int) -> Callable[[], object]:
    """Click on a frame that is encoded: from the call to the masks in the labels."""
    session, _ = Workload(side=side).begin(model, history=1)
    clicks = [(side // 2, side // 2), (side // 10, side // 10)]
    return lambda: session.add_points(0, 2, clicks, [1, 0])

"""How long each step of a frame takes on its own."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from napari_sam2.model.sam2 import Sam2

from .timing import Patience, repeat
from .workload import Workload, calls_of_a_frame

# Frames tracked so far: that many memory maps, and as many pointers, until both are full.
HISTORIES = (1, 2, 4)


@dataclass(frozen=True)
class StageTime:
    """One step for one object.

    Attributes
    ----------
    name : str
        What is done.
    seconds : float
        Median of the runs.
    runs : int
        How many there were.
    """

    name: str
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

    Parameters
    ----------
    model : Sam2
        The model.
    side : int
        Height and width of the frames in pixels.
    patience : Patience
        For each of the steps.

    Returns
    -------
    tuple of StageTime
        Image encoder, memory attention from one memory to a full one, mask decoder, memory encoder, preview.
    """
    device, work = model.device, Workload(side=side)
    pointers = model.config.max_object_pointers
    full = calls_of_a_frame(model, work.begin(model)[1])
    stages = [StageTime.of("image encoder", repeat(full["encode_image"], device, patience=patience))]
    for history in HISTORIES:
        call = calls_of_a_frame(model, work.begin(model, history=history)[1])["condition"]
        stages.append(StageTime.of(attention_name(history, history), repeat(call, device, patience=patience)))
    for name, verb in (
        (attention_name(model.config.num_memories, pointers), "condition"),
        ("mask decoder", "decode"),
        ("memory encoder", "remember"),
    ):
        stages.append(StageTime.of(name, repeat(full[verb], device, patience=patience)))
    return (*stages, StageTime.of("preview of a click", _preview(model, side, patience)))


def _preview(model: Sam2, side: int, patience: Patience) -> list[float]:
    """Click on a frame that is encoded, again and again: from the call to the masks in the labels."""
    session, _ = Workload(side=side).begin(model, history=1)
    clicks = [(side // 2, side // 2), (side // 10, side // 10)]
    return repeat(lambda: session.add_points(0, 2, clicks, [1, 0]), model.device, patience=patience)

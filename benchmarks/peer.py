"""transformers' SAM 2 for video, and this package, on the same work: the next frame, with a full memory."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from torch.nn import functional

from napari_sam2.benchmark.models import stand_in
from napari_sam2.benchmark.scene import MovingDiscs
from napari_sam2.benchmark.timing import seconds_of
from napari_sam2.benchmark.workload import Workload
from napari_sam2.model.sam2 import Sam2

VARIANT = "sam2.1_hiera_tiny"
SIDE = 512
PEER = "transformers"
# What a competitor is asked for: the next frame, with all objects on it.
Step = Callable[[], object]


def peer_steps(objects: int, rounds: int, *, dtype: torch.dtype, device: torch.device) -> Step:
    """Track with transformers: `Sam2VideoModel` in the geometry of SAM 2.1 tiny, with random weights."""
    from transformers import Sam2VideoConfig, Sam2VideoModel
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    config = Sam2VideoConfig()
    torch.manual_seed(0)
    model = Sam2VideoModel(config).eval().to(device, dtype)
    start = config.max_object_pointers_in_encoder
    size = config.image_size
    discs = MovingDiscs(start + rounds, SIDE, objects)
    # It takes frames that are prepared already, which is left out of its time.
    video = torch.zeros(start + rounds, 3, size, size)
    for frame in (0, 1, *range(start, start + rounds)):
        grey = torch.from_numpy(discs[frame]).float()[None, None] / 255
        video[frame] = functional.interpolate(grey, (size, size), mode="bilinear")[0]
    session = Sam2VideoInferenceSession(
        video=video, video_height=SIDE, video_width=SIDE, inference_device=device, dtype=dtype
    )
    for index, mask in enumerate(discs.masks(0)):
        at_input = functional.interpolate(torch.from_numpy(mask)[None, None].float(), (size, size))
        session.add_mask_inputs(session.obj_id_to_idx(index + 1), 0, at_input)
    session.obj_with_new_inputs = list(session.obj_ids)
    with torch.inference_mode():
        for frame in (0, 1):
            model(inference_session=session, frame_idx=frame)
    # As for this package: the outputs of one tracked frame stand for those between it and the first timed one.
    for index in range(objects):
        tracked = session.output_dict_per_obj[index]["non_cond_frame_outputs"]
        tracked |= {frame: dict(tracked[1]) for frame in range(2, start)}
    frames = iter(range(start, start + rounds))

    @torch.inference_mode()
    def step() -> object:
        return model(inference_session=session, frame_idx=next(frames))

    return step


def own_steps(model: Sam2, objects: int, rounds: int) -> Step:
    """Track with this package, from the frame as it was read to labels and scores."""
    _, run = Workload(objects, rounds + 1, SIDE).begin(model)
    # What is kept of the memories is made for the first frame that attends to them.
    next(run)
    return partial(next, run)


def compare(competitors: Mapping[str, Step], rounds: int, device: torch.device) -> Iterator[dict[str, float]]:
    """Let them take turns at every frame, forwards and backwards, and yield the seconds of each round."""
    for turn in range(rounds):
        names = sorted(competitors, reverse=bool(turn % 2))
        yield {name: seconds_of(competitors[name], device) for name in names}


def competitors_for(objects: int, rounds: int, *, names: tuple[str, ...], device: torch.device) -> dict[str, Step]:
    """Make competitors ready: ``transformers float32``, ``balanced``, ``fast openvino``, ..."""
    made: dict[str, Step] = {}
    for name in names:
        first, _, second = name.partition(" ")
        if first == PEER:
            made[name] = peer_steps(objects, rounds, dtype=getattr(torch, second), device=device)
        else:
            model = stand_in(VARIANT, preset=first, device=device, backend=second or "torch")
            made[name] = own_steps(model, objects, rounds)
    return made


def ratios(rounds: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Median seconds of each, and how many times as fast it is as each of transformers'."""
    middle = {name: statistics.median(turn[name] for turn in rounds) for name in rounds[0]}
    peers = {name: seconds for name, seconds in middle.items() if name.startswith(PEER)}
    return {
        name: {"seconds": seconds} | {f"over {peer}": peers[peer] / seconds for peer in sorted(peers)}
        for name, seconds in middle.items()
    }

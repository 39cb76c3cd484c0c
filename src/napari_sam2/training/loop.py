"""The training loop: settings become steps, batches, gradients, checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from napari_sam2.evaluation.image_sets import Split
from napari_sam2.training.data.augment import Augmentation
from napari_sam2.training.data.clips import Batch, draw_batch
from napari_sam2.training.data.sources import ClipSource, Mixture, open_source
from napari_sam2.training.optimisation.devices import autocast
from napari_sam2.training.optimisation.drop_path import drop_path
from napari_sam2.training.optimisation.losses import FrameLoss
from napari_sam2.training.optimisation.processes import average_gradients, from_first, rank

from .curve_log import CurveLog
from .run_state import CHECKPOINT, TrainState, start
from .train_settings import TrainSettings
from .unroll import Tracker, unroll
from .validate import validate

# Batches drawn before they are asked for.
_AHEAD = 3
Progress = Callable[[int, int, str], None]


def learning_rate(step: int, done: float, settings: TrainSettings) -> float:
    """Rise over the warm-up steps, stay, and fall along a cosine over the last share of the run."""
    rise = min(1.0, (step + 1) / max(settings.warmup, 1))
    left = max(1 - done, 0.0) / settings.cooldown if settings.cooldown else 1.0
    fall = 0.5 - 0.5 * math.cos(math.pi * min(left, 1.0))
    return settings.learning_rate * rise * max(fall, 0.01)


def share_done(step: int, begun: float, settings: TrainSettings) -> float:
    """Say how much of the run is done, by steps or by the first process's clock."""
    done = step / settings.steps
    if settings.minutes > 0:
        done = from_first(max(done, (time.monotonic() - begun) / 60 / settings.minutes))
    return done


@dataclass(frozen=True)
class StepKind:
    """What a step trains on."""

    # Clips, frames and objects of the batch; one frame for stills.
    shape: tuple[int, int, int]
    # Prompt clips with masks instead of clicks and boxes.
    give_masks: bool
    # Correction clicks on each frame that gets any.
    corrections: int


def kind_of_step(step: int, settings: TrainSettings) -> StepKind:
    """Decide what a step trains on.

    All processes decide alike: they train the same parts of the model, and none waits long for another.
    """
    # All four are drawn always, so that one setting does not shift the chance of another.
    rng = np.random.default_rng((settings.seed, step))
    on_clips, long, give_masks, vary = rng.random(4) < (
        settings.clip_share,
        settings.long_share,
        settings.mask_prompts,
        settings.vary_corrections,
    )
    most = settings.clip_corrections if on_clips else settings.corrections
    corrections = int(rng.integers(most + 1)) if vary else most
    if not on_clips:
        return StepKind((settings.stills, 1, settings.still_objects), False, corrections)
    clips, frames = settings.clips, settings.clip_frames
    if long:
        clips, frames = max(clips // 2, 1), frames * 2
    return StepKind((clips, frames, settings.clip_objects), bool(give_masks), corrections)


def open_mixture(settings: TrainSettings) -> ClipSource:
    """Open what is trained on."""
    opened = [_open(name, settings, share=settings.held_share * (name in settings.held_out)) for name in settings.data]
    return Mixture(opened, settings.data_weights)


def open_held_out(name: str, settings: TrainSettings) -> ClipSource:
    """Open a source to validate on: the share that is held out of a folder that is trained on, else all of it."""
    shared = name in settings.data
    return _open(name, settings, share=settings.held_share * shared, held_out=shared)


def _open(name: str, settings: TrainSettings, *, share: float, held_out: bool = False) -> ClipSource:
    split = Split(share, held_out=held_out, without=settings.without, partly_labelled=settings.partly_labelled)
    return open_source(name, size=settings.image_size, split=split)


def augmentation_of(settings: TrainSettings) -> Augmentation:
    """How the clips of a run are changed."""
    return Augmentation(
        (settings.smallest_window, settings.largest_window),
        settings.follow_share,
        affine_share=settings.affine_share,
        jitter_share=settings.jitter_share,
        modality_share=settings.modality_share,
    )


def batch_of_step(sources: Sequence[ClipSource], step: int, settings: TrainSettings) -> Batch:
    """Draw the batch of a step; it depends on the seed and the step alone, so that a resumed run sees the same."""
    rng = np.random.default_rng((settings.seed, step, rank()))
    augmentation, shape = augmentation_of(settings), kind_of_step(step, settings).shape
    centres = settings.centre_weight > 0
    return draw_batch(sources, rng, size=settings.image_size, shape=shape, augmentation=augmentation, centres=centres)


def batches(
    sources: Sequence[ClipSource], first: int, settings: TrainSettings, *, device: torch.device
) -> Iterator[tuple[int, Batch]]:
    """Yield the remaining steps with their batches on the device, drawn ahead in a thread."""
    with ThreadPoolExecutor(1) as pool:
        waiting: list[Future[Batch]] = []
        for step in range(first, settings.steps):
            for ahead in range(step + len(waiting), min(step + _AHEAD, settings.steps)):
                waiting.append(pool.submit(batch_of_step, sources, ahead, settings))
            batch = waiting.pop(0).result()
            yield step, batch.to(device)


def train_step(state: TrainState, batch: Batch, settings: TrainSettings, *, done: float = 0.0) -> list[FrameLoss]:
    """Do one optimiser step on a batch, that share of the run being done; return the terms of its loss."""
    # Prompts and dropped branches depend on seed, step and process alone: a resumed run repeats them.
    generator = torch.Generator().manual_seed(hash((settings.seed, state.step, rank())) & 0x7FFFFFFF)
    kind = kind_of_step(state.step, settings)
    asked = replace(settings, corrections=kind.corrections, clip_corrections=kind.corrections)
    dropping = drop_path(state.model, settings.drop_path, generator)
    with autocast(state.model.device, bfloat16=settings.bfloat16), dropping:
        losses, total = unroll(Tracker(state.model, batch, asked), give_masks=kind.give_masks, generator=generator)
    # Every process takes the same step, with the mean of all gradients.
    total.backward()  # type: ignore[no-untyped-call]
    average_gradients(state.model)
    nn.utils.clip_grad_norm_(state.model.parameters(), settings.clip_norm)
    for optimiser in state.optimisers:
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(state.step, done, settings) * group["rate"]
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    state.step += 1
    state.update_average(settings.ema)
    return losses


def run_training(
    settings: TrainSettings,
    *,
    init: Path | None = None,
    stop_after: int | None = None,
    progress: Progress | None = None,
) -> TrainState:
    """Train, from the folder's checkpoint where there is one."""
    folder = Path(settings.folder)
    sources = [open_mixture(settings)]
    held_out = [open_held_out(name, settings) for name in settings.held_out]
    state = start(settings)
    # The folder's own checkpoint wins over the one to start from.
    found = folder / CHECKPOINT
    if found.exists() or init is not None:
        state.load(found if found.exists() or init is None else init)
    if settings.compile:
        state.model.image_encoder.compile(dynamic=False)
    # One process keeps the log: it takes out what a run that was cut off wrote after its checkpoint.
    log = CurveLog(folder, first_step=state.step) if rank() == 0 else None
    begun = saved = time.monotonic()
    for step, batch in batches(sources, state.step, settings, device=state.model.device):
        done = share_done(step, begun, settings)
        if step == stop_after or done >= 1:
            break
        losses = train_step(state, batch, settings, done=done)
        # What follows is the first process's alone.
        if log is None:
            continue
        log.add_step(state.step, losses, frames=batch.frames_btchw.shape[1])
        if held_out and settings.validate_every and state.step % settings.validate_every == 0:
            log.add_validation(state.step, validate(state.averaged_model(), held_out, settings))
        if time.monotonic() - saved > 60 * settings.checkpoint_minutes:
            state.save(folder)
            saved = time.monotonic()
        if progress is not None:
            progress(state.step, settings.steps, log.line)
    if log is not None:
        state.save(folder)
        log.draw()
    return state

"""The optimiser steps of teaching, on a copy of a model and clips of the examples."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from napari_sam2.model.sam2 import Sam2
from napari_sam2.training.data.clips import Batch
from napari_sam2.training.loop import learning_rate
from napari_sam2.training.optimisation.devices import autocast
from napari_sam2.training.train_settings import TeachSettings, TrainSettings
from napari_sam2.training.unroll import Encoded, Tracker, encode, unroll

from .adapters import merge_adapters, train_part
from .examples import Example, ExampleClips

STILL_SHARE, MASK_SHARE = 0.2, 0.6
CORRECTIONS = 2
WARMUP = 20
MOST_OBJECTS = 4
# Beyond this input size a step takes a quarter of the tracks.
LARGE_INPUT = 512
# Where the encoder is not trained, this share of the clips is new; the others were encoded before.
NEW_SHARE = 0.25
FEATURE_BYTES = 2**30
_SMOOTHING = 0.05

Drawn = tuple[Batch, Encoded]


class EncodedClips:
    """Clips with their features, each used several times, the oldest given up when they get too many."""

    def __init__(self, draw: Callable[[np.random.Generator], Drawn], budget: int = FEATURE_BYTES) -> None:
        self._draw = draw
        self._budget = budget
        self._kept: list[Drawn] = []

    def draw(self, rng: np.random.Generator) -> Drawn:
        """Take a fresh clip or a known one."""
        if self._kept and rng.random() >= NEW_SHARE:
            return self._kept[int(rng.integers(len(self._kept)))]
        fresh = self._draw(rng)
        self._kept.append(fresh)
        size = sum(x.nbytes for x in (*fresh[1].maps, fresh[0].frames_btchw, fresh[0].masks_btnhw))
        del self._kept[: -max(self._budget // size, 1)]
        return fresh


class Lesson:
    """A copy of a model that learns, with its optimiser and its clips."""

    def __init__(self, model: Sam2, examples: Sequence[Example], settings: TeachSettings) -> None:
        self.examples = examples
        self.settings = settings
        self.steps = 0
        self.loss: float | None = None
        self._first = model.state_dict()
        # The caller may be about to track, where what is made cannot be trained.
        with torch.inference_mode(False):
            self.student = copy.deepcopy(model).float()
            train_part(self.student, settings.part, rank=settings.rank, seed=settings.seed)
        self._trained = [p for p in self.student.parameters() if p.requires_grad]
        self._optimiser = torch.optim.AdamW(self._trained, lr=settings.learning_rate, weight_decay=0.0)
        self._sources = [ExampleClips(example) for example in examples]
        # So many tracks in a step, as clips of a few objects each.
        tracks = settings.tracks if model.config.image_size < LARGE_INPUT else max(settings.tracks // 4, 1)
        self._objects = min(tracks, MOST_OBJECTS, max(len(source.ids) for source in self._sources))
        self._clips = tracks // self._objects
        self._recipe = TrainSettings(
            folder="",
            image_size=model.config.image_size,
            corrections=CORRECTIONS,
            feature_penalty=0.0,
            cross_entropy="focal",
            grade="answer",
            learning_rate=settings.learning_rate,
            warmup=WARMUP,
            cooldown=1.0,
        )
        self._encoded = EncodedClips(self._draw_encoded) if settings.part == "decoder+memory" else None

    def step(self, done: float) -> None:
        """Do one optimiser step; ``done`` is the share of the teaching that is done."""
        rng = np.random.default_rng((self.settings.seed, self.steps))
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        with torch.inference_mode(False), torch.enable_grad():
            with autocast(self.student.device, bfloat16=self._recipe.bfloat16):
                still, give_masks = rng.random(2) < (STILL_SHARE, MASK_SHARE)
                tracker = self._tracker(rng, frames=1 if still else self.settings.clip_frames)
                _, total = unroll(tracker, give_masks=bool(give_masks), generator=generator)
            total.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self._trained, self._recipe.clip_norm)
            for group in self._optimiser.param_groups:
                group["lr"] = learning_rate(self.steps, done, self._recipe)
            self._optimiser.step()
            self._optimiser.zero_grad(set_to_none=True)
        self.steps += 1
        loss = float(total.detach())
        self.loss = loss if self.loss is None else self.loss + _SMOOTHING * (loss - self.loss)

    def learned(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return the weights, by their usual names: so far from those at the start (0) to those reached (1)."""
        student = copy.deepcopy(self.student)
        merge_adapters(student)
        reached = student.state_dict()
        return {name: torch.lerp(self._first[name].to(value), value, share) for name, value in reached.items()}

    def _tracker(self, rng: np.random.Generator, *, frames: int) -> Tracker:
        clips = self._clips * 2 if frames == 1 else self._clips
        if self._encoded is None:
            batch = _join([self._draw(rng, frames) for _ in range(clips)])
            return Tracker(self.student, batch, self._recipe)
        # Features were kept with their clips: the encoder does not run.
        drawn = [self._encoded.draw(rng) for _ in range(clips)]
        batch = _join([batch for batch, _ in drawn])
        s4, s8, s16 = (torch.cat([encoded.maps[level][:, :frames] for _, encoded in drawn]) for level in range(3))
        part = Batch(batch.frames_btchw[:, :frames], batch.masks_btnhw[:, :frames])
        return Tracker(self.student, part, self._recipe, encoded=Encoded((s4, s8, s16), self._objects))

    @torch.no_grad()
    def _draw_encoded(self, rng: np.random.Generator) -> Drawn:
        batch = self._draw(rng, self.settings.clip_frames)
        return batch, encode(self.student, batch)

    def _draw(self, rng: np.random.Generator, frames: int) -> Batch:
        source = self._sources[int(rng.integers(len(self._sources)))]
        batch = source.draw(rng, frames=frames, objects=self._objects, size=self._recipe.image_size)
        return batch.to(self.student.device)


def _join(batches: Sequence[Batch]) -> Batch:
    return Batch(
        torch.cat([batch.frames_btchw for batch in batches]), torch.cat([batch.masks_btnhw for batch in batches])
    )

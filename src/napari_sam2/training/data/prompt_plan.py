"""Which frames of a batch a simulated user prompts and corrects, drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_sam2.training.train_settings import TrainSettings


@dataclass(frozen=True)
class PromptPlan:
    """Prompts of one batch."""

    # Prompt with masks; otherwise with clicks and boxes.
    give_masks: bool
    # Frames prompted before anything is tracked, the first among them.
    prompted: tuple[int, ...]
    # Frames with correction clicks.
    corrected: tuple[int, ...]
    # Clicks on each of them.
    corrections: int

    def corrections_on(self, frame: int) -> int:
        """Correction clicks on a frame."""
        return self.corrections if frame in self.corrected else 0


def draw_prompt_plan(
    present_tb: Tensor, settings: TrainSettings, *, give_masks: bool, generator: torch.Generator
) -> PromptPlan:
    """Draw the plan of a batch; ``present_tb`` says which objects are seen, all of them on the first frame."""
    frames = len(present_tb)
    if frames == 1:
        return PromptPlan(False, (0,), (0,), settings.corrections)
    # Nobody prompts an object where it is not.
    shown = [t for t in range(1, frames) if present_tb[t].all()]
    wanted = _count(1, settings.prompted_frames, generator)
    prompted = (0, *_pick(shown, wanted - 1, generator))
    if give_masks or not settings.clip_corrections:
        return PromptPlan(give_masks, prompted, (), 0)
    wanted = _count(len(prompted), settings.corrected_frames, generator)
    others = [t for t in range(frames) if t not in prompted]
    corrected = (*prompted, *_pick(others, wanted - len(prompted), generator))
    return PromptPlan(give_masks, prompted, corrected, settings.clip_corrections)


def _count(least: int, most: int, generator: torch.Generator) -> int:
    return least if most <= least else int(torch.randint(least, most + 1, (), generator=generator))


def _pick(frames: Sequence[int], count: int, generator: torch.Generator) -> list[int]:
    if count <= 0:
        return []
    order = torch.randperm(len(frames), generator=generator)[:count]
    return sorted(frames[i] for i in order.tolist())

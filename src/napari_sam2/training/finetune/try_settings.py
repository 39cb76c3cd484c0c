"""Settings of tracking, tried on frames that a person has called right: which of them suit these data."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from napari_sam2.generators import each
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.tracking.memory.policies import policy_name

from .examples import LabelledStack, split_stacks
from .holdout import Figures, measure

# Tracking starts in the middle of the accepted frames: nothing is learned here, so all behind it can be measured on.
HELD_OUT = 0.5
# Smaller changes of J&F count as none.
NO_DIFFERENCE = 0.002


@dataclass(frozen=True)
class TrackingSettings:
    """What can be chosen before tracking, as `load_model` and `Session` take it."""

    model: str
    preset: str = "balanced"
    zoom: str | float = "auto"
    memory: str = "auto"

    def __str__(self) -> str:
        return f"{self.model}, {self.preset}, zoom {self.zoom}, memory {self.memory}"


@dataclass(frozen=True)
class TriedSettings:
    """How good tracking was with some settings."""

    settings: TrackingSettings
    # Means of ``"J"``, ``"F"`` and ``"J&F"`` on the held-out frames.
    figures: Figures
    # Loading the model not counted.
    seconds: float


@dataclass(frozen=True)
class TrialProgress:
    """How far trying is."""

    # 0 to 1.
    share_done: float
    current: TrackingSettings
    # Those that are done.
    tried: tuple[TriedSettings, ...]


def best_of(tried: Sequence[TriedSettings]) -> TriedSettings:
    """The best; the first, which are the settings at hand, unless another is better by more than nothing."""
    best = max(tried, key=lambda one: one.figures["J&F"])
    return best if best.figures["J&F"] > tried[0].figures["J&F"] + NO_DIFFERENCE else tried[0]


def try_settings(
    stacks: Sequence[LabelledStack],
    present: TrackingSettings,
    choices: Mapping[str, Sequence[Any]],
    *,
    load: Callable[[TrackingSettings], Sam2],
) -> Generator[TrialProgress, None, tuple[TriedSettings, ...]]:
    """Track into held-out accepted frames with the present settings, then with others.

    One setting after the other is changed, in the order of `TrackingSettings`, and the best value is kept for what
    follows: trying all together would take as many runs as there are combinations. It can be closed at any step.

    Parameters
    ----------
    stacks : sequence of LabelledStack
        With their accepted frames, three at least. The objects are prompted with their masks on the last one of the
        first half, and followed into the others.
    present : TrackingSettings
        Those at hand, which are tried first.
    choices : mapping
        By field of `TrackingSettings`, the values to try.
    load : callable
        Loads the model of settings.

    Yields
    ------
    TrialProgress
        After every frame.

    Returns
    -------
    tuple of TriedSettings
        In the order in which they were tried.

    Raises
    ------
    ValueError
        If a choice is about something else, or there are too few accepted frames to measure on.
    """
    names = [field.name for field in fields(TrackingSettings) if field.name in choices]
    if unknown := sorted({*choices} - {*names}):
        raise ValueError(f"there is no setting {unknown[0]!r} to try: choose among model, preset, zoom and memory")
    # Names are checked before anything is tracked.
    for memory in choices.get("memory", ()):
        policy_name(memory)
    examples = split_stacks(stacks, HELD_OUT)
    total = 1 + sum(len({*choices[name]} - {getattr(present, name)}) for name in names)
    tried: list[TriedSettings] = []
    loaded: dict[tuple[str, str], Sam2] = {}

    def attempt(settings: TrackingSettings) -> Generator[TrialProgress, None, None]:
        # One model at a time is held.
        key = settings.model, settings.preset
        if key not in loaded:
            loaded.clear()
            loaded[key] = load(settings)
        begun = time.monotonic()
        steps = measure(loaded[key], examples, zoom=settings.zoom, memory=settings.memory)
        figures = yield from each(
            steps, lambda share: TrialProgress((len(tried) + share) / total, settings, tuple(tried))
        )
        if figures is None:
            raise ValueError("no object can be followed into another accepted frame: accept more of one stack")
        tried.append(TriedSettings(settings, figures, time.monotonic() - begun))

    yield from attempt(present)
    for name in names:
        best = best_of(tried).settings
        for value in dict.fromkeys(choices[name]):
            if value != getattr(present, name):
                yield from attempt(replace(best, **{name: value}))
    return tuple(tried)

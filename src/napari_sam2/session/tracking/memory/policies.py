"""Memory policies by name: a rule, and what it is combined with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from .choice import MemoryRule
from .distractor import DistractorMemory, StrictDistractorMemory
from .gated import GatedMemory
from .long_term import LongMemory
from .motion import MotionMemory
from .pathways import PathwayMemory
from .policy import MemoryPolicy

# What ``"auto"`` stands for, and with the preset "exact"; docs/memory-rules.md has the measurements.
AUTO, AUTO_EXACT = "standard+one-way", "standard"
_POLICIES: dict[str, Callable[[MemoryRule], MemoryPolicy]] = {
    "standard": MemoryPolicy,
    "gated": GatedMemory,
    "gated-strict": partial(GatedMemory, threshold=0.3),
    "distractor": DistractorMemory,
    "distractor-adaptive": partial(DistractorMemory, adaptive=True),
    "distractor-strict": StrictDistractorMemory,
    "motion": MotionMemory,
    "long": LongMemory,
    "pathways": PathwayMemory,
}
POLICY_NAMES = tuple(_POLICIES)
# Each rule can be combined with these: "gated+exclusive".
ADDITIONS = ("exclusive", "one-way", "sparse")


def policy_name(memory: str, *, exact: bool = False) -> str:
    """Name of the policy that a setting stands for; ``ValueError`` if there is none.

    ``exact``: whether results are to be those of the reference.
    """
    name = (AUTO_EXACT if exact else AUTO) if memory == "auto" else memory
    rule, *more = name.split("+")
    if rule not in POLICY_NAMES or not set(more) <= set(ADDITIONS):
        raise ValueError(
            f"memory is 'auto' or one of {', '.join(POLICY_NAMES)}, with or without +{' or +'.join(ADDITIONS)}; "
            f"got {memory!r}"
        )
    # Each object is followed by itself, some frames ahead, where it is not known yet what the others do.
    if rule == "pathways" and "exclusive" in more:
        raise ValueError(f"pathways follows objects one by one and cannot be exclusive: leave that out of {memory!r}")
    return "+".join((rule, *sorted(set(more))))


def make_policy(memory: str, rule: MemoryRule, *, axis: str = "t") -> MemoryPolicy:
    """Make the policy of that name, or the one that ``"auto"`` stands for, for frames along an axis."""
    kind, *more = policy_name(memory).split("+")
    exclusive, one_way, sparse = (name in more for name in ADDITIONS)
    policy = replace(_POLICIES[kind](rule), exclusive=exclusive, one_way=one_way, sparse=sparse)
    # Stacks of slices are short, and neighbouring slices differ more than frames of a movie do.
    if axis == "z" and isinstance(policy, DistractorMemory):
        return replace(policy, stride=1, gap=1)
    if axis == "z" and isinstance(policy, MotionMemory):
        return replace(policy, predicts=False)
    return policy

"""Memory policies by name."""

from __future__ import annotations

from collections.abc import Callable

from .choice import MemoryRule
from .gated import GatedMemory
from .policy import MemoryPolicy

# What ``"auto"`` stands for; docs/memory-rules.md has the measurements.
AUTO = "standard"
_POLICIES: dict[str, Callable[[MemoryRule], MemoryPolicy]] = {"standard": MemoryPolicy, "gated": GatedMemory}
POLICY_NAMES = tuple(_POLICIES)


def policy_name(memory: str) -> str:
    """Name of the policy that a setting stands for; ``ValueError`` if there is none."""
    name = AUTO if memory == "auto" else memory
    if name not in _POLICIES:
        raise ValueError(f"memory is 'auto' or one of {', '.join(POLICY_NAMES)}, got {memory!r}")
    return name


def make_policy(memory: str, rule: MemoryRule) -> MemoryPolicy:
    """Make the policy of that name, or the one that ``"auto"`` stands for."""
    return _POLICIES[policy_name(memory)](rule)

"""Which of the objects of a frame go through the model together."""

from __future__ import annotations

from collections.abc import Sequence

from .crop_follower import CropChoice
from .memory.choice import MemoryChoice


def groups_alike(crops: Sequence[CropChoice], choices: Sequence[MemoryChoice], *, at_once: int) -> list[list[int]]:
    """Group objects, by their index, that fit into a batch; at most so many in each."""
    # A batch needs memories in the same slots, maps of one size, and one set of features for all or one for each. Those
    # seen in the whole frame, which is encoded once, come apart from those with crops.
    alike: dict[tuple[MemoryChoice, bool, int | None], list[int]] = {}
    # Those that share a window follow one another, so that its features are at hand.
    firsts = {crop.view: index for index, crop in reversed([*enumerate(crops)])}
    for index in sorted(range(len(crops)), key=lambda i: firsts[crops[i].view]):
        crop = crops[index]
        alike.setdefault((choices[index].layout, crop.view is None, crop.cells), []).append(index)
    return [group[first : first + at_once] for group in alike.values() for first in range(0, len(group), at_once)]

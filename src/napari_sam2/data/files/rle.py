"""Run-length encoding of masks, as COCO writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def encode_rle(mask: NDArray[np.bool_], corner: tuple[int, int], shape: tuple[int, int]) -> dict[str, Any]:
    """Encode a (h, w) mask whose first pixel lies at `corner` (y, x) of a frame of `shape` (Y, X).

    Returns ``size`` [Y, X], and ``counts``: the lengths of runs down the columns, background first, as a string.
    """
    return {"size": list(shape), "counts": pack_counts(run_lengths(mask, corner, shape))}


def run_lengths(mask: NDArray[np.bool_], corner: tuple[int, int], shape: tuple[int, int]) -> list[int]:
    """Measure the runs of a mask down the columns of the frame, background first."""
    # +1 where a run begins and -1 behind its end, column by column; padded for runs that touch the edge.
    steps = np.diff(np.pad(mask, ((1, 1), (0, 0))).astype(np.int8), axis=0).T
    columns, rows = np.nonzero(steps == 1)
    starts = (columns + corner[1]) * shape[0] + rows + corner[0]
    columns, rows = np.nonzero(steps == -1)
    ends = (columns + corner[1]) * shape[0] + rows + corner[0]
    if not starts.size:
        return [shape[0] * shape[1]]
    # A run that reaches the foot of a column and goes on at the head of the next is one run in this order.
    parted = ends[:-1] != starts[1:]
    runs = np.stack([starts[np.r_[True, parted]], ends[np.r_[parted, True]]], axis=1)
    lengths: list[int] = np.diff(runs.ravel(), prepend=0).tolist()
    rest = shape[0] * shape[1] - int(runs[-1, 1])
    return [*lengths, rest] if rest else lengths


def pack_counts(counts: list[int]) -> str:
    """Pack run lengths into COCO's string.

    From the fourth on each is written as its difference from the one before the last, in digits of five bits, lowest
    first, with a sixth bit where more follow; the character is the digit above "0".
    """
    digits = []
    for place, count in enumerate(counts):
        rest = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            digit = rest & 31
            rest >>= 5
            # The sign is the highest bit of the last digit.
            more = rest != (-1 if digit & 16 else 0)
            digits.append(chr(48 + digit + (32 if more else 0)))
    return "".join(digits)


def decode_rle(size: tuple[int, int], counts: str | Sequence[int]) -> NDArray[np.bool_]:
    """Decode a mask of (Y, X) pixels as COCO's tools write it: the lengths of its runs, packed or as numbers."""
    runs = _unpack_counts(counts) if isinstance(counts, str) else [int(count) for count in counts]
    if sum(runs) != size[0] * size[1] or min(runs, default=0) < 0:
        raise ValueError(f"A compressed mask covers {sum(runs)} pixels instead of {size[0]} x {size[1]}.")
    # Runs go down the columns, background first.
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape(size, order="F")


def _unpack_counts(counts: str) -> list[int]:
    # Lengths of runs, in groups of five bits with a flag for more; from the third on, differences to the last but one.
    runs: list[int] = []
    value = shift = 0
    for character in counts.encode("ascii"):
        bits = character - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs

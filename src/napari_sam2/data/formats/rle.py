"""Run-length encoding of masks, as COCO writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def encode_rle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Encode a mask.

    Parameters
    ----------
    mask : ndarray
        (Y, X) bool.

    Returns
    -------
    dict
        ``size`` [Y, X], and ``counts``: the lengths of runs down the columns, background first, packed into a string.
    """
    return {"size": list(mask.shape), "counts": pack_counts(run_lengths(mask))}


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Measure the runs of a mask down its columns, background first.

    Parameters
    ----------
    mask : ndarray
        (Y, X) bool.

    Returns
    -------
    list of int
        Lengths that add up to Y * X; the first is 0 where the mask begins with the object.
    """
    flat = np.concatenate([[False], mask.ravel(order="F"), [False]])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    ends = np.concatenate([changes, [mask.size]]) if not changes.size or changes[-1] < mask.size else changes
    lengths: list[int] = np.diff(ends, prepend=0).tolist()
    return lengths


def pack_counts(counts: list[int]) -> str:
    """Pack run lengths into COCO's string.

    From the fourth on each is written as its difference from the one before the last, in digits of five bits, lowest
    first, with a sixth bit where more follow; the character is the digit above "0".

    Parameters
    ----------
    counts : list of int
        Run lengths.

    Returns
    -------
    str
        ASCII.
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

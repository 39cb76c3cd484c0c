"""Parsers for option values that are more than a word or a number: zoom, channels, crop, stride, formats."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from fractions import Fraction


def zoom_option(text: str) -> str | float:
    """Read ``auto``, ``off`` or a factor; other words are refused by the session."""
    try:
        return float(text)
    except ValueError:
        return text


def channel_list(text: str) -> tuple[int | str, ...]:
    """Read ``0,2`` or ``GFP,DAPI``."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise ArgumentTypeError(f"names or numbers of channels with commas between them are wanted, not {text!r}")
    return tuple(int(part) if re.fullmatch(r"-?[0-9]+", part) else part for part in parts)


def crop_box(text: str) -> tuple[int, int, int, int]:
    """Read ``y0,x0,y1,x1``."""
    try:
        y0, x0, y1, x1 = map(int, text.split(","))
    except ValueError as error:
        raise ArgumentTypeError(f"a crop is four whole numbers y0,x0,y1,x1, not {text!r}") from error
    return y0, x0, y1, x1


def every_frame(text: str) -> Fraction:
    """Read ``3`` or ``1/2``."""
    if not re.fullmatch(r"[1-9][0-9]*|1/[1-9][0-9]*", text):
        raise ArgumentTypeError(f"a whole number (3) or one over one (1/2) is wanted, not {text!r}")
    return Fraction(text)


def format_names(text: str) -> tuple[str, ...]:
    """Read ``ome-zarr,ctc``; refuse names that are no formats."""
    from napari_sam2.data.formats import find_format

    names = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in names:
        try:
            find_format(name)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from error
    return names

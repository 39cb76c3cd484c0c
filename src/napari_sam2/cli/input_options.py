"""The options that say what of an input is tracked."""

from __future__ import annotations

import argparse
import re
from fractions import Fraction

from napari_sam2.job.options import InputOptions


def add_input_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options; `input_options` gathers them."""
    group = parser.add_argument_group("which part of the input")
    axis = "what to track along; by default what the file says, else t. A file with both time and depth needs it"
    group.add_argument("--axis", choices=("t", "z"), help=axis)
    group.add_argument("--at", type=int, metavar="N", help="the place on the other axis of a file with time and depth")
    add_channel_arguments(group)
    crop = "track in this box only, at its own resolution; prompts and results stay in pixels of the whole frame"
    group.add_argument("--crop", type=crop_box, metavar="Y0,X0,Y1,X1", help=crop)
    every = "3: every third frame, the ones between are filled in; 1/2: each frame twice"
    group.add_argument("--every", type=every_frame, default=Fraction(1), metavar="N", help=every)


def add_channel_arguments(group: argparse._ArgumentGroup) -> None:
    """Add the options that say which channels and resolution, and how pixel values are shown."""
    channels = group.add_mutually_exclusive_group()
    channels.add_argument("--channel", type=int, metavar="N", help="the channel to track in")
    several = "up to three channels, shown to the model as red, green and blue"
    channels.add_argument("--channels", type=channel_list, metavar="N,N", help=several)
    group.add_argument("--level", type=int, default=0, metavar="N", help="resolution of a pyramid, 0 for the finest")
    limits = (
        "pixel values shown black and white; by default the 0.1 and 99.9 percentiles of the stack. With --channels: "
        "once for all, or once for each"
    )
    group.add_argument(
        "--contrast-limits", type=float, nargs=2, action="append", default=[], metavar=("LOW", "HIGH"), help=limits
    )


def input_options(args: argparse.Namespace) -> InputOptions:
    """Gather the options that `add_input_arguments` added.

    Raises
    ------
    ValueError
        If there are several contrast limits for one channel.
    """
    channels = args.channels or (() if args.channel is None else (args.channel,))
    limits = tuple((float(low), float(high)) for low, high in args.contrast_limits)
    together = len(channels) > 1
    if len(limits) > 1 and not together:
        raise ValueError(f"--contrast-limits was given {len(limits)} times, but there is one channel to show")
    windows = limits if together else ()
    return InputOptions(args.axis, args.at, channels, windows, args.level, args.crop, args.every)


def channel_list(text: str) -> tuple[int, ...]:
    """Read ``0,2``."""
    return _whole_numbers(text)


def crop_box(text: str) -> tuple[int, int, int, int]:
    """Read ``y0,x0,y1,x1``."""
    numbers = _whole_numbers(text)
    if len(numbers) != 4:
        raise argparse.ArgumentTypeError(f"a crop is four whole numbers y0,x0,y1,x1, not {text!r}")
    return numbers[0], numbers[1], numbers[2], numbers[3]


def every_frame(text: str) -> Fraction:
    """Read ``3`` or ``1/2``."""
    if not re.fullmatch(r"[1-9][0-9]*|1/[1-9][0-9]*", text):
        raise argparse.ArgumentTypeError(f"a whole number (3) or one over one (1/2) is wanted, not {text!r}")
    return Fraction(text)


def _whole_numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"whole numbers with commas between them are wanted, not {text!r}") from error

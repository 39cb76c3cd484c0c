"""Which frames of an image are a stack: the tracked axis, the place on the others, channels and resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .frame_sources import FRAME_AXES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .frame_sources import Channel, Opened

AXES = ("t", "z")
_NAMES = {"t": "time", "z": "depth", "n": "frames", "c": "channels"}
_MOST_CHANNELS = 3


@dataclass(frozen=True)
class Selection:
    """What to take of an image that holds more than one stack.

    Attributes
    ----------
    at : int or None
        Index on the axis that is not tracked, where there are both time and depth.
    channels : tuple of int
        One channel, taken as it is, or two or three, shown as red, green and blue. Empty where there is only one.
    windows : tuple of tuple of float
        (low, high) for each of several channels, or one for all. Empty for what the file says, or percentiles.
    level : int
        Of an image that is stored in several resolutions, 0 for the finest.

    Raises
    ------
    ValueError
        If an index is negative, there are more than three channels, one comes twice, or the windows do not match them.
    """

    at: int | None = None
    channels: tuple[int, ...] = ()
    windows: tuple[tuple[float, float], ...] = ()
    level: int = 0

    def __post_init__(self) -> None:
        for name, number in (("at", self.at or 0), ("level", self.level), *(("a channel", c) for c in self.channels)):
            if number < 0:
                raise ValueError(f"{name} is an index from 0, not {number}")
        if len(self.channels) > _MOST_CHANNELS or len(set(self.channels)) != len(self.channels):
            raise ValueError(f"channels are up to {_MOST_CHANNELS} different ones, not {list(self.channels)}")
        if len(self.windows) > 1 and len(self.windows) != len(self.channels):
            raise ValueError(f"{len(self.windows)} contrast windows do not match {len(self.channels)} channels")


@dataclass(frozen=True)
class Place:
    """Where a stack lies in an image.

    Attributes
    ----------
    axis : {"t", "z"}
        What the frames are.
    tracked : int or None
        Which axis of the image they run along; None for a single image.
    fixed : tuple of int
        An index for every axis before Y and X.
    channel_axis : int or None
        The axis of the channels, where several are shown together.
    """

    axis: str
    tracked: int | None
    fixed: tuple[int, ...]
    channel_axis: int | None = None


def check_axis(axis: str) -> str:
    """Check the name of a frame axis.

    Raises
    ------
    ValueError
        If it is neither ``"t"`` nor ``"z"``.
    """
    if axis not in AXES:
        raise ValueError(f"the axis of a stack is 't' (time) or 'z' (depth), not {axis!r}")
    return axis


def check_level(level: int, sizes: Sequence[tuple[int, ...]], name: str) -> int:
    """Check a resolution level.

    Parameters
    ----------
    level : int
        The one asked for.
    sizes : sequence of tuple of int
        (Y, X) of every level there is.
    name : str
        The image, for the message.

    Returns
    -------
    int
        The same level.

    Raises
    ------
    ValueError
        If there is no such level; the message lists them.
    """
    if level >= len(sizes):
        found = ", ".join(f"{i} ({size[0]} x {size[1]})" for i, size in enumerate(sizes))
        raise ValueError(f"{name} has no level {level}: there are the levels {found}")
    return level


def locate(opened: Opened, axis: str | None, selection: Selection, name: str) -> Place:
    """Find the stack that is asked for.

    Parameters
    ----------
    opened : Opened
        The image.
    axis : {"t", "z"}, optional
        What the frames are. By default what the image says, and time where it says nothing.
    selection : Selection
        Place on the other axes.
    name : str
        The image, for messages.

    Returns
    -------
    Place
        Axes and indices.

    Raises
    ------
    ValueError
        If the image has several stacks and the choice is missing, or a choice does not exist.
    """
    axes, sizes = opened.axes, opened.planes.shape
    if axis is not None:
        check_axis(axis)
    frame_axes = [i for i, letter in enumerate(axes) if letter in FRAME_AXES and sizes[i] > 1]
    # An axis of one entry is no choice, but where nothing else is there it is still the stack.
    frame_axes = frame_axes or [i for i, letter in enumerate(axes) if letter in FRAME_AXES][:1]
    fixed = [0] * len(axes)
    tracked = _tracked(opened, frame_axes, axis, name)
    if len(frame_axes) > 1:
        (other,) = (i for i in frame_axes if i != tracked)
        fixed[other] = _at(selection.at, axes[other], size=sizes[other], name=name)
    elif selection.at not in (None, 0):
        raise ValueError(f"{name} has no second axis to take index {selection.at} of: {_described(opened)}")
    channel_axis = _channel_axis(opened, selection, name)
    if channel_axis is not None and len(selection.channels) == 1:
        fixed[channel_axis], channel_axis = selection.channels[0], None
    said = "" if tracked is None else axes[tracked]
    return Place(axis or (said if said in AXES else "t"), tracked, tuple(fixed), channel_axis)


def locate_volumes(opened: Opened, selection: Selection, name: str) -> tuple[int | None, ...]:
    """Find the channels of a time-lapse of volumes.

    Parameters
    ----------
    opened : Opened
        The image.
    selection : Selection
        Channels; `at` has no use, as both axes are tracked.
    name : str
        The image, for messages.

    Returns
    -------
    tuple of (int or None)
        The channels to read, None where there is nothing to choose.

    Raises
    ------
    ValueError
        If the image has not both time and depth, or the choice of channels is missing or does not exist.
    """
    if not {"t", "z"} <= {*opened.axes} or "n" in opened.axes:
        raise ValueError(f"{name} has {_described(opened)}: volumes over time take both time (T) and depth (Z)")
    if len(opened.planes.shape) - len(opened.axes) > 2 and len(selection.channels) > 1:
        raise ValueError(f"{name} has channels that are in colour themselves: choose one of them")
    return (None,) if _channel_axis(opened, selection, name) is None else selection.channels


def _tracked(opened: Opened, frame_axes: Sequence[int], axis: str | None, name: str) -> int | None:
    if len(frame_axes) < 2:
        return frame_axes[0] if frame_axes else None
    letters = [opened.axes[i] for i in frame_axes]
    if sorted(letters) != ["t", "z"]:
        raise ValueError(f"{name} has {_described(opened)}: at most time and depth can come before Y and X")
    if axis is None:
        sizes = {letter: opened.planes.shape[i] for letter, i in zip(letters, frame_axes, strict=True)}
        raise ValueError(
            f"{name} has both time ({sizes['t']}) and depth ({sizes['z']}): choose the one to track and the place on "
            "the other, such as axis 't' at 0 (--axis t --at 0)"
        )
    return frame_axes[letters.index(axis)]


def _at(at: int | None, letter: str, *, size: int, name: str) -> int:
    places = f"{name} has {size} entries in {_NAMES[letter]} ({letter}), 0 to {size - 1}"
    if at is None:
        raise ValueError(f"{places}: choose one with at (--at N)")
    if at >= size:
        raise ValueError(f"{places}: there is none at {at}")
    return at


def _channel_axis(opened: Opened, selection: Selection, name: str) -> int | None:
    """Find the axis of the channels, None where there is nothing to choose; check the choice."""
    place = opened.axes.find("c")
    count = 1 if place < 0 else opened.planes.shape[place]
    wrong = [channel for channel in selection.channels if channel >= count]
    if wrong or (count > 1 and not selection.channels):
        asked = (
            f"there is no channel {wrong[0]}"
            if wrong
            else "choose one, or up to three to show together (--channel 0, --channels 0,1)"
        )
        raise ValueError(f"{name} has {_channel_list(opened.channels, count)}: {asked}")
    return None if count == 1 else place


def _channel_list(channels: Sequence[Channel], count: int) -> str:
    names = ", ".join(f"{i} ({channel.name})" for i, channel in enumerate(channels[:count]) if channel.name)
    if count == 1:
        return "one channel"
    return f"{count} channels, {names or f'0 to {count - 1}'}"


def _described(opened: Opened) -> str:
    pairs = zip(opened.axes, opened.planes.shape, strict=False)
    return "the axes " + ", ".join([*(f"{letter.upper()} ({size})" for letter, size in pairs), "Y", "X"])

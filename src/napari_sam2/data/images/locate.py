"""Choice of the tracked axis, place and channels in an image, and messages that list what can be chosen."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING

from .axes import Axis, measured_axes
from .frame_index import whole_number
from .frame_sources import FRAME_AXES
from .geometry import Geometry
from .selection import AXES, Selection, check_axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .frame_sources import Opened

_NAMES = {"t": "time", "z": "depth", "n": "frames", "c": "channels"}


def locate(opened: Opened, axis: str | None, selection: Selection, name: str) -> Geometry:
    """Find all frames, uncropped, of the stack that is asked for; ``name`` is the image's, for messages.

    An image without an axis for them gets one of one place in front.
    """
    axes, sizes = opened.axes, opened.planes.shape
    if axis is not None:
        check_axis(axis)
    frame_axes = [i for i, letter in enumerate(axes) if letter in FRAME_AXES and sizes[i] > 1]
    # An axis of one entry is no choice, but where nothing else is there it is still the stack.
    frame_axes = frame_axes or [i for i, letter in enumerate(axes) if letter in FRAME_AXES][:1]
    # Never guess between time and depth, nor among channels: a wrong guess tracks the wrong thing without notice.
    tracked = _tracked(opened, frame_axes, axis, name)
    if len(frame_axes) > 1:
        (other,) = (i for i in frame_axes if i != tracked)
        _check_at(selection.at, axes[other], size=sizes[other], name=name)
    elif selection.at not in (None, 0):
        raise ValueError(f"{name} has no second axis to take index {selection.at} of: {_described(opened)}")
    selection = _numbered(opened, selection, name)
    # Frames without a name count as time, as most unlabelled stacks are time-lapses.
    tracked_name = "" if tracked is None else axes[tracked]
    axis = axis or (tracked_name if tracked_name in AXES else "t")
    return Geometry(_axes(opened, axis, tracked), replace(selection.whole, axis=axis), opened.affine)


def locate_volumes(opened: Opened, selection: Selection, name: str) -> Geometry:
    """Find a time-lapse of volumes; `Geometry.along` then returns each volume, or one plane over time."""
    if not {"t", "z"} <= {*opened.axes} or "n" in opened.axes:
        raise ValueError(f"{name} has {_described(opened)}: volumes over time take both time (T) and depth (Z)")
    selection = _numbered(opened, selection, name)
    axes = measured_axes(opened.axes + "yx", opened.planes.shape, opened.sizes)
    return Geometry(axes, replace(selection.whole, axis="z", at=0), opened.affine)


def _axes(opened: Opened, axis: str, tracked: int | None) -> tuple[Axis, ...]:
    """Measure the axes, the tracked one under the name that it has from now on."""
    # A user can declare that ImageJ's "time" is depth: the two axes then swap their names.
    names, shape = list(opened.axes), opened.planes.shape
    if tracked is None:
        names, shape = [axis, *names], (1, *shape)
    else:
        names = [names[tracked] if name == axis else name for name in names]
        names[tracked] = axis
    return measured_axes([*names, "y", "x"], shape, opened.sizes)


def _tracked(opened: Opened, frame_axes: Sequence[int], axis: str | None, name: str) -> int | None:
    # With one axis there is nothing to choose, even if the user names it differently.
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


def _check_at(at: int | tuple[int, ...] | None, letter: str, *, size: int, name: str) -> None:
    # The message lists the valid indices whether none or a wrong one was given.
    places = f"{name} has {size} entries in {_NAMES[letter]} ({letter}), 0 to {size - 1}"
    if at is None:
        raise ValueError(f"{places}: choose one with at (--at N)")
    if whole_number(at, "at") >= size:
        raise ValueError(f"{places}: there is none at {at}")


def _numbered(opened: Opened, selection: Selection, name: str) -> Selection:
    """Check the choice of channels, and put numbers in place of names."""
    place = opened.axes.find("c")
    count = 1 if place < 0 else opened.planes.shape[place]
    names = [channel.name or "" for channel in opened.channels[:count]]
    try:
        selection = replace(selection, channels=tuple(_number(one, names, count) for one in selection.channels))
        if count > 1 and not selection.channels:
            raise ValueError("choose one, or up to three to show together (--channel 0, --channels 0,1)")
    except ValueError as error:
        raise ValueError(f"{name} has {_channel_list(names, count)}: {error}") from error
    # Three channels become red, green and blue; channels with colours of their own have no place for that.
    if count > 1 and len(selection.channels) > 1 and len(opened.planes.shape) - len(opened.axes) > 2:
        raise ValueError(f"{name} has channels that are in colour themselves: choose one of them")
    return selection


def _number(channel: int | str, names: Sequence[str], count: int) -> int:
    """Find the number of a channel that is given by number or name; names may be numbers, too, as wavelengths are."""
    if isinstance(channel, int) and channel < count:
        return channel
    asked, folded = str(channel), [name.casefold() for name in names]
    # Spelt exactly so, if any is; else in small or large letters.
    found = [i for i, name in enumerate(names) if name == asked]
    found = found or [i for i, name in enumerate(folded) if name == asked.casefold()]
    if len(found) > 1:
        raise ValueError(f"{len(found)} channels are called {asked}: choose one by its number")
    if not found:
        near = difflib.get_close_matches(asked.casefold(), filter(None, folded), n=1)
        raise ValueError(
            f"there is no channel {asked}" + (f" (did you mean {names[folded.index(near[0])]}?)" if near else "")
        )
    return found[0]


def _channel_list(names: Sequence[str], count: int) -> str:
    known = ", ".join(f"{i} ({name})" for i, name in enumerate(names) if name)
    if count == 1:
        return f"one channel, {known}" if known else "one channel"
    return f"{count} channels, {known or f'0 to {count - 1}'}"


def _described(opened: Opened) -> str:
    pairs = zip(opened.axes, opened.planes.shape, strict=False)
    return "the axes " + ", ".join([*(f"{letter.upper()} ({size})" for letter, size in pairs), "Y", "X"])

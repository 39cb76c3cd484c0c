"""Which part of an image to take: tracked axis, place on the others, channels, resolution, crop and stride."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from .frame_index import whole_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AXES = ("t", "z")
Box = tuple[int, int, int, int]
_MOST_CHANNELS = 3
# What is larger in a file is damaged, or made to do harm.
_LARGEST = 2**31


@dataclass(frozen=True)
class Selection:
    """What to take of an image.

    Attributes
    ----------
    at : int, tuple of int or None
        Index on the axis that is not tracked, where there are both time and depth. A tuple has one for each axis
        before Y and X that is neither tracked nor of channels.
    channels : tuple of int or str
        One channel, taken as it is, or two or three, shown as red, green and blue; by number or by the name that the
        file gives it. Empty where there is only one.
    windows : tuple of tuple of float
        (low, high) for each of several channels, or one for all. Empty for what the file says, or percentiles.
    level : int
        Of an image that is stored in several resolutions, 0 for the finest.
    crop : tuple of int or None
        (y0, x0, y1, x1) to take of each frame, the ends excluded; None for whole frames.
    every : Fraction or int
        3 takes every third frame, from the first on; 1/2 takes each frame twice.
    axis : str or None
        What the frames run along: ``"t"`` or ``"z"``; None for what the file says.
    series : str or None
        Which of several images in a file or folder: a DICOM series, a scene of a CZI, ND2 or LIF file. By its name or,
        from 0, its place among them.

    Raises
    ------
    ValueError
        If an index is negative, there are more than three channels, one comes twice, the windows do not match them,
        or `every` is neither a whole number nor one over one.
    """

    at: int | tuple[int, ...] | None = None
    channels: tuple[int | str, ...] = ()
    windows: tuple[tuple[float, float], ...] = ()
    level: int = 0
    crop: Box | None = None
    every: Fraction = Fraction(1)
    axis: str | None = None
    series: str | None = None

    def __post_init__(self) -> None:
        # What can be checked without the image; the rest waits for `locate`, which knows its axes.
        places = self.at if isinstance(self.at, tuple) else (self.at or 0,)
        named = [
            *(("at", place) for place in places),
            ("level", self.level),
            *(("a channel", c) for c in self.channel_numbers),
        ]
        for name, number in named:
            if number < 0:
                raise ValueError(f"{name} is an index from 0, not {number}")
        if len(self.channels) > _MOST_CHANNELS or len(set(self.channels)) != len(self.channels):
            raise ValueError(f"channels are up to {_MOST_CHANNELS} different ones, not {list(self.channels)}")
        # One window stands for all channels.
        if len(self.windows) > 1 and len(self.windows) != len(self.channels):
            raise ValueError(f"{len(self.windows)} contrast windows do not match {len(self.channels)} channels")
        # Stored as a fraction whatever was given, so that selections compare equal.
        every = Fraction(self.every)
        if every <= 0 or 1 not in (every.numerator, every.denominator):
            raise ValueError(f"every is a whole number (3: each third frame) or one over one (1/2: twice), not {every}")
        object.__setattr__(self, "every", every)

    @property
    def channel_numbers(self) -> tuple[int, ...]:
        """Numbers of the channels; those that are named have one once the image is open."""
        return tuple(channel for channel in self.channels if isinstance(channel, int))

    @property
    def whole(self) -> Selection:
        """The same frames, all of them and uncropped."""
        return replace(self, crop=None, every=Fraction(1))

    def to_json(self) -> dict[str, Any]:
        """Return the selection as an object that JSON can hold."""
        return {
            "axis": self.axis,
            "at": list(self.at) if isinstance(self.at, tuple) else self.at,
            "channels": list(self.channels),
            "windows": [list(window) for window in self.windows],
            "level": self.level,
            "crop": None if self.crop is None else list(self.crop),
            # JSON has no fractions: "1/2".
            "every": str(self.every),
            **({} if self.series is None else {"series": self.series}),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Selection:
        """Read what `to_json` returned; missing keys take their defaults.

        Parameters
        ----------
        values : mapping
            The JSON object.

        Returns
        -------
        Selection
            The part it describes.

        Raises
        ------
        ValueError
            If it is damaged.
        """
        at, crop, axis, series = (values.get(key) for key in ("at", "crop", "axis", "series"))
        try:
            return cls(
                tuple(map(_index, at)) if isinstance(at, list | tuple) else None if at is None else _index(at),
                tuple(one if isinstance(one, str) else _index(one) for one in values.get("channels", ())),
                tuple((_number(low), _number(high)) for low, high in values.get("windows", ())),
                _index(values.get("level", 0)),
                None if crop is None else _box(crop),
                # Not Fraction(text), which takes "1e9999999" and then computes for minutes.
                Fraction(*map(int, str(values.get("every", 1)).split("/"))),
                None if axis is None else str(axis),
                None if series is None else str(series),
            )
        except (TypeError, ZeroDivisionError, OverflowError) as error:
            raise ValueError(f"a part of an image is damaged: {error}") from error


def _index(value: object) -> int:
    number = whole_number(value, "an index")
    if not 0 <= number < _LARGEST:
        raise ValueError(f"{number} is no index")
    return number


def _number(value: Any) -> float:
    # bool is a number to Python, and text would fail with a less helpful error.
    if isinstance(value, bool | str) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _box(edges: Sequence[object]) -> Box:
    y0, x0, y1, x1 = map(_index, edges)
    return y0, x0, y1, x1


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


class NoSuchSeriesError(ValueError):
    """Several images are in a file, and which is meant is not said, or is none of them."""


def chosen_series(names: Sequence[str], series: str | None, what: str, about: Sequence[str] = ()) -> int:
    """Choose among several images by name or place.

    Parameters
    ----------
    names : sequence of str
        What they are called, in order.
    series : str or None
        The one asked for; None where there is only one.
    what : str
        The file or folder, for the message.
    about : sequence of str, optional
        More about each, for the message.

    Returns
    -------
    int
        Its place.

    Raises
    ------
    NoSuchSeriesError
        If there is none of that name, or several and none is asked for; the message lists them.
    """
    if series is None and len(names) == 1:
        return 0
    if series in names:
        return names.index(series)
    if series is not None and series.isdecimal() and int(series) < len(names):
        return int(series)
    notes = about or [""] * len(names)
    found = ", ".join(f"{i} ({name}{note})" for i, (name, note) in enumerate(zip(names, notes, strict=True)))
    problem = "choose one" if series is None else f"there is no {series!r} among them"
    raise NoSuchSeriesError(f"{what} holds {len(names)} series: {found}: {problem} (--series)")


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

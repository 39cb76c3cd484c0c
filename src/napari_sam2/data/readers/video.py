"""Reader of videos, with exact random access to frames."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam2.data.files.optional_packages import load_extra
from napari_sam2.data.images.calibration import Size
from napari_sam2.data.images.frame_sources import WHOLE, Area, Opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_SUFFIXES = {
    *(".mp4", ".m4v", ".mov", ".3gp", ".avi", ".mkv", ".webm", ".ogv", ".flv", ".wmv", ".asf", ".mxf", ".dv"),
    *(".mpg", ".mpeg", ".m2v", ".vob", ".ts", ".mts", ".m2ts"),
}
# Frames on the way to the one that is wanted; enough to go backwards through a second or two without decoding again.
_KEPT_BYTES = 128 * 2**20
# Later than any frame.
_NEVER = 2**63


class _Index(NamedTuple):
    """Where the frames of a video are."""

    # When each frame is shown, rising, in units of the stream. Where the file's times are of no use (AVI), the frames
    # are counted: 0, 1, 2, ...
    times: list[int]
    # For every frame that decoding can start at, rising: when it is shown, and when it is decoded.
    keys: list[tuple[int, int]]

    @property
    def is_counted(self) -> bool:
        return not self.keys


class VideoFrames:
    """Frames of the first video stream of a file."""

    def __init__(self, path: Path) -> None:
        self._av = load_extra("av", "reading videos")
        self._path = path
        self._lock = threading.Lock()
        # Where decoding stands: how many pictures came since the last restart, and when the next one is shown.
        self._counted = 0
        self._next_time = 0
        try:
            self._container = self._av.open(str(path))
            self._stream = _video_stream(self._container, path)
            self._index = self._build_index()
            self._restart(0)
            # Shape and type are those of a decoded picture: the header leaves out its rotation.
            first = self._picture(next(self._decoding))
        except (self._av.FFmpegError, StopIteration) as error:
            raise ValueError(f"{path} cannot be read as a video: {error or 'no frame in it can be decoded'}") from error
        self.shape: tuple[int, ...] = (len(self._index.times), *first.shape)
        self.dtype: np.dtype[Any] = first.dtype
        self._kept: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._room = max(1, _KEPT_BYTES // first.nbytes)
        self._restart(0)

    @property
    def sizes(self) -> dict[str, Size]:
        """The usual time between two frames."""
        # The median ignores a pause or dropped frames; the rate in the header is often only nominal.
        rate = self._stream.average_rate or self._stream.guessed_rate
        if not self._index.is_counted and len(self._index.times) > 1:
            return {"t": Size(float(np.median(np.diff(self._index.times)) * self._stream.time_base), "s")}
        return {"t": Size(float(1 / rate), "s")} if rate else {}

    def read(self, index: tuple[int, ...], area: Area = WHOLE) -> NDArray[Any]:
        """Fetch one frame, from where decoding stands or from the last place before it where decoding can start."""
        with self._lock:
            frame = index[0]
            if frame not in self._kept:
                self._decode_to(frame)
            self._kept.move_to_end(frame)
            return self._kept[frame][area]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._container.close()

    def _build_index(self) -> _Index:
        # Listing packets reads the file without decoding it: seconds for an hour of video.
        packets = [packet for packet in self._container.demux(self._stream) if packet.size and not packet.is_discard]
        # Presentation times identify frames exactly, wherever decoding starts; counting from a seek does not.
        times = [packet.pts for packet in packets]
        # AVI stores no times: what is made up for them is wrong where frames are shown in another order than stored.
        made_up = "avi" in self._container.format.name and not all(packet.is_keyframe for packet in packets)
        if None in times or len(set(times)) < len(times) or made_up:
            self._container.seek(0)
            return _Index([i for i, _ in enumerate(self._container.decode(self._stream))], [])
        keys = [(p.pts, p.pts if p.dts is None else min(p.dts, p.pts)) for p in packets if p.is_keyframe]
        return _Index(sorted(times), sorted(keys))

    def _decode_to(self, frame: int) -> None:
        """Decode until a frame is among those in memory."""
        try:
            # Each try starts further back, until the frame turns up.
            for start in self._starts(self._index.times[frame]):
                if start is not None:
                    self._restart(start)
                if self._decode_on(self._index.times[frame]):
                    return
        except (self._av.FFmpegError, EOFError) as error:
            self._restart(0)
            raise ValueError(f"frame {frame} of {self._path} cannot be read: {error}") from error
        raise ValueError(f"frame {frame} of {self._path} cannot be read: the file is damaged there")

    def _starts(self, time: int) -> list[int | None]:
        """List the places to start decoding from, best first: None goes on from where decoding stands."""
        key = max(0, bisect_right(self._index.keys, (time, np.inf)) - 1)
        behind = self._index.times[0] if self._index.is_counted else self._index.keys[key][0]
        # Going on is quicker than starting at a key frame that lies behind. A stream may need more than one key frame
        # before its pictures are whole, so earlier ones and the beginning come next.
        going = [None] if behind <= self._next_time <= time else []
        return [*going, *dict.fromkeys((key, max(0, key - 1), max(0, key - 2), 0))]

    def _decode_on(self, time: int) -> bool:
        """Decode on to the frame shown at a time; False if it does not come."""
        # All pictures on the way are stored: neighbours are usually asked for next.
        for picture in self._decoding:
            shown = self._counted if self._index.is_counted else picture.pts
            self._counted += 1
            self._next_time = time + 1 if shown is None else shown + 1
            if shown is None or shown > time:
                return False
            # Pictures outside of the index (edit lists) are passed over.
            place = bisect_right(self._index.times, shown) - 1
            if place >= 0 and self._index.times[place] == shown:
                self._keep(place, self._picture(picture))
            if shown == time:
                return True
        self._next_time = _NEVER
        return False

    def _keep(self, place: int, picture: NDArray[Any]) -> None:
        self._kept[place] = picture
        self._kept.move_to_end(place)
        while len(self._kept) > self._room:
            self._kept.popitem(last=False)

    def _restart(self, key: int) -> None:
        """Start decoding at a key frame; before the first one, at the beginning."""
        if key <= 0:
            # Not all containers can seek to before their first time.
            self._container.close()
            self._container = self._av.open(str(self._path))
            self._stream = _video_stream(self._container, self._path)
            self._next_time = self._index.times[0] if self._index.times else 0
        else:
            self._container.seek(self._index.keys[key][1], stream=self._stream)
            self._next_time = self._index.keys[key][0]
        self._counted = 0
        self._decoding: Iterator[Any] = self._container.decode(self._stream)

    @staticmethod
    def _picture(frame: Any) -> NDArray[Any]:
        """Make an array of a decoded frame, turned the way it is to be shown."""
        # Grey videos keep their one channel, and 16 bits where they have them.
        name = frame.format.name
        wanted = "gray16le" if name.startswith("gray16") else "gray" if name.startswith("gray") else "rgb24"
        picture: NDArray[Any] = frame.to_ndarray(format=wanted)
        return np.ascontiguousarray(np.rot90(picture, round(getattr(frame, "rotation", 0) / 90)))


def is_video(path: Path) -> bool:
    """Tell by its suffix whether a file is a video."""
    return path.suffix.lower() in _SUFFIXES


def open_video(path: Path) -> Opened:
    """Open a video as (T, Y, X, 3) uint8, or (T, Y, X) for grey formats; packets are listed once, without decoding."""
    frames = VideoFrames(path)
    return Opened(frames, "t", frames.sizes)


def _video_stream(container: Any, path: Path) -> Any:
    if not container.streams.video:
        raise ValueError(f"{path} holds no video, or its end is missing: copy or export it again")
    stream = container.streams.video[0]
    # Several frames are decoded at a time.
    stream.thread_type = "AUTO"
    return stream

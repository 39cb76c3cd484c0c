"""Values of a session as JSON and back, every one of them checked on the way back."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.data.images.frame_index import check_frame
from napari_sam2.data.labels.label_storage import PackedFrame
from napari_sam2.data.labels.scores import ScoreRow
from napari_sam2.data.prompts.prompt import Prompt, check_box, check_mask, check_object_id, check_points
from napari_sam2.session.tracking.schedule import Visit
from napari_sam2.session.zoom.crop import Place, View

# What reading a value of another shape than expected ends in.
MALFORMED = (ValueError, TypeError, LookupError, AttributeError, OverflowError)

_LABEL_TYPES = ("uint8", "uint16", "uint32")
_Size = tuple[int, int]


def whole_number(value: object, low: int, high: int) -> int:
    """Check a whole number from low to high, both included."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{value!r} is no whole number from {low} to {high}")
    return value


def real_number(value: object, *, finite: bool = True) -> float:
    """Check a number."""
    if not isinstance(value, int | float) or isinstance(value, bool) or (finite and not math.isfinite(value)):
        raise ValueError(f"{value!r} is no {'finite ' if finite else ''}number")
    return float(value)


def frame_numbers(pairs: object, n_frames: int) -> dict[int, int]:
    """Read pairs of a frame and a number, as a table."""
    if not isinstance(pairs, list):
        raise ValueError(f"{pairs!r} is no list")
    return {whole_number(frame, 0, n_frames - 1): whole_number(number, -1, 2**53) for frame, number in pairs}


def encode_prompt(prompt: Prompt) -> dict[str, Any]:
    """Give a prompt as JSON."""
    said: dict[str, Any] = {"frame": prompt.frame, "object": prompt.object_id}
    if prompt.points is not None and prompt.labels is not None:
        # float32 numbers are float64 numbers, whose decimals JSON keeps to the last bit.
        said |= {"points": prompt.points.tolist(), "labels": prompt.labels.tolist()}
    if prompt.box is not None:
        said["box"] = list(prompt.box)
    if prompt.mask is not None:
        said["mask"] = _deflate(np.packbits(prompt.mask).tobytes())
    return said


def decode_prompt(said: dict[str, Any], shape: tuple[int, int, int]) -> Prompt:
    """Read a prompt about a stack of that (T, Y, X)."""
    n_frames, *size = shape
    frame_size = (size[0], size[1])
    frame, object_id = check_frame(said["frame"], n_frames), check_object_id(said["object"])
    points, labels, box, mask = (said.get(key) for key in ("points", "labels", "box", "mask"))
    if points is not None:
        points, labels = check_points(points, labels if labels is not None else [], frame_size)
    if box is not None:
        box = check_box(box, frame_size)
    if mask is not None:
        count = size[0] * size[1]
        bits = np.frombuffer(_inflate(mask, (count + 7) // 8), np.uint8)
        mask = check_mask(np.unpackbits(bits, count=count).reshape(frame_size).astype(bool))
    return Prompt(frame, object_id, points=points, labels=labels, box=box, mask=mask)


def encode_image(image: NDArray[Any]) -> dict[str, Any]:
    """Give a (Y, X) label image as JSON: its bounding box, and the pixels in it compressed."""
    packed = PackedFrame.pack(image)
    box = [end for part in packed.box for end in (part.start, part.stop)]
    return {"box": box, "dtype": str(packed.dtype), "data": base64.b64encode(packed.data).decode()}


def decode_image(said: dict[str, Any], size: _Size) -> NDArray[Any]:
    """Read a label image of that (Y, X)."""
    if said["dtype"] not in _LABEL_TYPES:
        raise ValueError(f"labels of type {said['dtype']!r} are none of {', '.join(_LABEL_TYPES)}")
    y0, y1, x0, x1 = (whole_number(end, 0, max(size)) for end in said["box"])
    if not (y0 <= y1 <= size[0] and x0 <= x1 <= size[1]):
        raise ValueError(f"the box {said['box']} is not inside the frame of {size[0]} x {size[1]} pixels")
    dtype = np.dtype(said["dtype"])
    data = _inflate(said["data"], (y1 - y0) * (x1 - x0) * dtype.itemsize)
    image = np.zeros(size, dtype)
    image[y0:y1, x0:x1] = np.frombuffer(data, dtype).reshape(y1 - y0, x1 - x0)
    return image


def encode_row(row: ScoreRow) -> list[float | int | None]:
    """Give a row of scores as JSON, without its frame."""
    return list(row.values()[1:])


def decode_row(frame: int, said: Sequence[Any], size: _Size) -> ScoreRow:
    """Read a row of scores on a frame of that (Y, X)."""
    object_id, score, iou, area, *measures = said
    centroid: tuple[float, float] | None = None
    bbox: tuple[int, int, int, int] | None = None
    y, x, *box = measures
    if len(box) != 4:
        raise ValueError(f"{said!r} is no row of scores")
    if y is not None:
        centroid = real_number(y), real_number(x)
        y0, x0, y1, x1 = (whole_number(end, 0, max(size)) for end in box)
        bbox = y0, x0, y1, x1
    area = whole_number(area, 0, size[0] * size[1])
    scores = real_number(score, finite=False), real_number(iou, finite=False)
    return ScoreRow(frame, check_object_id(object_id), *scores, area, centroid, bbox)


def encode_visits(visits: Iterable[Visit]) -> list[list[Any]]:
    """Give the visits of a run as JSON: [first, last, step, objects] for frames one after the other."""
    spans: list[list[Any]] = []
    for visit in visits:
        ids = list(visit.object_ids)
        if spans and spans[-1][1] + visit.step == visit.frame and spans[-1][2:] == [visit.step, ids]:
            spans[-1][1] = visit.frame
        else:
            spans.append([visit.frame, visit.frame, visit.step, ids])
    return spans


def decode_visits(spans: Sequence[Any], n_frames: int) -> tuple[Visit, ...]:
    """Read the visits of a run over a stack of so many frames."""
    visits: list[Visit] = []
    for first, last, step, ids in spans:
        if step not in (1, -1) or len(visits) > 2 * n_frames:
            raise ValueError(f"the run goes over {len(visits)} frames in steps of {step!r}")
        start, end = whole_number(first, 0, n_frames - 1), whole_number(last, 0, n_frames - 1)
        objects = tuple(check_object_id(object_id) for object_id in ids)
        visits += [Visit(frame, step, objects) for frame in range(start, end + step, step)]
    for one, other in pairwise(visits):
        if one.step == other.step and (other.frame - one.frame) * one.step <= 0:
            raise ValueError("the run goes over a frame twice in one direction")
    return tuple(visits)


def decode_view(said: object, size: _Size) -> View | None:
    """Read a part of a frame of that (Y, X), or nothing."""
    if said is None:
        return None
    if not isinstance(said, list) or len(said) != 4:
        raise ValueError(f"{said!r} is no part of a frame")
    view = View(*(whole_number(number, 0, max(size)) for number in said))
    if not (view.height and view.width and view.top + view.height <= size[0] and view.left + view.width <= size[1]):
        raise ValueError(f"{said!r} is not inside the frame of {size[0]} x {size[1]} pixels")
    return view


def decode_place(said: object) -> Place | None:
    """Read where an object is, or nothing."""
    if said is None:
        return None
    if not isinstance(said, list) or len(said) != 3:
        raise ValueError(f"{said!r} is no place")
    return Place(*(real_number(number) for number in said))


def _deflate(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 1)).decode()


def _inflate(text: object, nbytes: int) -> bytes:
    """Uncompress what must be so many bytes; not one byte more is ever made."""
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no compressed data")
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(base64.b64decode(text, validate=True), nbytes + 1)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"compressed data cannot be read: {error}") from error
    if len(data) != nbytes or not stream.eof:
        raise ValueError(f"compressed data must hold {nbytes} bytes, and holds {'more' if len(data) else 'fewer'}")
    return data

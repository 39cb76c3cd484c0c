"""Conversion of prompts, labels, scores, runs and crops to records of the schema and back, with checks on reading."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, replace
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from napari_sam2.data.images.frame_index import check_frame
from napari_sam2.data.labels.label_storage import PackedFrame
from napari_sam2.data.labels.lineage import LifeSpan
from napari_sam2.data.labels.provenance import Maker, Provenance, Replaced
from napari_sam2.data.labels.scores import ScoreRow
from napari_sam2.data.prompts.drawing import SHAPE_KINDS, Drawing, DrawnPoint, DrawnShape
from napari_sam2.data.prompts.prompt import Prompt, check_box, check_mask, check_points
from napari_sam2.session.tracking.memory.observation import Motion, Observation
from napari_sam2.session.tracking.schedule import Visit
from napari_sam2.session.zoom.crop import Crop
from napari_sam2.storage.folder.fields import Box, SpanOfLife
from napari_sam2.storage.folder.frame_schema import FrameRecord, ImageRecord, Row
from napari_sam2.storage.folder.schema import DrawingRecord, ObservationRecord, PromptRecord, VisitSpan

# Errors by which reading reports a value that does not fit; they are caught and the entry is left out.
MALFORMED = (ValueError, TypeError, LookupError, OverflowError)

_Size = tuple[int, int]


def prompt_record(prompt: Prompt) -> PromptRecord:
    """Make the record of a prompt; a mask has a bit per pixel, zlib-compressed."""
    points = labels = mask = None
    if prompt.points is not None and prompt.labels is not None:
        # float32 numbers are float64 numbers, whose decimals JSON keeps to the last bit.
        points, labels = prompt.points.tolist(), prompt.labels.tolist()
    if prompt.mask is not None:
        mask = zlib.compress(np.packbits(prompt.mask).tobytes(), 1)
    drawing = None if prompt.drawing is None else drawing_record(prompt.drawing)
    values = {"points": points, "labels": labels, "box": prompt.box, "mask": mask, "drawing": drawing}
    values["found"] = True if prompt.is_found else None
    given = {key: value for key, value in values.items() if value is not None}
    return PromptRecord.model_validate({"frame": prompt.frame, "object": prompt.object_id, **given})


def read_prompt(record: PromptRecord, shape: tuple[int, int, int]) -> Prompt:
    """Make a prompt of its record; it must fit a stack of ``shape`` (T, Y, X)."""
    n_frames, *size = shape
    frame_size = (size[0], size[1])
    points = labels = box = mask = None
    if record.points is not None:
        points, labels = check_points(record.points, record.labels or (), frame_size)
    if record.box is not None:
        box = check_box(record.box, frame_size)
    if record.mask is not None:
        # The mask's size is that of the frame, so it is known before anything is unpacked.
        count = size[0] * size[1]
        bits = np.frombuffer(inflate(record.mask, (count + 7) // 8), np.uint8)
        mask = check_mask(np.unpackbits(bits, count=count).reshape(frame_size).astype(bool))
    drawing = None if record.drawing is None else read_drawing(record.drawing, frame_size)
    frame = check_frame(record.frame, n_frames)
    return Prompt(frame, record.object, points, labels, box, mask, drawing, is_found=record.found)


def drawing_record(drawing: Drawing) -> DrawingRecord:
    """Make the record of a drawing."""
    return DrawingRecord.model_validate(
        {"points": drawing.points, "shapes": drawing.shapes, "painted": drawing.painted}
    )


def read_drawing(record: DrawingRecord, size: _Size) -> Drawing:
    """Make a drawing of its record; it must fit frames of ``size`` (Y, X)."""
    for kind, corners in record.shapes:
        if kind not in SHAPE_KINDS or len(corners) < 2 or (kind in ("rectangle", "ellipse") and len(corners) != 4):
            raise ValueError(f"a shape of kind {kind!r} has {len(corners)} corners")
    if record.painted is not None:
        inflate(record.painted, (size[0] * size[1] + 7) // 8)
    points = tuple(DrawnPoint(*point) for point in record.points)
    return Drawing(points, tuple(DrawnShape(*shape) for shape in record.shapes), record.painted)


def image_record(packed: PackedFrame) -> ImageRecord:
    """Make the record of a compressed label image."""
    return ImageRecord(runs=packed.count, dtype=str(packed.dtype), data=packed.data)  # type: ignore[arg-type]


def read_image(record: ImageRecord, size: _Size) -> NDArray[np.unsignedinteger]:
    """Unpack a label image; it must fit frames of ``size`` (Y, X)."""
    if record.box is not None:
        return _image_of_pixels(record, record.box, size)
    # The number of runs gives the size unpacked; more than any frame could need is refused first.
    if record.runs > math.prod(size):
        raise ValueError(f"{record.runs} runs of labels are too many for a frame of {size[0]} x {size[1]} pixels")
    packed = PackedFrame(record.data, record.runs, size, np.dtype(record.dtype))
    inflate(record.data, packed.nbytes_unpacked)
    runs = packed.unpack()
    # Runs are drawn by position: ones out of order, overlapping or across rows would draw something that was never
    # saved.
    ends = runs.starts + runs.lengths
    in_order = (runs.lengths > 0).all() and (runs.starts[1:] >= ends[:-1]).all()
    if not in_order or (runs.starts % size[1] + runs.lengths > size[1]).any() or (ends > math.prod(size)).any():
        raise ValueError(f"the runs of labels are not inside the rows of a frame of {size[0]} x {size[1]} pixels")
    return runs.image()


def _image_of_pixels(record: ImageRecord, box: Box, size: _Size) -> NDArray[np.unsignedinteger]:
    """Unpack a label image of the first format, the pixels of a box of rows and columns."""
    y0, y1, x0, x1 = box
    if not (y0 <= y1 <= size[0] and x0 <= x1 <= size[1]):
        raise ValueError(f"the box {box} is not inside the frame of {size[0]} x {size[1]} pixels")
    dtype = np.dtype(record.dtype)
    data = inflate(record.data, (y1 - y0) * (x1 - x0) * dtype.itemsize)
    image = np.zeros(size, dtype)
    image[y0:y1, x0:x1] = np.frombuffer(data, dtype).reshape(y1 - y0, x1 - x0)
    return image


def row_fields(rows: Sequence[ScoreRow]) -> dict[str, object]:
    """Make the fields of a `FrameRecord` that hold rows of the score table."""
    named = (origin.maker for row in rows for origin in (row.made, row.replaced) if origin is not None)
    makers = list(dict.fromkeys(maker for maker in named if maker is not None))
    made = [row.made and (row.made.source, row.made.corrected, _place(row.made.maker, makers)) for row in rows]
    extra: dict[str, object] = {
        "accepted": tuple(row.object_id for row in rows if row.accepted),
        "sharpness": tuple(row.sharpness for row in rows) if any(row.sharpness is not None for row in rows) else (),
        "made": tuple(made) if any(made) else (),
        "models": tuple(astuple(maker) for maker in makers),
        "replaced": {
            row.object_id: (row.replaced.sharpness, row.replaced.overlap, _place(row.replaced.maker, makers))
            for row in rows
            if row.replaced is not None
        },
    }
    # Left out where there is nothing to say, so that such folders are as they always were.
    return {"rows": tuple(row.values()[1:] for row in rows)} | {name: value for name, value in extra.items() if value}


def _place(maker: Maker | None, makers: Sequence[Maker]) -> int | None:
    return None if maker is None else makers.index(maker)


def _known(place: int | None, makers: Sequence[Maker]) -> Maker | None:
    # Who made a mask is not worth losing the frame for.
    return makers[place] if place is not None and place < len(makers) else None


def read_rows(frame: int, record: FrameRecord) -> tuple[ScoreRow, ...]:
    """Make a frame's rows of the score table of its record."""
    makers, rows = [Maker(*model) for model in record.models], []
    for row, sharpness, made in zip_longest(record.rows, record.sharpness, record.made):
        if row is None:
            break
        was = record.replaced.get(row[0])
        rows.append(
            replace(
                read_row(frame, row),
                accepted=row[0] in record.accepted,
                sharpness=sharpness,
                made=Provenance(made[0], _known(made[2], makers), corrected=made[1]) if made else None,
                replaced=Replaced(was[0], was[1], _known(was[2], makers)) if was else None,
            )
        )
    return tuple(rows)


def read_row(frame: int, row: Row) -> ScoreRow:
    """Make a row of the score table of its record."""
    object_id, score, iou, area, y, x, y0, x0, y1, x1 = row
    # An object without pixels has neither.
    centroid = None if y is None or x is None else (y, x)
    bbox = None if y0 is None or x0 is None or y1 is None or x1 is None else (y0, x0, y1, x1)
    return ScoreRow(frame, object_id, score, iou, area, centroid, bbox)


def read_span(span: SpanOfLife, n_frames: int) -> LifeSpan:
    """Make when an object begins and ends of its record."""
    made = LifeSpan(*span)
    first, last = (None if frame is None else check_frame(frame, n_frames) for frame in (made.begin, made.end))
    if None not in (first, last) and made.end not in made:
        raise ValueError(f"it begins on frame {first} and ends on frame {last}")
    return made


def visit_spans(visits: Iterable[Visit]) -> tuple[VisitSpan, ...]:
    """Shorten the visits of a run: frames in a row with the same objects and direction become one span."""
    spans: list[VisitSpan] = []
    for visit in visits:
        # The first visit never continues the span that stands in for none.
        first, last, step, ids = spans[-1] if spans else (0, -2, 1, ())
        if (last + visit.step, step, ids) == (visit.frame, visit.step, visit.object_ids):
            spans[-1] = (first, visit.frame, step, ids)
        else:
            spans.append((visit.frame, visit.frame, 1 if visit.step > 0 else -1, visit.object_ids))
    return tuple(spans)


def read_visits(spans: Sequence[VisitSpan], n_frames: int) -> tuple[Visit, ...]:
    """Make the visits of a run of spans; they must fit a stack of ``n_frames``."""
    visits: list[Visit] = []
    for first, last, step, ids in spans:
        check_frame(first, n_frames)
        check_frame(last, n_frames)
        # A few short spans can stand for billions of frames; a run goes over each at most twice a direction, where some
        # objects are tracked from both sides and others from one.
        if len(visits) > 4 * n_frames:
            raise ValueError(f"the run goes over {len(visits)} frames")
        visits += [Visit(frame, step, ids) for frame in range(first, last + step, step)]
    seen = Counter((visit.frame, visit.step, object_id) for visit in visits for object_id in visit.object_ids)
    if max(seen.values(), default=0) > 1:
        raise ValueError("the run goes over a frame twice in one direction")
    return tuple(visits)


def read_view(box: Box | None, size: _Size) -> Crop | None:
    """Make a crop of (top, left, height, width); it must lie inside frames of ``size`` (Y, X)."""
    if box is None:
        return None
    view = Crop(*box)
    if not (view.height and view.width and view.top + view.height <= size[0] and view.left + view.width <= size[1]):
        raise ValueError(f"{box} is not inside the frame of {size[0]} x {size[1]} pixels")
    return view


def observation_record(observation: Observation) -> ObservationRecord:
    """Make the record of what a memory policy keeps of a frame."""
    return ObservationRecord.model_validate(asdict(replace(observation, rivals=None)))


def read_observation(record: ObservationRecord | None) -> Observation | None:
    """Make an observation of its record, if there is one."""
    if record is None:
        return None
    motion = None if record.motion is None else Motion(**record.motion.model_dump())
    return Observation(**record.model_dump() | {"motion": motion})


def inflate(data: bytes, nbytes: int) -> bytes:
    """Uncompress exactly ``nbytes``; a small file that would unpack to gigabytes is refused without unpacking it."""
    stream = zlib.decompressobj()
    try:
        made = stream.decompress(data, nbytes + 1)
    except zlib.error as error:
        raise ValueError(f"compressed data cannot be read: {error}") from error
    # One byte more was allowed above, so that too many are noticed; ``eof`` tells that none is missing at the end.
    if len(made) != nbytes or not stream.eof:
        raise ValueError(f"compressed data must hold {nbytes} bytes, and holds {'more' if len(made) else 'fewer'}")
    return made

"""What a session folder holds, as types: the header in ``session.json``, and the events that are lines of a journal."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from napari_sam2.data.images.geometry import Geometry

FORMAT: Literal["napari-sam2 session"] = "napari-sam2 session"
# 2: memories may be older than results, which `Event.remembered` tells; frames in a row are written as one; labels are
# runs.
VERSION = 2

MOST_FRAMES, LONGEST_SIDE = 10**7, 2**24

# By which values that other entries refer to are known.
Number = Annotated[int, Field(ge=0, le=2**53)]
Frame = Annotated[int, Field(ge=0, lt=MOST_FRAMES)]
Pixel = Annotated[int, Field(ge=0, le=LONGEST_SIDE)]
Index = Annotated[int, Field(ge=0, le=2**31)]
ObjectId = Annotated[int, Field(ge=1, le=2**32 - 1)]
Direction = Literal[1, -1]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=4096)]
PathText = Annotated[str, Field(min_length=1, max_length=4095, pattern=r"^[^\x00]*$")]
# In a file as base64 text.
Packed = Annotated[
    bytes,
    BeforeValidator(lambda value: b64decode(value, validate=True) if isinstance(value, str) else value),
    PlainSerializer(lambda value: b64encode(value).decode(), return_type=str, when_used="json"),
]
Box = tuple[Pixel, Pixel, Pixel, Pixel]
Shape = tuple[
    Annotated[int, Field(ge=1, le=MOST_FRAMES)],
    Annotated[int, Field(ge=1, le=LONGEST_SIDE)],
    Annotated[int, Field(ge=1, le=LONGEST_SIDE)],
]


class Record(BaseModel):
    """Read-only; what this version does not know is left out."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants", protected_namespaces=())


T = TypeVar("T", bound=Record)


def read_record(kind: type[T], values: object, what: str) -> T:
    """Check values from a file; ``ValueError`` that says what is damaged, and how."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ValueError(f"{what} is damaged: {first_error(error)}") from error


def first_error(error: ValidationError) -> str:
    """Say in a line where the first mistake is, and what is wrong with it."""
    mistake = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in mistake["loc"]) or "it"
    said = repr(mistake["input"])
    return (
        f"{where}: {mistake['msg'][0].lower()}{mistake['msg'][1:]}, not {said if len(said) < 60 else said[:57] + '…'}"
    )


# The header


class SelectionRecord(Record):
    """Which stack of an image it is; see `Selection`."""

    at: Index | tuple[Index, ...] | None
    channels: tuple[Index, ...]
    windows: tuple[tuple[Finite, Finite], ...]
    level: Index


class AxisRecord(Record):
    """An axis of an image; see `Axis`."""

    name: Text
    size: Index
    scale: Finite | None
    translation: Finite
    unit: Text | None


class DataRecord(Record):
    """Which image a session is about, and which part of it."""

    path: PathText | None = None
    # The same way from the session folder.
    relative: PathText | None = None
    axis: Literal["t", "z"]
    selection: SelectionRecord
    crop: Box
    every: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}(/[1-9][0-9]{0,8})?$")]
    # (T, Y, X) of the whole image, and of the part.
    whole: Shape
    shape: Shape
    rgb: bool
    dtype: Text
    sample: Text
    # Sessions of the first versions do not say.
    axes: tuple[AxisRecord, ...] = ()
    affine: tuple[tuple[Finite, ...], ...] | None = None

    @property
    def geometry(self) -> Geometry:
        """Which part of the image the frames are, and where it lies; ``ValueError`` if they cannot be there."""
        try:
            return Geometry.from_json(self.model_dump())
        except ValueError as error:
            raise ValueError(f"what the session says of its image is damaged: {error}") from error


class ModelRecord(Record):
    """Which model it is, and how it runs."""

    variant: Text | None = None
    image_size: Annotated[int, Field(ge=1, le=8192)]
    preset: Text
    dtype: Text
    device: Text = "auto"
    # Sessions of the first versions do not say.
    backend: Text | None = None
    name: Text | None = None
    file: PathText | None = None
    # Of the file, or where there was none of the weights.
    sha256: Text | None = None
    weights: Text | None = None


class SettingsRecord(Record):
    """Options that a session was made with."""

    zoom: Finite | Text
    fill_hole_area: Annotated[int, Field(ge=0, le=2**31)]


class Header(Record):
    """The first file that is read."""

    format: Literal["napari-sam2 session"] = FORMAT
    version: Annotated[int, Field(ge=1)] = VERSION
    data: DataRecord
    model: ModelRecord
    settings: SettingsRecord
    versions: dict[str, Text] = {}
    journal: Annotated[str, Field(pattern=r"^journal-[0-9]{1,9}\.jsonl$")]


# Entries of events


class ImageRecord(Record):
    """A label image, zlib: its runs of labels and their number; at first, the pixels of a box of rows and columns."""

    runs: Index = 0
    box: Box | None = None
    dtype: Literal["uint8", "uint16", "uint32"]
    data: Packed


# Object, object score, predicted IoU, area, centroid (y, x), bounding box.
Centre = Finite | None
End = Pixel | None
Row = tuple[ObjectId, float, float, Index, Centre, Centre, End, End, End, End]


class FrameRecord(Record):
    """Labels, ``None`` where none were ever set, and scores of a frame."""

    labels: ImageRecord | None
    rows: tuple[Row, ...]


class PromptRecord(Record):
    """A prompt; see `Prompt`. Points and box are (y, x); a mask has a bit for each pixel, zlib."""

    frame: Frame
    object: ObjectId
    points: tuple[tuple[float, float], ...] | None = None
    labels: tuple[int, ...] | None = None
    box: tuple[float, float, float, float] | None = None
    mask: Packed | None = None


class MemoryRecord(Record):
    """A memory; see `FrameMemory`. Its tensors are in a file, as ``NUMBER.PART``."""

    file: Annotated[int, Field(ge=0, le=99_999_999)]
    parts: tuple[Literal["low_res_bhw", "pointer_bc", "memory_bchw"], ...]
    score: float
    iou: float
    view: Box | None
    place: tuple[Finite, Finite, Finite] | None


# (frame, direction), or (first, last, direction) of frames in a row.
Span = tuple[Frame, Direction] | tuple[Frame, Frame, Direction]
# Frames with the number of their prompt or memory, in an order that counts.
Numbered = tuple[tuple[Frame, Number], ...]


class DirectionChanges(Record):
    """What has changed of the directions of frames."""

    put: tuple[Span, ...]
    drop: tuple[Frame, ...]


class TrackRecord(Record):
    """What has changed of an object; see `ObjectTrack`."""

    object: ObjectId | None = None
    prompts: Numbered = ()
    staged: Numbered = ()
    conditioning: Numbered = ()
    recent: Numbered = ()
    visited: DirectionChanges | None = None
    stale: DirectionChanges | None = None
    version: Number = 0


class FrameStateRecord(Record):
    """Everything about an object on one frame."""

    prompt: Number | None
    staged: Number | None
    conditioning: Number | None
    recent: Number | None
    visited: Literal[1, -1, 0] | None
    stale: tuple[Span, ...]
    version: Number


class ErasedRecord(Record):
    """Masks and scores of an object that was taken out; rows begin with their frame."""

    masks: dict[Frame, ImageRecord]
    rows: tuple[tuple[Frame, ObjectId, float, float, Index, Centre, Centre, End, End, End, End], ...]


class RestoreFrameRecord(Record):
    """Goes back to what was known on a frame."""

    kind: Literal["frame"] = "frame"
    object: ObjectId
    frame: Frame
    state: FrameStateRecord


class AttachRecord(Record):
    """Takes an object in again."""

    kind: Literal["attach"] = "attach"
    track: Number
    place: Index
    erased: ErasedRecord


class DetachRecord(Record):
    """Takes an object out."""

    kind: Literal["detach"] = "detach"
    object: ObjectId | None = None
    # In format 1, in place of the object's id.
    track: Number | None = None


EditRecord = Annotated[RestoreFrameRecord | AttachRecord | DetachRecord, Field(discriminator="kind")]

# Visits of a run, one frame after the other: first, last, direction, objects.
VisitSpan = tuple[Frame, Frame, Direction, tuple[ObjectId, ...]]


def _left_out(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    try:
        return handler(value)
    except ValidationError as error:
        if info.context is None:
            raise
        info.context.append(f"one of the {info.field_name} is damaged and left out: {first_error(error)}")
        return None


# A damaged entry leaves the others of its event as they are.
Tolerant = WrapValidator(_left_out)


class Event(Record):
    """A line of a journal: what has changed. Entries are known by their number, those of frames by the frame's."""

    model_config = ConfigDict(extra="allow")

    # Labels and scores of before are gone.
    cleared: bool = False
    prompts: dict[Number, Annotated[PromptRecord | None, Tolerant]] = {}
    memories: dict[Number, Annotated[MemoryRecord | None, Tolerant]] = {}
    # Memories that nothing refers to any more.
    forgotten: tuple[Number, ...] = ()
    tracks: dict[Number, Annotated[TrackRecord | None, Tolerant]] = {}
    edits: dict[Number, Annotated[EditRecord | None, Tolerant]] = {}
    frames: dict[Frame, Annotated[FrameRecord | None, Tolerant]] = {}
    # Tracks of the objects, and the edits that can be undone and redone, in order.
    objects: tuple[Number, ...] = ()
    undos: tuple[Number, ...] = ()
    redos: tuple[Number, ...] = ()
    # Pixel values shown black and white.
    window: tuple[Finite, Finite] | None = None
    dtype: Literal["uint8", "uint16", "uint32"] = "uint16"
    # The last run, how many of its visits are done, and how many of those the memories know of: all where not said.
    run: tuple[VisitSpan, ...] | None = None
    done: Index = 0
    remembered: Index | None = None

"""The schema of a session folder: types of the header in ``session.json`` and of the events in its journal."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, ValidationInfo, ValidatorFunctionWrapHandler, WrapValidator

from napari_sam2.data.images.geometry import Geometry
from napari_sam2.storage.folder.fields import (
    Box,
    Direction,
    Finite,
    Frame,
    Index,
    Number,
    Numbered,
    ObjectId,
    Packed,
    PathText,
    Shape,
    Span,
    SpanOfLife,
    Text,
)
from napari_sam2.storage.folder.frame_schema import Centre, End, FrameRecord, ImageRecord, Record, first_error

FORMAT: Literal["napari-sam2 session"] = "napari-sam2 session"
# Format 2: memories may be older than results, which `Event.remembered` gives; frames in a row are written as one
# span; labels are written as runs. Format 3: the history is of steps, which are states before and after; before, it was
# of edits. Prompts keep how they were drawn. Format 4: objects begin, end and have a parent. All earlier ones are read.
VERSION = 4


# The header


class SelectionRecord(Record):
    """Which stack of a multi-dimensional image is used; see `Selection`."""

    # Index of one time point or plane along the axes that are not tracked; channels shown together, with their contrast
    # windows (low, high); and the level of an image pyramid.
    at: Index | tuple[Index, ...] | None
    channels: tuple[Index, ...]
    windows: tuple[tuple[Finite, Finite], ...]
    level: Index
    # Of several images in a file or folder; missing where there is one.
    series: Text | None = None


class AxisRecord(Record):
    """An axis of an image; see `Axis`."""

    name: Text
    size: Index
    # Distance of two samples, and position of the first, in the unit.
    scale: Finite | None
    translation: Finite
    unit: Text | None


class DataRecord(Record):
    """The image of a session, and which part of it was tracked."""

    # Absolute; ``None`` for an image that was only in memory.
    path: PathText | None = None
    # The same way from the session folder.
    relative: PathText | None = None
    axis: Literal["t", "z"]
    selection: SelectionRecord
    # (y0, x0, y1, x1) of the part; and its frames: "3" for every third one, "1/2" for each one twice.
    crop: Box
    every: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}(/[1-9][0-9]{0,8})?$")]
    # (T, Y, X) of the whole image, and of the part.
    whole: Shape
    shape: Shape
    rgb: bool
    dtype: Text
    sample: Text
    # Missing in sessions of the first versions.
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
    """The model of a session, and how it ran."""

    variant: Text | None = None
    # Side of the input in pixels.
    image_size: Annotated[int, Field(ge=1, le=8192)]
    preset: Text
    dtype: Text
    device: Text = "auto"
    # Missing in sessions of the first versions.
    backend: Text | None = None
    name: Text | None = None
    file: PathText | None = None
    # Of the file, or where there was none of the weights.
    sha256: Text | None = None
    weights: Text | None = None


class SettingsRecord(Record):
    """Options of `Session` with which it was made."""

    # As `Session` takes it.
    zoom: Finite | Text
    # Name of the memory policy; missing in sessions of the first versions, which knew one.
    memory: Text = "standard"
    fill_hole_area: Annotated[int, Field(ge=0, le=2**31)]


class Header(Record):
    """Contents of ``session.json``, the first file that is read; it names the journal that holds everything else."""

    format: Literal["napari-sam2 session"] = FORMAT
    version: Annotated[int, Field(ge=1)] = VERSION
    data: DataRecord
    model: ModelRecord
    settings: SettingsRecord
    # Programs that wrote it, for messages and for finding errors.
    versions: dict[str, Text] = Field(default_factory=dict)
    # Name of the journal in use; any other in the folder is left over.
    journal: Annotated[str, Field(pattern=r"^journal-[0-9]{1,9}\.jsonl$")]


# Entries of events


class DrawingRecord(Record):
    """How a prompt was drawn; see `Drawing`: points (y, x, label), shapes (kind, corners), painted pixels."""

    points: tuple[tuple[Finite, Finite, Literal[0, 1]], ...] = ()
    shapes: tuple[tuple[Text, tuple[tuple[Finite, Finite], ...]], ...] = ()
    painted: Packed | None = None


class PromptRecord(Record):
    """A prompt; see `Prompt`. Points and box are (y, x); a mask has a bit for each pixel, zlib."""

    frame: Frame
    object: ObjectId
    points: tuple[tuple[float, float], ...] | None = None
    labels: tuple[int, ...] | None = None
    box: tuple[float, float, float, float] | None = None
    mask: Packed | None = None
    drawing: DrawingRecord | None = None
    # Whether no person drew it; missing in sessions of the first versions.
    found: bool = False


class MotionRecord(Record):
    """Motion of an object's box; see `Motion`."""

    place: tuple[Finite, Finite, Finite, Finite]
    velocity: tuple[Finite, Finite, Finite, Finite]
    spread: Annotated[tuple[tuple[Finite, Finite, Finite], ...], Field(min_length=4, max_length=4)]
    stable: Index
    step: Direction
    overlap: Finite | None = None


class ObservationRecord(Record):
    """What a memory policy keeps of a frame; see `Observation`."""

    box: tuple[Finite, Finite, Finite, Finite] | None = None
    area: Finite = 0.0
    areas: Annotated[tuple[Finite, ...], Field(max_length=64)] = ()
    ious: Annotated[tuple[Finite, ...], Field(max_length=64)] = ()
    hidden: Frame | None = None
    anchor: Frame | None = None
    stored: Annotated[tuple[Frame, ...], Field(max_length=64)] = ()
    motion: MotionRecord | None = None


class MemoryRecord(Record):
    """A memory; see `FrameMemory`. Its tensors are in a file, as ``NUMBER.PART``."""

    file: Annotated[int, Field(ge=0, le=99_999_999)]
    parts: tuple[Literal["low_res_bhw", "pointer_bc", "memory_bchw", "prototype_c"], ...]
    # Logit that the object is visible, and the IoU that the model expects of its mask.
    score: float
    iou: float
    # Crop as (top, left, height, width), ``None`` for the whole frame; location as (y, x, extent) in pixels.
    view: Box | None
    place: tuple[Finite, Finite, Finite] | None
    # Missing where the policy keeps nothing else.
    observation: ObservationRecord | None = None


class DirectionChanges(Record):
    """Changes in a table of frames and directions; see `FrameDirections`."""

    put: tuple[Span, ...]
    drop: tuple[Frame, ...]


class TrackRecord(Record):
    """Changes of an object; see `ObjectState`. Fields that are not set have not changed."""

    object: ObjectId | None = None
    prompts: Numbered = ()
    staged: Numbered = ()
    conditioning: Numbered = ()
    recent: Numbered = ()
    # By their place, not by frame; missing in sessions of the first versions.
    exemplars: Numbered = ()
    visited: DirectionChanges | None = None
    stale: DirectionChanges | None = None
    # Missing in sessions of the first versions.
    fills: DirectionChanges | None = None
    span: SpanOfLife = ()
    # Divisions that were refused, by their daughters; and its class. Missing in sessions of the first versions.
    refused: tuple[tuple[ObjectId, ...], ...] = ()
    class_name: Text = ""
    version: Number = 0


# Visits of a run to consecutive frames: (first, last, direction, objects).
VisitSpan = tuple[Frame, Frame, Direction, tuple[ObjectId, ...]]


class StepRecord(Record):
    """A step that can be undone or done again; see `Step`. Fields that are not set have not changed; frames add up."""

    name: Text = ""
    is_run: bool = False
    objects: tuple[ObjectId, ...] = ()
    # The run that could be resumed, and how many of its visits were done.
    run: tuple[VisitSpan, ...] | None = None
    done: Index = 0
    # ``None`` for an object that was not there.
    tracks: dict[ObjectId, TrackRecord | None] = Field(default_factory=dict)
    frames: dict[Frame, FrameRecord] = Field(default_factory=dict)


# Entries of events of formats 1 and 2: edits that can be undone


class FrameStateRecord(Record):
    """The state of an object on one frame, for undo."""

    # Numbers of the prompt and memories; ``None`` where there is none.
    prompt: Number | None
    staged: Number | None
    conditioning: Number | None
    recent: Number | None
    # Direction in which the frame was tracked; and of the whole object, the frames that were out of date.
    visited: Literal[1, -1, 0] | None
    stale: tuple[Span, ...]
    version: Number


class ErasedRecord(Record):
    """Masks and scores of an object that was removed, for undo; rows begin with their frame."""

    masks: dict[Frame, ImageRecord]
    rows: tuple[tuple[Frame, ObjectId, float, float, Index, Centre, Centre, End, End, End, End], ...]


class RestoreFrameRecord(Record):
    """An edit that restores the state of an object on a frame."""

    kind: Literal["frame"] = "frame"
    object: ObjectId
    frame: Frame
    state: FrameStateRecord


class AttachRecord(Record):
    """An edit that brings a removed object back."""

    kind: Literal["attach"] = "attach"
    # Number of the object's track, and its position in the order of objects.
    track: Number
    place: Index
    erased: ErasedRecord


class DetachRecord(Record):
    """An edit that removes an object."""

    kind: Literal["detach"] = "detach"
    object: ObjectId | None = None
    # In format 1, in place of the object's id.
    track: Number | None = None


EditRecord = Annotated[RestoreFrameRecord | AttachRecord | DetachRecord, Field(discriminator="kind")]


def _left_out(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    try:
        return handler(value)
    except ValidationError as error:
        if info.context is None:
            raise
        # Reported to the reader through the context that it passes in.
        info.context.append(f"one of the {info.field_name} is damaged and left out: {first_error(error)}")
        return None


# A damaged entry leaves the others of its event as they are.
Tolerant = WrapValidator(_left_out)


class Event(Record):
    """A line of the journal: what has changed since the line before. Fields that are not set have not changed.

    Entries are found by their number, labels and scores by their frame's index; later entries replace earlier ones.
    """

    # Unknown fields are kept, so that the reader can report that a newer version wrote something it leaves out.
    model_config = ConfigDict(extra="allow")

    # Whether all labels and scores of earlier lines are void.
    cleared: bool = False
    prompts: dict[Number, Annotated[PromptRecord | None, Tolerant]] = Field(default_factory=dict)
    memories: dict[Number, Annotated[MemoryRecord | None, Tolerant]] = Field(default_factory=dict)
    # Memories that nothing refers to any more.
    forgotten: tuple[Number, ...] = ()
    tracks: dict[Number, Annotated[TrackRecord | None, Tolerant]] = Field(default_factory=dict)
    steps: dict[Number, Annotated[StepRecord | None, Tolerant]] = Field(default_factory=dict)
    edits: dict[Number, Annotated[EditRecord | None, Tolerant]] = Field(default_factory=dict)
    frames: dict[Frame, Annotated[FrameRecord | None, Tolerant]] = Field(default_factory=dict)
    # Tracks of the objects, and the steps (or edits) that can be undone and done again, in order.
    objects: tuple[Number, ...] = ()
    undos: tuple[Number, ...] = ()
    redos: tuple[Number, ...] = ()
    # Pixel values shown black and white.
    window: tuple[Finite, Finite] | None = None
    dtype: Literal["uint8", "uint16", "uint32"] = "uint16"
    # The last run, how many of its visits are done, and how many of those the memories include: all where not given.
    run: tuple[VisitSpan, ...] | None = None
    done: Index = 0
    remembered: Index | None = None

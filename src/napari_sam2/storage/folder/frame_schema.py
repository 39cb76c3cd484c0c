"""The schema of labels and scores of a frame in a session folder, and the base of all records there."""

from __future__ import annotations

from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_sam2.storage.folder.fields import Box, Finite, Index, ObjectId, Packed, Pixel, Text


class Record(BaseModel):
    """Base of all types here: read-only; fields that this version does not know are ignored."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants", protected_namespaces=())


T = TypeVar("T", bound=Record)


def read_record(kind: type[T], values: object, what: str) -> T:
    """Make a record of values from a file; ``ValueError`` names what is damaged, and how."""
    try:
        return kind.model_validate(values)
    # One kind of error for all that is wrong in a folder, with a message for users.
    except ValidationError as error:
        raise ValueError(f"{what} is damaged: {first_error(error)}") from error


def first_error(error: ValidationError) -> str:
    """Describe the first mistake in one line: where it is, what is wrong, and the value found."""
    mistake = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in mistake["loc"]) or "it"
    text = repr(mistake["input"])
    return (
        f"{where}: {mistake['msg'][0].lower()}{mistake['msg'][1:]}, not {text if len(text) < 60 else text[:57] + '…'}"
    )


class ImageRecord(Record):
    """A label image, zlib-compressed: runs of labels and their number; in format 1, the pixels of a box."""

    runs: Index = 0
    box: Box | None = None
    dtype: Literal["uint8", "uint16", "uint32"]
    data: Packed


# A row of scores: object, object score, predicted IoU, area, centroid (y, x), bounding box (y0, x0, y1, x1).
Centre = Finite | None
End = Pixel | None
Row = tuple[ObjectId, float, float, Index, Centre, Centre, End, End, End, End]


class FrameRecord(Record):
    """Labels and scores of a frame; no labels where none were ever set."""

    labels: ImageRecord | None
    rows: tuple[Row, ...]
    # Objects that a person accepted there; missing in sessions of the first versions.
    accepted: tuple[ObjectId, ...] = ()
    # Of each row, missing in sessions of the first versions.
    sharpness: tuple[float | None, ...] = ()
    # How the mask of each row came about: source, whether it is a correction, and which of the models; all three are
    # missing in sessions of the first versions. Models as (name, hash, memory rule).
    made: tuple[tuple[Text, bool, Index | None] | None, ...] = ()
    models: tuple[tuple[Text, Text, Text], ...] = ()
    # By object, how sharp what a person replaced was, its IoU with what is there now, and which of the models made it.
    replaced: dict[ObjectId, tuple[Finite | None, Finite, Index | None]] = {}

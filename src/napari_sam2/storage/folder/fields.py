"""Types of the fields in a session folder, limited to what can be used."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

# Limits on what a file may claim, far above real data: sizes are used before there is anything to compare them with.
MOST_FRAMES, LONGEST_SIDE = 10**7, 2**24

# Type of the numbers by which entries refer to one another. It, and all below, are limited to what can be used.
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
# First and last frame of an object, and its parent; nothing where all three are open.
SpanOfLife = tuple[()] | tuple[Frame | None, Frame | None, ObjectId | None]
# Frames with the number of their prompt or memory, in an order that counts.
Numbered = tuple[tuple[Frame, Number], ...]
# (frame, direction), or (first, last, direction) of frames in a row.
Span = tuple[Frame, Direction] | tuple[Frame, Frame, Direction]

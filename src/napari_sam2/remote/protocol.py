"""The messages between a session here and the model on a worker, as plain values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.data.images.selection import Selection
from napari_sam2.model.config import InferenceOptions, Sam2Config
from napari_sam2.session.model_parts import PartsSettings

from .packing import PackedArray


def frame_key(pixels: NDArray[Any]) -> str:
    """Hash of a frame's pixels: equal frames are sent once, of whatever stack they are."""
    digest = hashlib.blake2b(f"{pixels.shape} {pixels.dtype.str}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


@dataclass(frozen=True)
class WeightsFile:
    """A user's own checkpoint."""

    # Where it lies here, and perhaps there.
    path: str
    sha256: str
    # Sent where the worker does not see the same file.
    content: bytes | None = None


@dataclass(frozen=True)
class ModelThere:
    """What there is to know of the model that was loaded on a worker."""

    config: Sam2Config
    options: InferenceOptions
    # As `napari_sam2.load_model` takes it.
    dtype: str
    backend: str
    # Such as ``"cuda"``.
    device: str
    sha256: str
    # Of the package; another one may compute something else.
    version: str


@dataclass(frozen=True)
class StackThere:
    """A stack, as the worker has to know it."""

    shape: tuple[int, ...]
    dtype: str
    axis: str
    settings: PartsSettings
    # The file behind it and the part of it, where it has one that the worker may see, too.
    path: str | None = None
    selection: Selection | None = None


@dataclass(frozen=True)
class KnownThere:
    """What a worker has of a stack already."""

    # Keys of frames, of this stack or others.
    frames: frozenset[str]
    # Whether it sees the file: then it reads the frames there, and compares their keys.
    sees_file: bool


@dataclass(frozen=True)
class SentTrack:
    """What of an object the model's answer on a frame depends on; memories by their number."""

    object_id: int
    staged: Mapping[int, int]
    conditioning: Mapping[int, int]
    recent: Mapping[int, int]
    # On the frames that are asked about: the direction it was tracked in, and whether it is to come from both sides.
    visited: Mapping[int, int]
    fills: Mapping[int, int]
    # Those of the frames that a person has said it is absent from.
    absent: tuple[int, ...] = ()
    # Memories of prompted frames of other stacks.
    exemplars: tuple[int, ...] = ()


@dataclass(frozen=True)
class Question:
    """Something to be computed."""

    # The method that answers it, the objects and what else it takes.
    method: str
    tracks: tuple[SentTrack, ...] = ()
    arguments: tuple[Any, ...] = ()
    # By frame, the keys of those that it takes; and the pixels, by key, that are not there yet.
    frames: Mapping[int, str] = field(default_factory=dict)
    pixels: Mapping[str, PackedArray] = field(default_factory=dict)
    # By number, memories that are not there yet.
    memories: Mapping[int, dict[str, Any]] = field(default_factory=dict)
    # The number of the first memory that comes of it.
    number: int = 0
    # The frame that is likely to be asked about next.
    next_frame: int | None = None


@dataclass(frozen=True)
class Reply:
    """What was computed."""

    value: Any = None
    # The frames that the encoder has encoded so far.
    frames_encoded: int = 0


@dataclass(frozen=True)
class Lacking:
    """What a question spoke of and is not there any more: it is to be asked again, with these."""

    frames: tuple[int, ...] = ()
    memories: tuple[int, ...] = ()


@dataclass(frozen=True)
class Refused:
    """An error of the computation, as it would have been raised here."""

    error: Exception

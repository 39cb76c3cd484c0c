"""Description of a session's image, model and settings, by which the same image and model are recognised later."""

from __future__ import annotations

import hashlib
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_sam2.data.images.stack import Stack
from napari_sam2.data.labels.provenance import Maker
from napari_sam2.model.precision import precision_of
from napari_sam2.model.sam2 import Sam2
from napari_sam2.storage.folder.schema import (
    FORMAT,
    VERSION,
    DataRecord,
    Header,
    ModelRecord,
    SettingsRecord,
)
from napari_sam2.weights.catalog import SAME_RESULTS
from napari_sam2.weights.hash_file import hash_file
from napari_sam2.weights.source import device_of, source_of

if TYPE_CHECKING:
    from napari_sam2.session.core import TrackingSession

# Reading all of a large image would take minutes; a few frames, thinned out, tell images apart.
_SAMPLED_FRAMES = 3
_SAMPLED_PIXELS = 2**20


def describe_session(session: TrackingSession, folder: Path, *, journal: str) -> Header:
    """Make the header of a session; ``journal`` is the name of the journal in use."""
    return Header(
        format=FORMAT,
        version=VERSION,
        data=describe_data(session.stack, folder),
        model=describe_model(session.model),
        settings=SettingsRecord(zoom=session.zoom, memory=session.memory, fill_hole_area=session.fill_hole_area),
        versions={
            "napari-sam2": version("napari-sam2"),
            "torch": version("torch"),
            "python": platform.python_version(),
        },
        journal=journal,
    )


def describe_data(stack: Stack, folder: Path) -> DataRecord:
    """Describe the image of a stack, and which part of it the stack is."""
    path = relative = None
    if stack.path is not None:
        place = stack.path.resolve()
        path = str(place)
        # Also relative to the session folder, so that both can be moved together; impossible between Windows drives.
        relative = Path(os.path.relpath(place, folder)).as_posix() if place.drive == folder.drive else None
    return DataRecord(
        path=path,
        relative=relative,
        rgb=stack.is_rgb,
        dtype=str(stack.dtype),
        sample=sample_hash(stack),
        **stack.geometry.to_json(),
    )


def sample_hash(stack: Stack) -> str:
    """Hash some frames of a stack, the first and the last among them; one that cannot be read counts as such."""
    digest = hashlib.sha256(f"{stack.shape} {stack.is_rgb} {stack.dtype}".encode())
    # Every n-th pixel, so that large frames are compared as quickly as small ones.
    stride = max(int((stack.height * stack.width / _SAMPLED_PIXELS) ** 0.5), 1)
    for frame in np.unique(np.linspace(0, stack.n_frames - 1, _SAMPLED_FRAMES).round().astype(int)):
        try:
            pixels = stack.read(int(frame))[::stride, ::stride]
        except ValueError:
            digest.update(b"unreadable")
        else:
            # Little-endian on every machine, so that hashes can be compared across them.
            digest.update(np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def describe_model(model: Sam2) -> ModelRecord:
    """Describe a model and how it runs."""
    source = source_of(model)
    # The hash of the file stands for the weights; without a file they are hashed themselves.
    return ModelRecord(
        variant=model.config.name,
        image_size=model.config.image_size,
        preset=model.options.preset,
        dtype=precision_of(model),
        device=device_of(model),
        backend="torch" if source is None else source.backend,
        name=None if source is None else source.name,
        file=None if source is None else str(source.path.resolve()),
        sha256=None if source is None else source.sha256 or hash_file(source.path),
        weights=hash_weights(model) if source is None else None,
    )


def maker_of(model: Sam2, memory: str) -> Maker:
    """Name a model and its memory rule for the masks that it makes."""
    try:
        record = describe_model(model)
    except OSError:
        # The file that it was loaded from is gone.
        return Maker(model.config.name or "", "", memory)
    return Maker(record.name or record.variant or "", record.sha256 or record.weights or "", memory)


def model_identity(record: ModelRecord) -> dict[str, object]:
    """The parts of a description that must agree for results to be the same; device and backend may differ."""
    parts = record.model_dump(include={"image_size", "preset", "dtype", "sha256", "weights"})
    return parts | {"sha256": SAME_RESULTS.get(record.sha256 or "", record.sha256)}


def same_model(record: ModelRecord, model: Sam2) -> bool:
    """Whether a model is the one described: weights, input size, precision, preset."""
    return model_identity(record) == model_identity(describe_model(model))


def hash_weights(model: Sam2) -> str:
    """SHA-256 of a model's weights in hexadecimal, for a model that came from no file."""
    digest = hashlib.sha256()
    # In order of names, with shapes and types: the same bytes under other names are another model.
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()

"""What a session says of its image and its model, so that both are known again."""

from __future__ import annotations

import hashlib
import os
import platform
from fractions import Fraction
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_sam2.data.images.stack import Stack
from napari_sam2.data.images.subset import Placement
from napari_sam2.model.precision import precision_of
from napari_sam2.model.sam2 import Sam2
from napari_sam2.weights.load import source_of

from .layout import FORMAT, VERSION

if TYPE_CHECKING:
    from napari_sam2.session.core import TrackingSession

_SAMPLED_FRAMES = 3
_SAMPLED_PIXELS = 2**20


def describe_session(session: TrackingSession, folder: Path) -> dict[str, Any]:
    """Say what a session is about, as JSON.

    Parameters
    ----------
    session : TrackingSession
        Not changed.
    folder : Path
        The session folder, which the image's path is also given from.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "data": describe_data(session.stack, folder),
        "model": describe_model(session.model),
        "settings": {"zoom": session.zoom, "fill_hole_area": session._tracker.fill_hole_area},
        "versions": {
            "napari-sam2": version("napari-sam2"),
            "torch": version("torch"),
            "python": platform.python_version(),
        },
    }


def describe_data(stack: Stack, folder: Path) -> dict[str, Any]:
    """Say which image a stack is, and which part of it, as JSON."""
    said: dict[str, Any] = {"path": None, "relative": None}
    if stack.path is not None:
        path = stack.path.resolve()
        said["path"] = str(path)
        if path.drive == folder.drive:
            said["relative"] = Path(os.path.relpath(path, folder)).as_posix()
    selection, placement = stack.origin.selection, stack.placement
    return said | {
        "axis": stack.axis,
        "selection": {
            "at": selection.at,
            "channels": list(selection.channels),
            "windows": [list(pair) for pair in selection.windows],
            "level": selection.level,
        },
        "crop": list(placement.crop),
        "every": str(_every(placement)),
        "whole": list(placement.shape),
        "shape": list(stack.shape),
        "rgb": stack.is_rgb,
        "dtype": str(stack.dtype),
        "sample": sample_hash(stack),
    }


def sample_hash(stack: Stack) -> str:
    """Hash some frames of a stack, the first and the last among them.

    Parameters
    ----------
    stack : Stack
        Frames that cannot be read count as such: they do not keep a session from being saved.

    Returns
    -------
    str
        SHA-256 in hexadecimal.
    """
    digest = hashlib.sha256(f"{stack.shape} {stack.is_rgb} {stack.dtype}".encode())
    stride = max(int((stack.height * stack.width / _SAMPLED_PIXELS) ** 0.5), 1)
    for frame in np.unique(np.linspace(0, stack.n_frames - 1, _SAMPLED_FRAMES).round().astype(int)):
        try:
            pixels = stack.read(int(frame))[::stride, ::stride]
        except ValueError:
            digest.update(b"unreadable")
        else:
            digest.update(np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def describe_model(model: Sam2) -> dict[str, Any]:
    """Say which model it is and how it runs, as JSON."""
    source = source_of(model)
    said: dict[str, Any] = {
        "variant": model.config.name,
        "image_size": model.config.image_size,
        "preset": model.options.preset,
        "dtype": precision_of(model),
        "device": str(model.device),
        "backend": "torch" if source is None else source.backend,
        "name": None,
        "file": None,
    }
    if source is None:
        return said | {"sha256": None, "weights": hash_weights(model)}
    return said | {
        "name": source.name,
        "file": str(source.path.resolve()),
        "sha256": hash_file(source.path),
        "weights": None,
    }


def same_model(said: dict[str, Any], model: Sam2) -> bool:
    """Whether a model is the one described: weights, input size, precision, preset; device and backend may differ."""
    found = describe_model(model)
    return all(said.get(key) == found[key] for key in ("image_size", "preset", "dtype", "sha256", "weights"))


def hash_file(path: Path) -> str:
    """SHA-256 of a file in hexadecimal; read once as long as it does not change."""
    about = path.stat()
    return _hash_file(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=8)
def _hash_file(path: Path, _changed: int, _nbytes: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_weights(model: Sam2) -> str:
    """SHA-256 of a model's weights in hexadecimal, for a model that came from no file."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _every(placement: Placement) -> Fraction:
    frames = placement.frames
    repeats = frames.count(frames[0])
    if repeats > 1:
        return Fraction(1, repeats)
    return Fraction(frames[1] - frames[0] if len(frames) > 1 else placement.shape[0])

"""Finding the image and the model of a saved session, and checking that they are the same as then."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from numpy.typing import ArrayLike

from napari_sam2.data.images.stack import Stack
from napari_sam2.data.readers.open_stack import open_stack
from napari_sam2.model.sam2 import Sam2
from napari_sam2.storage.folder.layout import image_places
from napari_sam2.storage.folder.schema import DataRecord, ModelRecord
from napari_sam2.weights.backends import available_backends, is_address
from napari_sam2.weights.catalog import CATALOG
from napari_sam2.weights.load import DTYPES, choose_device, load_model
from napari_sam2.weights.presets import PRESETS

from .fingerprint import same_model, sample_hash


def find_data(data: DataRecord, folder: Path, frames: Stack | ArrayLike | None) -> Stack:
    """Open the image of a session, or check the one given: the image itself, or the whole that a part of was tracked.

    ``FileNotFoundError`` if it is not where it was, ``ValueError`` if it is another image.
    """
    if frames is not None:
        return _checked(frames if isinstance(frames, Stack) else Stack.from_array(frames, data.axis), data)
    # The first place with the right image counts; a wrong one there must not hide the right one elsewhere.
    refused: ValueError | None = None
    for path in image_places(data, folder):
        try:
            return _opened(path, data)
        except ValueError as error:
            refused = error
    if refused is not None:
        raise refused
    if data.path is None:
        raise ValueError("the session's image was in memory and not in a file: give it with frames=")
    raise FileNotFoundError(f"the session's image {data.path} is not there any more: say where it is with frames=")


def _opened(path: Path, data: DataRecord) -> Stack:
    stack = open_stack(path, selection=data.geometry.selection.whole)
    try:
        return _checked(stack, data)
    except ValueError:
        # Or the file would stay open while the next path is tried.
        stack.close()
        raise


def _take_part(stack: Stack, data: DataRecord) -> Stack:
    geometry = data.geometry
    if geometry.is_whole:
        return stack
    try:
        return stack.part(crop=geometry.crop, every=geometry.selection.every)
    except ValueError as error:
        raise ValueError(f"the session's part of the image does not fit it: {error}") from error


def _checked(stack: Stack, data: DataRecord) -> Stack:
    # The whole image was given where the session is about a part of it: take that part.
    if stack.shape != data.shape and stack.shape == data.whole:
        stack = _take_part(stack, data)
    found = {"shape": stack.shape, "rgb": stack.is_rgb, "dtype": str(stack.dtype)}
    where = "the image given" if stack.path is None else str(stack.path)
    for key, value in found.items():
        if getattr(data, key) != value:
            saved = getattr(data, key)
            raise ValueError(f"{where} is not the image of this session: its {key} is {value}, not {saved}")
    if data.axis != stack.axis:
        raise ValueError(f"{where} runs along {stack.axis}, the image of this session along {data.axis}")
    if data.sample != sample_hash(stack):
        raise ValueError(f"{where} is not the image of this session: it has the same size, but other pixels")
    return stack


def find_model(record: ModelRecord, model: Sam2 | None) -> tuple[Sam2, bool]:
    """Take the model given, or load the session's; also return whether it is the same model."""
    found = _load(record) if model is None else model
    return found, same_model(record, found)


@dataclass(frozen=True)
class ModelArguments:
    """Arguments of `load_model` for a session's model."""

    # Name in the catalogue of models.
    name: str | None
    file: Path | None
    dtype: str
    preset: str
    image_size: int
    backend: str


def model_arguments(record: ModelRecord) -> ModelArguments:
    """Make the arguments from a description; ``ValueError`` if the model came from no file, or is not known."""
    name, file, preset = record.name, record.file, record.preset
    if name is None and file is None:
        raise ValueError("the session's model came from no file: give it with model=")
    if record.dtype not in DTYPES:
        raise ValueError(f"what the session says of its model is damaged: the precision {record.dtype!r}")
    if preset not in PRESETS:
        raise ValueError(f"the session's preset {preset!r} is none of {', '.join(PRESETS)}")
    if name not in CATALOG and file is None:
        raise ValueError(f"the session's model {name!r} is not known to this version: give another with model=")
    # Another machine may lack the backend that this one's had.
    backend = record.backend if record.backend in available_backends() else None
    path = None if file is None else Path(file)
    return ModelArguments(name, path, record.dtype, preset, record.image_size, backend or "auto")


def _load(record: ModelRecord) -> Sam2:
    known = model_arguments(record)
    catalogued = known.name in CATALOG
    try:
        # By name rather than by path where possible: the file may lie elsewhere on this machine.
        return load_model(
            known.name if catalogued else None,
            checkpoint=None if catalogued else known.file,
            device="auto" if known.backend == "openvino" else _device(record.device),
            dtype=known.dtype,
            image_size=known.image_size,
            preset=known.preset,
            backend=known.backend,
        )
    except RuntimeError as error:
        if not is_address(record.device):
            raise
        raise type(error)(
            f"{error}. The session's model ran there: another device goes on with it just as well "
            "('napari-sam2 resume --device cpu', or Session.open(..., model=load_model(...)))"
        ) from error


def _device(name: str) -> str:
    # A cluster is where the user's GPU is: the same model here might take hours.
    if is_address(name):
        return name
    try:
        return str(choose_device(name))
    except ValueError:
        # It was made on another machine.
        return "auto"

"""The image and the model of a saved session, found again and compared."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from napari_sam2.data.images.selection import Selection
from napari_sam2.data.images.stack import Stack
from napari_sam2.data.readers.open_stack import open_stack
from napari_sam2.model.sam2 import Sam2
from napari_sam2.weights.backends import available_backends
from napari_sam2.weights.catalog import CATALOG
from napari_sam2.weights.load import DTYPES, choose_device, load_model
from napari_sam2.weights.presets import PRESETS

from .codec import MALFORMED, real_number, whole_number
from .fingerprint import same_model, sample_hash
from .layout import image_places

_LONGEST = 2**31


def find_data(said: dict[str, Any], folder: Path, frames: Stack | ArrayLike | None) -> Stack:
    """Open the image of a session.

    Parameters
    ----------
    said : dict
        What the session says of it.
    folder : Path
        The session folder.
    frames : Stack or array-like, optional
        The image itself, or the whole one that a part of was tracked; looked for where not given.

    Raises
    ------
    FileNotFoundError
        If it is not where it was.
    ValueError
        If it is another image, or what the session says is damaged.
    """
    try:
        shape = tuple(whole_number(number, 1, _LONGEST) for number in said["shape"])
        if len(shape) != 3:
            raise ValueError(f"the shape {shape} is not (T, Y, X)")
        if frames is not None:
            return _checked(frames if isinstance(frames, Stack) else Stack.from_array(frames, said["axis"]), said)
        candidates = image_places(said, folder)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"what the session says of its image is damaged: {error}") from error
    refused: ValueError | None = None
    for path in candidates:
        try:
            return _opened(path, said)
        except ValueError as error:
            refused = error
    if refused is not None:
        raise refused
    if said.get("path") is None:
        raise ValueError("the session's image was in memory and not in a file: give it with frames=")
    raise FileNotFoundError(f"the session's image {said['path']} is not there any more: say where it is with frames=")


def _opened(path: Path, said: dict[str, Any]) -> Stack:
    stack = open_stack(path, axis=said["axis"], selection=read_selection(said["selection"]))
    try:
        return _checked(stack, said)
    except ValueError:
        stack.close()
        raise


def read_selection(said: dict[str, Any]) -> Selection:
    """Read which stack of an image it was; ``ValueError`` if that is damaged."""
    try:
        return Selection(
            None if said["at"] is None else whole_number(said["at"], 0, _LONGEST),
            tuple(whole_number(channel, 0, _LONGEST) for channel in said["channels"]),
            tuple((real_number(low), real_number(high)) for low, high in said["windows"]),
            whole_number(said["level"], 0, _LONGEST),
        )
    except MALFORMED as error:
        raise ValueError(f"what the session says of its image is damaged: {error}") from error


def take_part(stack: Stack, said: dict[str, Any]) -> Stack:
    """Take the part of a whole image that a session is about; ``ValueError`` if that is damaged."""
    try:
        crop, every = tuple(whole_number(end, 0, _LONGEST) for end in said["crop"]), Fraction(said["every"])
        y0, x0, y1, x1 = crop
        if every.denominator > _LONGEST or (every == 1 and crop == (0, 0, *stack.shape[1:])):
            return stack
        return stack.part(crop=(y0, x0, y1, x1), every=every)
    except (*MALFORMED, ZeroDivisionError) as error:
        raise ValueError(f"the session's part of the image does not fit it: {error}") from error


def _checked(stack: Stack, said: dict[str, Any]) -> Stack:
    if list(stack.shape) != said["shape"] and list(stack.shape) == said["whole"]:
        stack = take_part(stack, said)
    found = {"shape": list(stack.shape), "rgb": stack.is_rgb, "dtype": str(stack.dtype)}
    where = "the image given" if stack.path is None else str(stack.path)
    for key, value in found.items():
        if said[key] != value:
            raise ValueError(f"{where} is not the image of this session: its {key} is {value}, not {said[key]}")
    if said["axis"] != stack.axis:
        raise ValueError(f"{where} runs along {stack.axis}, the image of this session along {said['axis']}")
    if said["sample"] != sample_hash(stack):
        raise ValueError(f"{where} is not the image of this session: it has the same size, but other pixels")
    return stack


def find_model(said: dict[str, Any], model: Sam2 | None) -> tuple[Sam2, bool]:
    """Load the model of a session.

    Parameters
    ----------
    said : dict
        What the session says of it.
    model : Sam2, optional
        The one to use.

    Returns
    -------
    model : Sam2
        The given one, or the session's.
    same : bool
        Whether it is the session's: weights, input size, precision and preset.

    Raises
    ------
    FileNotFoundError
        If its file is not on this machine.
    ValueError
        If it came from no file, or what the session says is damaged.
    """
    if model is None:
        model = _load(said)
    return model, same_model(said, model)


@dataclass(frozen=True)
class ModelArguments:
    """What to load a session's model with.

    Attributes
    ----------
    name : str or None
        Its name in the catalogue.
    file : Path or None
        Its file.
    dtype, preset : str
        As `load_model` takes them.
    image_size : int
        Side of its input in pixels.
    backend : str
        As `load_model` takes it; ``"auto"`` where the session's is not known, or not installed here.
    """

    name: str | None
    file: Path | None
    dtype: str
    preset: str
    image_size: int
    backend: str


def model_arguments(said: dict[str, Any]) -> ModelArguments:
    """Read what a session says of its model.

    Raises
    ------
    ValueError
        If it came from no file, is not known, or what the session says is damaged.
    """
    name, file, dtype, preset = (said.get(key) for key in ("name", "file", "dtype", "preset"))
    if name is None and file is None:
        raise ValueError("the session's model came from no file: give it with model=")
    if not all(isinstance(text, str) for text in (name, file) if text is not None) or dtype not in DTYPES:
        raise ValueError(f"what the session says of its model is damaged: {name or file!r}")
    if preset not in PRESETS:
        raise ValueError(f"the session's preset {preset!r} is none of {', '.join(PRESETS)}")
    if name not in CATALOG and file is None:
        raise ValueError(f"the session's model {name!r} is not known to this version: give another with model=")
    size = whole_number(said.get("image_size"), 1, 8192)
    # Sessions of earlier versions do not say; another machine may lack what this one's had.
    backend = said["backend"] if said.get("backend") in available_backends() else "auto"
    return ModelArguments(name, None if file is None else Path(file), dtype, preset, size, backend)


def _load(said: dict[str, Any]) -> Sam2:
    known = model_arguments(said)
    catalogued = known.name in CATALOG
    return load_model(
        known.name if catalogued else None,
        checkpoint=None if catalogued else known.file,
        device="auto" if known.backend == "openvino" else _device(said.get("device")),
        dtype=known.dtype,
        image_size=known.image_size,
        preset=known.preset,
        backend=known.backend,
    )


def _device(said: object) -> str:
    try:
        return str(choose_device(said if isinstance(said, str) else "auto"))
    except ValueError:
        # It was made on another machine.
        return "auto"

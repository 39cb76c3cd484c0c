"""Prompts for one object on one frame: checks, and the JSON file they are read from and written to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_sam2.data.files.atomic_files import read_json, replacing, write_json
from napari_sam2.data.images.frame_index import check_frame, whole_number
from napari_sam2.data.labels.label_storage import bounding_box
from napari_sam2.data.readers.still_image import read_image

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from .drawing import Drawing

_VERSION = 1
_ENTRY_KEYS = {"frame", "object", "points", "labels", "box", "mask"}
# Fits into signed 32-bit integers, which other programs use for labels.
_LARGEST_ID = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Prompt:
    """A prompt for one object on one frame: points, a box, both, or a mask.

    Attributes
    ----------
    frame : int
        Index of the frame, from 0.
    object_id : int
        Label of the object, from 1.
    points : ndarray or None
        (N, 2) float32, rows (y, x) in data pixels.
    labels : ndarray or None
        (N,) int32: 1 for a point on the object, 0 for a point off it.
    box : tuple of float or None
        (y0, x0, y1, x1) in data pixels.
    mask : ndarray or None
        (Y, X) bool. Without any pixel it says that the object is not there on this frame.
    drawing : Drawing or None
        How a person drew it, so that it can be shown again; the model sees nothing of it.
    is_found : bool
        Whether a model proposed it, and no person drew it.

    Raises
    ------
    ValueError
        If the prompt says nothing, a mask comes with points or a box, or a part is not valid.
    """

    frame: int
    object_id: int
    points: NDArray[np.float32] | None = None
    labels: NDArray[np.int32] | None = None
    box: tuple[float, float, float, float] | None = None
    mask: NDArray[np.bool_] | None = None
    drawing: Drawing | None = None
    is_found: bool = False

    def __post_init__(self) -> None:
        # Checked and converted once, here: everything later relies on types and shapes.
        object.__setattr__(self, "frame", check_frame(self.frame))
        object.__setattr__(self, "object_id", check_object_id(self.object_id))
        if (self.points is None) != (self.labels is None):
            raise ValueError("points and labels go together: one was given without the other")
        if self.points is not None and self.labels is not None:
            points, labels = check_points(self.points, self.labels)
            object.__setattr__(self, "points", points)
            object.__setattr__(self, "labels", labels)
        if self.box is not None:
            object.__setattr__(self, "box", check_box(self.box))
        if self.mask is not None:
            object.__setattr__(self, "mask", check_mask(self.mask))
        if self.mask is None and self.points is None and self.box is None:
            raise ValueError("a prompt needs points, a box or a mask")
        # SAM 2 takes a mask as the answer itself, and has no way to combine it with clicks.
        if self.mask is not None and not (self.points is None and self.box is None):
            raise ValueError("a mask prompt cannot be joined with points or a box on the same frame")

    @property
    def says_absent(self) -> bool:
        """Whether it states that the object is absent from the frame: a mask without any pixel."""
        return self.mask is not None and self.mask_bounds[0] == slice(0, 0)

    @cached_property
    def mask_bounds(self) -> tuple[slice, slice]:
        """Rows and columns around the pixels of its mask; empty slices where there are none."""
        return (slice(0, 0), slice(0, 0)) if self.mask is None else bounding_box(self.mask)


def check_object_id(object_id: int) -> int:
    """Check an object's id.

    Parameters
    ----------
    object_id : int
        From 1; 0 is the background. NumPy integers are fine.

    Returns
    -------
    int
        The same id.

    Raises
    ------
    ValueError
        If it is not a whole number from 1 to 2**31 - 1.
    """
    number = whole_number(object_id, "an object id")
    if not 1 <= number <= _LARGEST_ID:
        raise ValueError(f"an object id must be from 1 to {_LARGEST_ID}, not {number}")
    return number


def check_points(
    points: ArrayLike, labels: ArrayLike, shape: tuple[int, int] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Check points and their labels.

    Parameters
    ----------
    points : array-like
        (N, 2), rows (y, x) in data pixels, where pixel (0, 0) reaches from -0.5 to 0.5.
    labels : array-like
        (N,): 1 or True for a point on the object, 0 or False for one off it.
    shape : tuple of int, optional
        (Y, X) of the frame; without it positions are only checked to be finite.

    Returns
    -------
    points : ndarray
        (N, 2) float32.
    labels : ndarray
        (N,) int32.

    Raises
    ------
    ValueError
        If there are no points, one lies outside the frame, or the labels do not match.
    """
    positions = _numbers(points, "points")
    marks = _numbers(labels, "labels")
    if positions.ndim != 2 or positions.shape[1] != 2 or not len(positions):
        raise ValueError(f"points must be one or more rows (y, x), not an array of shape {positions.shape}")
    if marks.shape != (len(positions),):
        raise ValueError(f"{len(positions)} points need {len(positions)} labels, not shape {marks.shape}")
    if (odd := marks[~np.isin(marks, (0, 1))]).size:
        raise ValueError(f"a point's label is 1 (on the object) or 0 (off it), not {odd[0]:g}")
    if shape is not None:
        # Pixel (0, 0) reaches from -0.5 to 0.5, and the edge of the image belongs to it.
        inside = ((positions >= -0.5) & (positions <= np.asarray(shape) - 0.5)).all(axis=1)
        if not inside.all():
            y, x = positions[~inside][0]
            raise ValueError(f"the point (y={y:g}, x={x:g}) is outside the image of {_size(shape)}")
    return positions.astype(np.float32), marks.astype(np.int32)


def check_box(box: ArrayLike, shape: tuple[int, int] | None = None) -> tuple[float, float, float, float]:
    """Check a box, and cut off what reaches over the edge of the frame.

    Parameters
    ----------
    box : array-like
        (y0, x0, y1, x1) in data pixels.
    shape : tuple of int, optional
        (Y, X) of the frame.

    Returns
    -------
    tuple of float
        (y0, x0, y1, x1), within the frame.

    Raises
    ------
    ValueError
        If it is not four finite numbers, has no area, or lies outside the frame.
    """
    corners = _numbers(box, "a box")
    if corners.shape != (4,):
        raise ValueError(f"a box is four numbers (y0, x0, y1, x1), not an array of shape {corners.shape}")
    y0, x0, y1, x1 = (float(corner) for corner in corners)
    described = f"the box (y0={y0:g}, x0={x0:g}, y1={y1:g}, x1={x1:g})"
    if y1 <= y0 or x1 <= x0:
        raise ValueError(f"{described} has no area: y1 must be above y0, and x1 above x0")
    if shape is None:
        return y0, x0, y1, x1
    height, width = shape
    # People draw over the edge to be sure of the corner.
    clipped = max(y0, 0.0), max(x0, 0.0), min(y1, float(height)), min(x1, float(width))
    if clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
        raise ValueError(f"{described} is outside the image of {_size(shape)}")
    return clipped


def check_mask(mask: ArrayLike, shape: tuple[int, int] | None = None) -> NDArray[np.bool_]:
    """Check a mask.

    Parameters
    ----------
    mask : array-like
        (Y, X), bool or holding only 0 and 1; without any pixel it says that the object is not there.
    shape : tuple of int, optional
        (Y, X) of the frame.

    Returns
    -------
    ndarray
        (Y, X) bool, a copy.

    Raises
    ------
    ValueError
        If it has another shape or other values.
    """
    pixels = np.asarray(mask)
    if pixels.ndim != 2 or (shape is not None and pixels.shape != tuple(shape)):
        wanted = "two axes (Y, X)" if shape is None else f"the image's shape {tuple(shape)}"
        raise ValueError(f"a mask must have {wanted}, not the shape {pixels.shape}")
    # 255 may stand for 1, but may as well be an object's number in a label image: anything but 0 and 1 is refused.
    marked = pixels.astype(bool)
    if pixels.dtype != bool:
        odd = pixels[pixels != marked]
        if odd.size:
            raise ValueError(f"a mask holds only 0 and 1 (or False and True), but this one holds {odd[0]}")
    return marked


def read_prompts(path: str | os.PathLike[str]) -> list[Prompt]:
    """Read a prompts file (version 1).

    Parameters
    ----------
    path : str or path-like
        A JSON file. Masks are images beside it or below, named relative to it, with one value besides 0; an image of
        zeros says that the object is not there on the frame.

    Returns
    -------
    list of Prompt
        In the file's order.

    Raises
    ------
    ValueError
        If the file is not what it should be; the message names the entry and the field.
    """
    source = Path(path)
    # Strict about keys: a misspelt "label" must not be dropped without notice.
    document = read_json(source)
    if not isinstance(document, dict) or set(document) != {"version", "prompts"}:
        raise ValueError(f'{source} must hold an object with the keys "version" and "prompts" and no other')
    if document["version"] != _VERSION:
        raise ValueError(f"{source} has version {document['version']!r}; this program reads {_VERSION}")
    if not isinstance(document["prompts"], list):
        raise ValueError(f"{source}: prompts must be a list, not {document['prompts']!r}")
    # By frame and object, since each pair can have one prompt.
    prompts: dict[tuple[int, int], Prompt] = {}
    for index, entry in enumerate(document["prompts"]):
        where = f"{source}: prompts[{index}]"
        prompt = _read_entry(entry, source.parent, where)
        key = (prompt.frame, prompt.object_id)
        if key in prompts:
            raise ValueError(
                f"{where} is the second one for object {key[1]} on frame {key[0]}: put both into one entry"
            )
        prompts[key] = prompt
    return list(prompts.values())


def write_prompts(path: str | os.PathLike[str], prompts: Iterable[Prompt]) -> None:
    """Write a prompts file (version 1), whole or not at all.

    Masks become TIFF images (0 and 255) in a folder beside the file that is named after it. Their names hold
    a hash of their pixels, so that a mask an earlier file refers to is never overwritten.

    Parameters
    ----------
    path : str or path-like
        The JSON file to write.
    prompts : iterable of Prompt
        Written in this order.

    Raises
    ------
    ValueError
        If two prompts are about the same object on the same frame.
    """
    target = Path(path)
    entries: dict[tuple[int, int], dict[str, Any]] = {}
    for prompt in prompts:
        key = (prompt.frame, prompt.object_id)
        if key in entries:
            raise ValueError(f"there are two prompts for object {key[1]} on frame {key[0]}")
        # Keys without a value are left out.
        entry: dict[str, Any] = {"frame": prompt.frame, "object": prompt.object_id}
        if prompt.points is not None and prompt.labels is not None:
            entry |= {"points": [_shortest(point) for point in prompt.points], "labels": prompt.labels.tolist()}
        if prompt.box is not None:
            entry["box"] = list(prompt.box)
        if prompt.mask is not None:
            entry["mask"] = _write_mask(target, key, prompt.mask)
        entries[key] = entry
    write_json(target, {"version": _VERSION, "prompts": list(entries.values())})


def _read_entry(entry: object, folder: Path, where: str) -> Prompt:
    if not isinstance(entry, dict):
        raise ValueError(f"{where} must be an object, not {entry!r}")
    if unknown := sorted(set(entry) - _ENTRY_KEYS):
        raise ValueError(f"{where} has the unknown key {unknown[0]!r}; known are {sorted(_ENTRY_KEYS)}")
    for key in ("frame", "object"):
        if key not in entry:
            raise ValueError(f"{where} lacks {key!r}")
    fields: dict[str, Any] = {key: entry.get(key) for key in ("points", "labels", "box")}
    try:
        mask = None if entry.get("mask") is None else _read_mask(entry["mask"], folder)
        return Prompt(entry["frame"], entry["object"], mask=mask, **fields)
    except (ValueError, OSError) as error:
        raise ValueError(f"{where}: {error}") from error


def _read_mask(name: object, folder: Path) -> NDArray[np.bool_]:
    if not isinstance(name, str) or not name:
        raise ValueError(f"mask must be the name of an image file, not {name!r}")
    # A file from somebody else must not make this program open whatever it likes.
    parts = PureWindowsPath(name)  # which knows both kinds of slash, and drives
    path = folder / name
    outside = parts.anchor or ".." in parts.parts
    if outside or not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"mask {name!r} must lie beside the prompts file or in a folder below it")
    if not path.is_file():
        raise ValueError(f"mask {name!r} does not exist")
    # Any one value, index of a palette or colour marks the object: programs write 1, 255 or the object's number.
    image = read_image(path, indices=True)
    if image.ndim == 3:
        image = image[..., :3].astype(np.int64) @ (2**32, 2**16, 1)
    values = np.unique(image)
    marks = values[values != 0]
    if len(marks) > 1:
        raise ValueError(f"mask {name!r} must have one value or colour besides 0, not {len(marks)}")
    return check_mask(image != 0)


def _write_mask(target: Path, key: tuple[int, int], mask: NDArray[np.bool_]) -> str:
    # The shape is hashed too: packed bits alone do not tell 2 x 8 from 4 x 4.
    digest = hashlib.sha256(np.packbits(mask).tobytes() + repr(mask.shape).encode()).hexdigest()[:12]
    name = f"{target.stem}_masks/frame{key[0]:05d}_object{key[1]}_{digest}.tif"
    with replacing(target.parent / name) as draft:
        tifffile.imwrite(draft, mask.astype(np.uint8) * 255, compression="zlib")
    return name


def _numbers(values: ArrayLike, what: str) -> NDArray[np.float64]:
    try:
        # float64 until checked, so that large coordinates do not become infinite on the way.
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} must be numbers, not {values!r}") from error
    if not np.isfinite(array).all():
        raise ValueError(f"{what} must be finite numbers, not {values!r}")
    return array


def _shortest(point: NDArray[np.float32]) -> list[float]:
    """Convert a float32 point to the decimals that a person would write: 10.1, not 10.100000381469727."""
    # NumPy prints the shortest decimals that give the same float32 again.
    return [float(str(value)) for value in point]


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[0]} rows and {shape[1]} columns"

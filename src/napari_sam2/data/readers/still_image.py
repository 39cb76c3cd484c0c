"""Reading of single images of every kind, turned as cameras noted it, palettes resolved."""

from __future__ import annotations

import math
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from .image_kinds import image_kind
from .tiff import open_tiff

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam2.data.images.frame_sources import Opened

# Pillow modes whose pixels are taken as they are; every other mode is turned into grey or RGB.
_GREY_MODES = {"L": np.uint8, "I;16": np.uint16, "I;16B": np.uint16, "I": np.int32, "F": np.float32}
# What Pillow raises over a file that is no image, a damaged one, or one that is large beyond belief.
UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
_ORIENTATION = 0x0112
# Values of the orientation that lay an image on its side.
_ON_ITS_SIDE = (5, 6, 7, 8)


class ImageHeader(NamedTuple):
    """Shape and type of an image, and of how many planes it is, where it is a volume."""

    shape: tuple[int, ...]
    dtype: str
    depth: int | None = None

    def __str__(self) -> str:
        kind = "grey" if len(self.shape) == 2 else "colour"
        planes = "" if self.depth is None else f"{self.depth} planes of "
        return f"{planes}{self.shape[0]} x {self.shape[1]} {self.dtype} {kind}"


def is_image_file(path: Path) -> bool:
    """Tell whether a file is an image of a kind that is read here."""
    return image_kind(path) is not None


def is_tiff_file(path: Path) -> bool:
    """Tell whether a file is a TIFF file."""
    return image_kind(path) == "TIFF"


def read_image(path: Path, *, indices: bool = False, plane: int | None = None) -> NDArray[Any]:
    """Read one image, or one plane of a volume, as (Y, X), (Y, X, 3) or (Y, X, 4) in the file's type.

    Images of a palette become RGB, or stay the indices into it: those are the labels of a label image.
    """
    if is_tiff_file(path):
        opened = open_tiff(path, indices=indices)
        with closing(opened.planes):
            planes = _planes(path, opened)
            return opened.planes.read(planes[plane or 0])
    try:
        with Image.open(path) as image:
            _check_single(path, image)
            turned = image if _orientation(image) == 1 else ImageOps.exif_transpose(image)
            return _pixels_of(turned, indices=indices)
    except UNREADABLE as error:
        raise ValueError(f"{path} cannot be read as an image: {error}") from error


def read_header(path: Path, *, indices: bool = False) -> ImageHeader:
    """Read an image's shape and type without its pixels."""
    if is_tiff_file(path):
        opened = open_tiff(path, indices=indices)
        with closing(opened.planes):
            depth = len(_planes(path, opened))
            shape = opened.planes.shape[len(opened.axes) :]
            return ImageHeader(shape, opened.planes.dtype.name, depth if depth > 1 else None)
    try:
        with Image.open(path) as image:
            _check_single(path, image)
            size, mode = (image.height, image.width), image.mode
            if _orientation(image) in _ON_ITS_SIDE:
                size = size[::-1]
    except UNREADABLE as error:
        raise ValueError(f"{path} cannot be read as an image: {error}") from error
    if mode in _GREY_MODES:
        return ImageHeader(size, np.dtype(_GREY_MODES[mode]).name)
    return ImageHeader(size if _plain_mode(mode, indices=indices) in ("L", "P") else (*size, 3), "uint8")


def _pixels_of(image: Image.Image, *, indices: bool = False) -> NDArray[Any]:
    """Take the pixels of an image as grey values, RGB, or the indices into its palette."""
    if image.mode in _GREY_MODES:
        return np.asarray(image, dtype=_GREY_MODES[image.mode])
    wanted = _plain_mode(image.mode, indices=indices)
    return np.asarray(image if image.mode == wanted else image.convert(wanted))


def _orientation(image: Image.Image) -> int:
    # Pillow decodes a PNG to its end in search of a note that stands at its beginning, if anywhere.
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    return int(image.getexif().get(_ORIENTATION, 1))


def _check_single(path: Path, image: Image.Image) -> None:
    count = getattr(image, "n_frames", 1)
    # Cameras put a second picture, of another size, behind the first one of a JPEG (MPO).
    if count > 1 and image.format != "MPO":
        raise ValueError(f"{path} holds {count} frames where a single image is wanted")


def _planes(path: Path, opened: Opened) -> list[tuple[int, ...]]:
    """List the indices of an image's planes: one, or those of a volume; ``ValueError`` for all else."""
    leading = opened.planes.shape[: len(opened.axes)]
    if any(size != 1 and letter not in "zn" for size, letter in zip(leading, opened.axes, strict=True)):
        raise ValueError(f"{path} holds {math.prod(leading)} frames where a single image or a volume is wanted")
    return list(np.ndindex(leading))


def _plain_mode(mode: str, *, indices: bool) -> str:
    if indices and mode in ("P", "PA"):
        return "P"
    # Black-and-white and grey with alpha are grey to the model.
    return "L" if mode in ("1", "LA", "La") else "RGB"

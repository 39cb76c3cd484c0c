"""Reader of PNG, JPEG and TIFF images, single or as frames in a folder."""

from __future__ import annotations

import math
import re
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from napari_sam2.data.images.frame_sources import WHOLE, Area

from .image_kinds import image_kind
from .tiff import open_tiff

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam2.data.images.calibration import Size
    from napari_sam2.data.images.frame_sources import Opened

# Pillow modes whose pixels are taken as they are; every other mode is turned into grey or RGB.
_GREY_MODES = {"L": np.uint8, "I;16": np.uint16, "I;16B": np.uint16, "I": np.int32, "F": np.float32}
# What Pillow raises over a file that is no image or a damaged one.
_UNREADABLE = (OSError, SyntaxError, ValueError)


class FolderSource:
    """Frames in a folder, one image file each, in natural order of their names."""

    def __init__(self, folder: Path) -> None:
        self.files = _image_files(folder)
        # All headers are read on opening: an odd frame found hours into a run would be worse.
        headers = [_read_header(path) for path in self.files]
        # The message names the odd file, which is the one that most others disagree with.
        usual = Counter(headers).most_common(1)[0][0]
        for path, header in zip(self.files, headers, strict=True):
            if header != usual:
                raise ValueError(f"{path} is {header}, but the folder's other images are {usual}")
        self.shape: tuple[int, ...] = (len(self.files), *usual.shape)
        self.dtype: np.dtype[Any] = np.dtype(usual.dtype)
        self.sizes = _pixel_size(self.files[0])

    def read(self, index: tuple[int, ...], area: Area = WHOLE) -> NDArray[Any]:
        """Fetch one frame; its file is opened for that and closed again."""
        return read_image(self.files[index[0]])[area]

    def close(self) -> None:
        """Do nothing: no file stays open."""


class _Header(NamedTuple):
    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        kind = "grey" if len(self.shape) == 2 else "colour"
        return f"{self.shape[0]} x {self.shape[1]} {self.dtype} {kind}"


def is_image_file(path: Path) -> bool:
    """Tell whether a file is an image of a kind that is read here."""
    return image_kind(path) is not None


def is_tiff_file(path: Path) -> bool:
    """Tell whether a file is a TIFF file."""
    return image_kind(path) == "TIFF"


def read_image(path: Path) -> NDArray[Any]:
    """Read one image as (Y, X), (Y, X, 3) or (Y, X, 4) in the file's type; palettes become RGB."""
    if is_tiff_file(path):
        opened = open_tiff(path)
        with closing(opened.planes):
            return opened.planes.read(_only_plane(path, opened))
    try:
        with Image.open(path) as image:
            if image.mode in _GREY_MODES:
                return np.asarray(image, dtype=_GREY_MODES[image.mode])
            return np.asarray(image.convert(_plain_mode(image.mode)))
    except _UNREADABLE as error:
        raise ValueError(f"{path} cannot be read as an image: {error}") from error


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return the sort key that puts ``frame2`` before ``frame10``."""
    # Numbers sort before letters, and by value; equal values ("1" and "01") by their text.
    parts = re.split(r"([0-9]+)", name.lower())
    return tuple((0, int(part), part) if part[0] in "0123456789" else (1, 0, part) for part in parts if part)


def visible_images(paths: Iterable[Path]) -> list[Path]:
    """Pick the image files, in natural order of their names; hidden ones are passed over."""
    visible = (path for path in paths if path.is_file() and not path.name.startswith("."))
    return sorted(filter(is_image_file, visible), key=lambda path: natural_key(path.name))


def _image_files(folder: Path) -> list[Path]:
    files = visible_images(folder.iterdir())
    if not files:
        raise ValueError(f"{folder} holds no images")
    # PNG previews beside TIFF frames are common, and would double the stack.
    formats = [image_kind(path) for path in files]
    usual = Counter(formats).most_common(1)[0][0]
    for path, name in zip(files, formats, strict=True):
        if name != usual:
            raise ValueError(
                f"{folder} holds {usual} images and also {path.name}: keep the frames of a stack in a folder "
                "of their own, all in one format"
            )
    return files


def _read_header(path: Path) -> _Header:
    """Read an image's shape and type without its pixels."""
    if is_tiff_file(path):
        opened = open_tiff(path)
        with closing(opened.planes):
            leading = len(_only_plane(path, opened))
            return _Header(opened.planes.shape[leading:], opened.planes.dtype.name)
    try:
        with Image.open(path) as image:
            size, mode = (image.height, image.width), image.mode
    except _UNREADABLE as error:
        raise ValueError(f"{path} cannot be read as an image: {error}") from error
    if mode in _GREY_MODES:
        return _Header(size, np.dtype(_GREY_MODES[mode]).name)
    return _Header(size if _plain_mode(mode) == "L" else (*size, 3), "uint8")


def _pixel_size(path: Path) -> dict[str, Size]:
    """Take the pixel size from the first image; a single image says nothing about the step to the next."""
    if not is_tiff_file(path):
        return {}
    opened = open_tiff(path)
    opened.planes.close()
    return {name: size for name, size in opened.sizes.items() if name in "yx"}


def _only_plane(path: Path, opened: Opened) -> tuple[int, ...]:
    """Return the index of an image's only plane; ``ValueError`` if it has several."""
    leading = opened.planes.shape[: len(opened.axes)]
    if any(size != 1 for size in leading):
        raise ValueError(f"{path} holds {math.prod(leading)} frames where a single image is wanted")
    return (0,) * len(leading)


def _plain_mode(mode: str) -> str:
    # Black-and-white and grey with alpha are grey to the model.
    return "L" if mode in ("1", "LA", "La") else "RGB"

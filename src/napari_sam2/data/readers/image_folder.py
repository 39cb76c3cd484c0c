"""Reader of folders of images: an image for each frame, or a volume for each time point."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.images.frame_sources import WHOLE, Area

from .image_kinds import image_kind
from .still_image import is_image_file, is_tiff_file, read_header, read_image
from .tiff import open_tiff

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam2.data.images.calibration import Size


class FolderSource:
    """Frames or volumes in a folder, one file each, in natural order of their names."""

    def __init__(self, folder: Path, *, indices: bool = False) -> None:
        self._indices = indices
        self.files = _image_files(folder)
        # All headers are read on opening: an odd frame found hours into a run would be worse.
        headers = [read_header(path, indices=indices) for path in self.files]
        # The message names the odd file, which is the one that most others disagree with.
        usual = Counter(headers).most_common(1)[0][0]
        for path, header in zip(self.files, headers, strict=True):
            if header != usual:
                raise ValueError(f"{path} is {header}, but the folder's other images are {usual}")
        # Time-lapses of volumes come as a file for each time point, as a rule without names of axes.
        self.axes = "n" if usual.depth is None else "tz"
        leading = (len(self.files), *(() if usual.depth is None else (usual.depth,)))
        self.shape: tuple[int, ...] = (*leading, *usual.shape)
        self.dtype: np.dtype[Any] = np.dtype(usual.dtype)
        self.sizes = _sizes(self.files[0], "yx" if usual.depth is None else "zyx")

    def read(self, index: tuple[int, ...], area: Area = WHOLE) -> NDArray[Any]:
        """Fetch one frame; its file is opened for that and closed again."""
        plane = index[1] if len(index) > 1 else None
        return read_image(self.files[index[0]], indices=self._indices, plane=plane)[area]

    def close(self) -> None:
        """Do nothing: no file stays open."""


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


def _sizes(path: Path, axes: str) -> dict[str, Size]:
    """Take sizes from the first file, which says nothing about the step to the next."""
    if not is_tiff_file(path):
        return {}
    opened = open_tiff(path)
    opened.planes.close()
    return {name: size for name, size in opened.sizes.items() if name in axes}

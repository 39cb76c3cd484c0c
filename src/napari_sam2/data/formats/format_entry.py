"""`Format`, an entry of the table of export formats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.data.files.optional_packages import extra_of

if TYPE_CHECKING:
    from napari_sam2.data.images.stack import Stack

    from .export_data import Results


@dataclass(frozen=True)
class Format:
    """A format of results on disk.

    Attributes
    ----------
    name : str
        What it is called on the command line.
    title : str
        What it is, in a few words.
    filename : str
        Name of the file or folder it is written to in a folder of results.
    write : callable
        Writes a `Results` to a path where nothing exists yet.
    lost : str
        What it cannot hold.
    modules : tuple of str
        Modules of optional packages that it takes.
    needs_pixels : bool
        Whether it shows the images.
    check : callable or None
        Refuses a stack that cannot be written, by a `ValueError`.
    is_own : callable or None
        For a folder: tells whether one holds nothing but what this format writes, so that it may be replaced.
    volumes : bool
        Whether it can hold volumes over time.
    keeps : tuple of str or None
        Parts of `GEOMETRY` that it keeps; None where it holds no image of labels.
    needs_axis : bool
        Whether time and depth are written differently, so that a stack must say which its frames are.
    """

    name: str
    title: str
    filename: str
    write: Callable[[Path, Results], None]
    lost: str
    modules: tuple[str, ...] = ()
    needs_pixels: bool = False
    check: Callable[[Stack], None] | None = None
    is_own: Callable[[Path], bool] | None = None
    volumes: bool = False
    needs_axis: bool = False
    keeps: tuple[str, ...] | None = None

    @property
    def extra(self) -> str | None:
        """The extra of this package that it takes."""
        return extra_of(self.modules[0]) if self.modules else None

    @property
    def suffix(self) -> str:
        """Ending of its files, such as ``.ome.tif``."""
        return "".join(Path(self.filename).suffixes)

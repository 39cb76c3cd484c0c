"""A format that results can be exported to, as the panel offers it, and what becomes of a video's background."""

from __future__ import annotations

from dataclasses import dataclass

from napari_sam2.data.pictures.backgrounds import USUAL_BLUR

# Formats that show the objects without their background, in the order in which they are offered.
VIDEO_EDITS = "cutout", "cutout-mp4", "blur-mp4", "cutout-png"


@dataclass(frozen=True)
class ExportChoice:
    """A format to choose."""

    # A format of the command line, or ``"prompts"`` or ``"tracks-layer"``.
    name: str
    # What the menu shows.
    title: str
    # Name to propose; empty where no file is written.
    filename: str
    # Whether it is a folder of files.
    is_folder: bool = False
    # What it cannot hold.
    lost: str = ""
    # Whether it has to be known whether the frames are time or depth.
    needs_axis: bool = False
    # Why it cannot be chosen; empty where it can.
    reason: str = ""


@dataclass(frozen=True)
class Caution:
    """Why results are not yet what they are going to be, and what to do about that: "Update (U)"."""

    why: str
    what_to_do: str

    @property
    def beforehand(self) -> str:
        """What the menu of formats begins with."""
        return f"{self.why}: {self.what_to_do} first"

    @property
    def afterwards(self) -> str:
        """What goes with the news that a file is written."""
        return f"{self.why}: {self.what_to_do}, then export again"


@dataclass(frozen=True)
class VideoEdit:
    """A video or images without the background."""

    choice: ExportChoice
    # Red, green and blue of the ground, where it is one colour.
    colour: tuple[int, int, int] = (0, 177, 64)
    # How strongly it is blurred, where it is, as a share of a frame's longer side.
    blur: float = USUAL_BLUR

"""A format that results can be exported to, as the panel offers it."""

from __future__ import annotations

from dataclasses import dataclass


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

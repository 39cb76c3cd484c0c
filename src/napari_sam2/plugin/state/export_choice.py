"""A format that results can be exported to, as the panel offers it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExportChoice:
    """A format to choose.

    Attributes
    ----------
    name : str
        As the command line calls it, ``"prompts"`` or ``"tracks-layer"``.
    title : str
        What it is.
    filename : str
        Name to propose; empty where no file is written.
    is_folder : bool
        Whether it is a folder of files.
    lost : str
        What it cannot hold.
    reason : str
        Why it cannot be chosen; empty where it can.
    """

    name: str
    title: str
    filename: str
    is_folder: bool = False
    lost: str = ""
    reason: str = ""

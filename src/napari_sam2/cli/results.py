"""The folder of results: what may be written where, and writing it all or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

LABELS, SCORES, RECORD, PROMPTS = "labels.tif", "scores.csv", "session.json", "prompts.json"
_NAMES = (LABELS, SCORES, RECORD, PROMPTS, "overlay.gif", "overlay.png")


@dataclass(frozen=True)
class OutputFolder:
    """A folder that can be written to.

    Attributes
    ----------
    path : Path
        The folder.
    has_results : bool
        Whether an earlier run left its results there.
    """

    path: Path
    has_results: bool

    @property
    def for_partial(self) -> Path:
        """Where results of an unfinished run go: never over those of an earlier one."""
        return self.path / "stopped" if self.has_results else self.path


def check_output(folder: Path, prompts: Path, *, overwrite: bool) -> OutputFolder:
    """Make a folder and see that results can be written to it, before the long work starts.

    Parameters
    ----------
    folder : Path
        The folder; made where it is missing.
    prompts : Path
        The prompts file to read, which may lie in the folder.
    overwrite : bool
        Whether results that are there already may be replaced.

    Returns
    -------
    OutputFolder
        The folder, ready.

    Raises
    ------
    ValueError
        If it is a file, or holds results that may not be replaced.
    OSError
        If it cannot be made or written to.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--output must name a folder, but {folder} is a file")
    own = prompts.resolve()
    found = [name for name in _NAMES if (folder / name).exists() and (folder / name).resolve() != own]
    if found and not overwrite:
        raise ValueError(f"{folder} already holds {found[0]}: name another folder, or add --overwrite to replace it")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        return OutputFolder(folder, bool(found))


def write_results(
    folder: Path, session: Session, *, record: Mapping[str, Any], overlays: Iterable[str], prompts: Path
) -> tuple[str, ...]:
    """Write labels, scores, overlays, prompts and the record of the run.

    Everything is written beside its place first: a full disk leaves the files of an earlier run as they were.

    Parameters
    ----------
    folder : Path
        Where to; made where it is missing.
    session : Session
        What was tracked.
    record : mapping
        What it takes to do it again, besides the input and the prompts, which are added here.
    overlays : iterable of str
        Endings of the overlay pictures, ``"gif"`` and ``"png"``.
    prompts : Path
        The prompts file that was read; it is never written over.

    Returns
    -------
    tuple of str
        Names of the files.
    """
    from napari_sam2.data.export import describe_stack, write_labels_tiff, write_scores_csv, write_session_json
    from napari_sam2.data.overlay import write_overlay
    from napari_sam2.data.prompts import write_prompts

    stack, outputs, window = session.stack, session.outputs, session.encoder.window
    folder.mkdir(parents=True, exist_ok=True)
    names = [LABELS, SCORES, *(f"overlay.{ending}" for ending in overlays), RECORD]
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as draft_folder:
        draft = Path(draft_folder)
        write_labels_tiff(draft / LABELS, outputs.labels, stack)
        write_scores_csv(draft / SCORES, outputs.scores)
        for ending in overlays:
            write_overlay(draft / f"overlay.{ending}", stack, outputs.labels, outputs.scores, window=window)
        described = {"input": describe_stack(stack, window), "prompts": PROMPTS, **record}
        write_session_json(draft / RECORD, described | {"files": names})
        if (folder / PROMPTS).resolve() != prompts.resolve():
            write_prompts(folder / PROMPTS, session.prompts)
        for name in names:
            os.replace(draft / name, folder / name)
    return tuple(names)

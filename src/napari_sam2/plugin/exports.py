"""Results as files: labels, scores and prompts of a session."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.data.export import write_labels_tiff, write_scores_csv
from napari_sam2.data.prompts import write_prompts

if TYPE_CHECKING:
    from .engine import Engine

FILES = ("labels.tif", "scores.csv", "prompts.json")


def export(engine: Engine, folder: str | Path) -> Path:
    """Write what a session holds, in the formats of the command line.

    Parameters
    ----------
    engine : Engine
        Called on the worker's thread.
    folder : path
        Made if it is not there; files in it are replaced once the new ones are whole.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OSError
        If it cannot be written to.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    session = engine.session
    write_labels_tiff(target / FILES[0], session.labels, session.stack)
    write_scores_csv(target / FILES[1], session.outputs.scores)
    write_prompts(target / FILES[2], session.prompts)
    return target

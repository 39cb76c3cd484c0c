"""Reading of a lineage from any file of prompts that has one: Challenge folders, GEFF, TrackMate's XML."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .tracks.ctc_folder import ctc_spans, is_ctc_folder
from .tracks.geff_graph import find_geff, geff_spans
from .tracks.trackmate_spots import trackmate_spans

if TYPE_CHECKING:
    import os

    from napari_sam2.data.labels.lineage import LifeSpan


def read_lineage_file(path: str | os.PathLike[str]) -> dict[int, LifeSpan]:
    """Read begin, end and parent of the objects that `read_prompt_file` finds; nothing where the file says none."""
    source = Path(path)
    if is_ctc_folder(source):
        return ctc_spans(source)
    if find_geff(source) is not None:
        return geff_spans(source)
    return trackmate_spans(source) if source.suffix.lower() == ".xml" else {}

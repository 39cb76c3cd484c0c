"""Names of files: which prompts, labels and sessions in a folder belong to which stack."""

from __future__ import annotations

from pathlib import Path

# All endings are compared in lower case.
PROMPTS_ENDING = ".prompts.json"
# Before the ending of any file that labels are read from.
LABELS_MARK = ".labels"
SESSION_ENDING = ".napari-sam2"
_DOUBLE_ENDINGS = (
    *(".ome.tif", ".ome.tiff", ".ome.zarr", ".ome.zarr.zip", ".zarr.zip"),
    *(".nii.gz", ".hdr.gz", ".img.gz", ".mgh.gz"),
)


def plain_name(path: Path) -> str:
    """Return a file's name without its ending: ``cells`` for ``cells.ome.tif``; a folder's as it is."""
    lower = path.name.lower()
    for ending in (*_DOUBLE_ENDINGS, SESSION_ENDING, ".zarr"):
        if lower.endswith(ending):
            return path.name[: -len(ending)]
    return path.name if path.is_dir() else path.stem


def prompts_name(path: Path) -> str | None:
    """Return the name of the stack that a file or session holds prompts for; ``None`` for any other file."""
    lower = path.name.lower()
    for ending in (PROMPTS_ENDING, SESSION_ENDING):
        if lower.endswith(ending):
            return path.name[: -len(ending)]
    plain = plain_name(path)
    return plain[: -len(LABELS_MARK)] if plain.lower().endswith(LABELS_MARK) else None

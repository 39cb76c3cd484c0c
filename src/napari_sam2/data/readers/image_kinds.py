"""Which kind of image a file holds, told by its first bytes: endings are often missing, wrong or a maker's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Of classic and of BigTIFF, in either order of bytes. STK, LSM, BTF, SVS and others of their kind begin like that, too.
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BEGINNINGS = {
    **dict.fromkeys(_TIFF, "TIFF"),
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"\0\0\0\x0cjP  \r\n": "JPEG 2000",
    **dict.fromkeys((b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"), "PNM"),
}
_SUFFIXES = {
    **dict.fromkeys((".tif", ".tiff", ".btf", ".tf8", ".stk", ".lsm"), "TIFF"),
    **dict.fromkeys((".jpg", ".jpeg"), "JPEG"),
    ".png": "PNG",
    ".apng": "PNG",
    ".gif": "GIF",
    ".bmp": "BMP",
    ".webp": "WebP",
    **dict.fromkeys((".jp2", ".j2k"), "JPEG 2000"),
    **dict.fromkeys((".pbm", ".pgm", ".ppm", ".pnm"), "PNM"),
}
# Beginnings this short may be chance: the ending has to agree.
_SHORT = ("BMP", "PNM")


def image_kind(path: Path) -> str | None:
    """Tell whether a file is an image of a kind read here; None for anything else."""
    # A file whose beginning is damaged still is what its ending says, and must be missed.
    ending = _SUFFIXES.get(path.suffix.lower())
    try:
        with path.open("rb") as file:
            start = file.read(132)
    except OSError:
        return ending
    # DICOM leaves its first 128 bytes to others, and slides begin like a TIFF file there.
    if start[128:] == b"DICM":
        return None
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WebP"
    found = next((kind for beginning, kind in _BEGINNINGS.items() if start.startswith(beginning)), None)
    return ending if found is None or (found in _SHORT and found != ending) else found

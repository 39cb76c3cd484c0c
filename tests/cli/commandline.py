"""Running the command, and small stacks to run it on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

SCRIPT = Path(sys.executable).parent / "napari-sam2"


@dataclass(frozen=True)
class Finished:
    """How a run in this process ended."""

    status: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The last line of stderr, after checking that besides progress bars there is no other."""
        return only_line(self.err)


Run = Callable[..., Finished]


@dataclass(frozen=True)
class DiskStack:
    """A stack of a moving disk, with a prompts file."""

    path: Path
    prompts: Path
    masks: np.ndarray


def only_line(err: str) -> str:
    *bars, last, end = err.replace("\r", "\n").split("\n")
    assert end == "", err
    assert last.startswith("napari-sam2: "), err
    assert [line for line in bars if line.strip() and "frame" not in line and "%|" not in line] == [], err
    return last


def start_script(*words: object, **options: Any) -> subprocess.Popen[str]:
    """Start the installed command."""
    command = [str(SCRIPT), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def draw_disk(n_frames: int, shape: tuple[int, int] = (40, 56)) -> tuple[np.ndarray, np.ndarray]:
    """Draw a bright disk that moves to the right: uint16 frames and masks."""
    rows, columns = np.indices(shape)
    rng = np.random.default_rng(7)
    masks = np.stack([np.hypot(rows - 20, columns - centre) < 7 for centre in np.linspace(12, 42, n_frames)])
    return (rng.normal(300, 20, masks.shape) + 2000 * masks).astype(np.uint16), masks


def write_entries(path: Path, entries: Iterable[dict[str, Any]]) -> Path:
    """Write a prompts file by hand."""
    path.write_text(json.dumps({"version": 1, "prompts": list(entries)}), encoding="utf-8")
    return path


def write_disk(folder: Path, n_frames: int) -> DiskStack:
    """Write uint16 frames of 40 x 56 pixels of 0.5 x 0.25 um, every 2 s, and prompts of three objects."""
    frames, masks = draw_disk(n_frames)
    sizes = {"axes": "TYX", "unit": "um", "finterval": 2.0}
    tifffile.imwrite(folder / "disk.tif", frames, imagej=True, resolution=(4, 2), metadata=sizes)
    tifffile.imwrite(folder / "mask.tif", masks[0].astype(np.uint8))
    entries = [
        {"frame": 0, "object": 1, "mask": "mask.tif"},
        {"frame": 0, "object": 2, "points": [[30, 40]], "labels": [1]},
        {"frame": 5, "object": 3, "box": [2, 3, 14, 20]},
    ]
    return DiskStack(folder / "disk.tif", write_entries(folder / "prompts.json", entries), masks)

"""``job.json`` in a job's folder: its state, and hashes of everything its results depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.job.options import JobOptions
from napari_sam2.job.output_folder import LABELS, RECORD, SCORES, SESSION

if TYPE_CHECKING:
    from napari_sam2.data.prompts.prompt import Prompt

MARKER = "job.json"
STARTED, DONE, FAILED = "started", "done", "failed"
_VERSION = 1
# Where the work is done, and where it lies, makes no difference to what comes out; more formats are written later.
_NO_DIFFERENCE = ("input", "prompts", "output", "overwrite", "save", "exports")


@dataclass(frozen=True)
class Marker:
    """The content of ``job.json``."""

    # ``"started"``, ``"done"`` or ``"failed"``.
    state: str
    # Hashes of the image (name, size and time of change), the prompts, the options and the model's file.
    made_of: dict[str, str]
    # How often it was started.
    attempts: int = 1
    # What was tracked in the end.
    n_frames: int = 0
    n_objects: int = 0
    # How long the last attempt took.
    seconds: float = 0.0
    # Why it failed.
    message: str = ""

    def write(self, folder: Path) -> None:
        """Write the marker, whole or not at all."""
        from napari_sam2.data.files.atomic_files import write_json

        write_json(folder / MARKER, {"version": _VERSION} | asdict(self))

    def differences(self, made_of: dict[str, str]) -> list[str]:
        """List which of the inputs have changed since."""
        return [name for name, digest in made_of.items() if self.made_of.get(name) != digest]


def read_marker(folder: Path) -> Marker | None:
    """Read a folder's marker; ``None`` where there is none that can be read."""
    from napari_sam2.data.files.atomic_files import read_json

    try:
        values = read_json(folder / MARKER)
        if values.pop("version") != _VERSION:
            return None
        return Marker(**values)
    # A damaged marker only means that the job is done again.
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return None


def check_own(folder: Path) -> None:
    """Refuse a folder with results that no batch has written; ``ValueError`` names one."""
    # The batch overwrites its own results; those without a marker are somebody's own.
    if (folder / MARKER).exists():
        return
    for name in (LABELS, SCORES, RECORD, SESSION):
        if (folder / name).exists():
            raise ValueError(f"{folder} holds a {name} that is not from a batch: choose another --output or name")


def made_of(options: JobOptions, prompts: Iterable[Prompt]) -> dict[str, str]:
    """Hash everything that the results of a job depend on."""
    # The same work, on whatever device and however the model was named.
    model = replace(options.model, model=None, checkpoint=None, device="auto")
    plain: dict[str, Any] = replace(options, model=model).to_plain()
    for name in _NO_DIFFERENCE:
        del plain[name]
    return {
        # Hashing the pixels of terabytes would take longer than tracking; size and time of change must do.
        "image": _digest(_stamp(options.input)),
        "prompts": _hash_prompts(prompts),
        "options": _digest(plain),
        "model": options.model.sha256,
    }


def _digest(plain: object) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _stamp(path: Path) -> list[object]:
    """Return name, size and time of change of a file, or of all files in a folder."""
    status = path.stat()
    if not path.is_dir():
        return [path.name, status.st_size, status.st_mtime_ns]
    inside = sorted(found for found in path.rglob("*") if found.is_file())
    return [path.name, [[found.relative_to(path).as_posix(), *_stamp(found)[1:]] for found in inside]]


def _hash_prompts(prompts: Iterable[Prompt]) -> str:
    import numpy as np

    digest = hashlib.sha256()
    # In their order, as another order could give other results.
    for prompt in prompts:
        points = (
            None if prompt.points is None or prompt.labels is None else (prompt.points.tolist(), prompt.labels.tolist())
        )
        shape = None if prompt.mask is None else prompt.mask.shape
        digest.update(repr((prompt.frame, prompt.object_id, points, prompt.box, shape)).encode())
        if prompt.mask is not None:
            digest.update(np.packbits(prompt.mask).tobytes())
    return digest.hexdigest()

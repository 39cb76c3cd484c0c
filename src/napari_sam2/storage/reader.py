"""Opens a session folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from napari_sam2.data.images.stack import Stack
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.core import TrackingSession

from .codec import MALFORMED, real_number, whole_number
from .layout import MEMORIES, VERSION, read_header
from .locate_inputs import find_data, find_model
from .lock import FolderLock
from .restore import Restorer
from .saved_state import SavedState
from .writer import SessionWriter

_ELSEWHERE = "changes are not saved before save() names another folder"


@dataclass(frozen=True, eq=False)
class OpenFolder:
    """A session folder that was read, and what a session is to be made of."""

    folder: Path
    header: dict[str, Any]
    state: SavedState
    stack: Stack
    model: Sam2
    settings: dict[str, Any]
    # Whether the model is the one that the session was made with.
    is_same_model: bool

    @classmethod
    def read(cls, folder: Path, *, frames: Stack | ArrayLike | None, model: Sam2 | None) -> OpenFolder:
        """Read a folder and find its image and model; raises as `Session.open`."""
        folder = folder.resolve()
        header = read_header(folder)
        stack = find_data(header["data"], folder, frames)
        found, is_same = find_model(header["model"], model)
        state = SavedState.read(folder / header["journal"])
        return cls(folder, header, state, stack, found, read_settings(header["settings"], state), is_same)

    def restore(self, session: TrackingSession) -> tuple[SessionWriter | None, tuple[str, ...]]:
        """Bring a new session back to where it was; return what goes on saving it, and what is wrong, a line each."""
        restorer = Restorer(session, self.state, self.folder)
        if self.is_same_model:
            restorer.restore()
        else:
            restorer.restore_for_another_model()
        problems = [*_about_version(self.header), *self.state.problems, *restorer.problems]
        if not self.is_same_model:
            made_with = self.header["model"].get("name") or self.header["model"].get("variant")
            problems.append(f"the results are those of another model ({made_with}) until they are tracked again")
        session.outputs.touched.clear()
        writer: SessionWriter | None = None
        if not problems:
            writer, problems = _go_on_saving(self.folder, self.header)
        # What could not be read stays on the disk for whoever can repair it.
        problems += [_ELSEWHERE] if problems else []
        return writer, tuple(dict.fromkeys(problems))


def read_settings(said: dict[str, Any], state: SavedState) -> dict[str, Any]:
    """Read the options that a session was made with; ``ValueError`` if they are damaged."""
    try:
        zoom = said["zoom"]
        settings: dict[str, Any] = {
            "fill_hole_area": whole_number(said["fill_hole_area"], 0, 2**31),
            "zoom": zoom if isinstance(zoom, str) else real_number(zoom),
        }
        if window := state.plain.get("window"):
            low, high = window
            settings["contrast_limits"] = real_number(low), real_number(high)
    except MALFORMED as error:
        raise ValueError(f"the settings of the session are damaged: {error}") from error
    return settings


def _about_version(header: dict[str, Any]) -> list[str]:
    if header["version"] <= VERSION:
        return []
    program = header.get("versions", {}).get("napari-sam2", "a newer version")
    said = f"the session was written by napari-sam2 {program} in format {header['version']}"
    return [f"{said}, this one knows format {VERSION}: what it does not know is left out"]


def _go_on_saving(folder: Path, header: dict[str, Any]) -> tuple[SessionWriter | None, list[str]]:
    memories = folder / MEMORIES
    if memories.is_symlink() or (memories.exists() and not memories.is_dir()):
        return None, [f"{memories} is a link: links are not followed in a session folder"]
    try:
        lock = FolderLock(folder)
    except OSError as error:
        return None, [f"{folder} cannot be written to: {error.strerror}"]
    return SessionWriter(folder, lock, int(header["journal"][len("journal-") : -len(".jsonl")])), []

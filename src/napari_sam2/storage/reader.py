"""Opening of a session folder: reading it, restoring a session from it, and going on saving to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from numpy.typing import ArrayLike

from napari_sam2.data.images.stack import Stack
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.core import TrackingSession
from napari_sam2.storage.folder.layout import MEMORIES, read_header
from napari_sam2.storage.folder.lock import FolderLock
from napari_sam2.storage.folder.schema import VERSION, Header

from .locate_inputs import find_data, find_model
from .restore import Restorer
from .saved_state import SavedState
from .writer import SessionWriter

_ELSEWHERE = "changes are not saved before save() names another folder"


class Settings(TypedDict, total=False):
    """Options of `Session` with which it was made."""

    zoom: str | float
    memory: str
    fill_hole_area: int
    contrast_limits: tuple[float, float]


@dataclass(frozen=True, eq=False)
class OpenFolder:
    """A session folder that was read, with the image and model from which its session is made."""

    folder: Path
    header: Header
    saved: SavedState
    stack: Stack
    model: Sam2
    settings: Settings
    # Whether the model is the one that the session was made with.
    is_same_model: bool

    @classmethod
    def read(cls, folder: Path, *, frames: Stack | ArrayLike | None, model: Sam2 | None) -> OpenFolder:
        """Read a folder and find its image and model; raises as `Session.open`."""
        folder = folder.resolve()
        # Image and model first: if one is missing, the error comes before the journal, which may be large, is read.
        header = read_header(folder)
        stack = find_data(header.data, folder, frames)
        found, is_same = find_model(header.model, model)
        saved = SavedState.read(folder / header.journal)
        return cls(folder, header, saved, stack, found, settings_of(header, saved), is_same)

    def restore(self, session: TrackingSession) -> tuple[SessionWriter | None, tuple[str, ...]]:
        """Restore a new session; return the writer that goes on saving it, if any, and what is wrong, a line each."""
        restorer = Restorer(session, self.saved, self.folder)
        if self.is_same_model:
            restorer.restore()
        else:
            restorer.restore_for_another_model()
        problems = [*_about_version(self.header), *self.saved.problems, *restorer.problems]
        if not self.is_same_model:
            made_with = self.header.model.name or self.header.model.variant
            problems.append(f"the results are those of another model ({made_with}) until they are tracked again")
        # Filling results in is no change that would have to be saved.
        session.outputs.touched.clear()
        writer: SessionWriter | None = None
        # Going on would replace the journal by what could be read.
        if not problems:
            writer, problems = _go_on_saving(self.folder, self.header, session)
        # Otherwise what could not be read stays on the disk for whoever can repair it.
        problems += [_ELSEWHERE] if problems else []
        return writer, tuple(dict.fromkeys(problems))


def settings_of(header: Header, saved: SavedState) -> Settings:
    """The options with which a session was made."""
    made = header.settings
    settings = Settings(zoom=made.zoom, memory=made.memory, fill_hole_area=made.fill_hole_area)
    if saved.window is not None:
        settings["contrast_limits"] = saved.window
    return settings


def _about_version(header: Header) -> list[str]:
    if header.version <= VERSION:
        return []
    program = header.versions.get("napari-sam2", "a newer version")
    origin = f"the session was written by napari-sam2 {program} in format {header.version}"
    return [f"{origin}, this one knows format {VERSION}: what it does not know is left out"]


def _go_on_saving(folder: Path, header: Header, session: TrackingSession) -> tuple[SessionWriter | None, list[str]]:
    # Someone else's folder could have a link here to have files elsewhere overwritten.
    memories = folder / MEMORIES
    if memories.is_symlink() or (memories.exists() and not memories.is_dir()):
        return None, [f"{memories} is a link: links are not followed in a session folder"]
    try:
        lock = FolderLock(folder)
    except OSError as error:
        return None, [f"{folder} cannot be written to: {error.strerror}"]
    generation = int(header.journal[len("journal-") : -len(".jsonl")])
    return SessionWriter(folder, lock, generation, session.history), []

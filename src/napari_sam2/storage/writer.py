"""Writes a session to its folder, change by change."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save
from torch import Tensor

from napari_sam2.data.files.atomic_files import replacing, write_json
from napari_sam2.session.tracking.memory_bank import FrameMemory

from .change_log import Changes, Notes, encode_frames
from .fingerprint import describe_session
from .journal import Journal
from .layout import HEADER, MEMORIES, journal_name, memory_path, write_through
from .lock import FolderLock

if TYPE_CHECKING:
    from napari_sam2.session.core import TrackingSession

# Tensors of a memory, as they are called in its file.
PARTS = ("low_res_bhw", "pointer_bc", "memory_bchw")
# A journal is written anew when it has grown by this much, and by this many times what is needed.
_SPARE_BYTES, _SPARE_TIMES = 64 * 2**20, 4
# After a power cut, as against a program that ends, this many seconds of tracking may be lost; prompts never wait.
_SECONDS_AT_RISK = 5.0


class SessionWriter:
    """Keeps a session folder up to date.

    The state is in a journal: a line for each change, so that a program which ends at any moment leaves all lines but
    the one it was writing. Memories lie in files of their own, which are there before a line names them, and are
    removed after a line has said that they are of no use.

    Parameters
    ----------
    folder : Path
        The session folder; the first change writes it anew.
    lock : FolderLock
        Of that folder.
    generation : int
        Number of the journal that is in use there, 0 where there is none.
    """

    def __init__(self, folder: Path, lock: FolderLock, generation: int) -> None:
        self.folder = folder
        self._lock = lock
        self._generation = generation
        self._journal: Journal | None = None
        self._needed = 0
        self._notes = Notes()
        self._file_number = _last_memory_file(folder)
        # How many memories in a file are still of use, and which file holds a memory.
        self._in_use: dict[int, int] = {}
        self._file_of: dict[int, int] = {}
        self._unsynced: list[Path] = []
        self._useless: list[Path] = []
        self._last_sync = time.monotonic()

    @classmethod
    def create(cls, folder: str | os.PathLike[str], session: TrackingSession) -> SessionWriter:
        """Write a session to a new folder, which appears only once it is complete.

        Parameters
        ----------
        folder : str or path-like
            Where nothing is yet, or an empty folder.
        session : TrackingSession
            Not changed.

        Raises
        ------
        ValueError
            If there is something already.
        OSError
            If it cannot be written.
        """
        place = Path(folder).resolve()
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise ValueError(f"{place} is there already: open it with Session.open, or name a new folder")
        with replacing(place) as draft:
            (draft / MEMORIES).mkdir(parents=True)
            lock = FolderLock(draft)
            try:
                first = cls(draft, lock, 0)
                first.record(session)
                first.close()
            finally:
                lock.release()
        return cls(place, FolderLock(place), 1)

    def record(self, session: TrackingSession) -> None:
        """Write down what has changed.

        Parameters
        ----------
        session : TrackingSession
            Not changed.

        Raises
        ------
        OSError
            If that fails; the folder then holds what it held before, and the next time everything is written.
        """
        try:
            if self._journal is None or self._journal.nbytes > _SPARE_BYTES + _SPARE_TIMES * self._needed:
                self._write_all(session)
            else:
                self._add(session, self._journal)
        except OSError as error:
            self._close_journal()
            raise OSError(error.errno, f"the session cannot be saved: {error.strerror}", str(self.folder)) from error
        session.outputs.touched.clear()

    def sync(self) -> None:
        """Wait until everything is on the disk, where a power cut leaves it."""
        if self._journal is None:
            return
        for path in self._unsynced:
            if path.exists():
                write_through(path)
        self._unsynced.clear()
        self._journal.sync()
        # Only now: what the disk holds of the journal may still name them.
        for path in self._useless:
            path.unlink(missing_ok=True)
        self._useless.clear()
        self._last_sync = time.monotonic()

    def close(self) -> None:
        """Let go of the folder."""
        self._close_journal()
        self._lock.release()

    def _close_journal(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _add(self, session: TrackingSession, journal: Journal) -> None:
        changes = self._notes.changes(session, session.outputs.touched)
        if not changes.event and not changes.forgotten:
            return
        self._write_event(changes, journal)
        if "edits" in changes.event or time.monotonic() - self._last_sync > _SECONDS_AT_RISK:
            self.sync()

    def _write_event(self, changes: Changes, journal: Journal) -> None:
        event = dict(changes.event)
        if changes.memories:
            self._file_number += 1
            event["memories"] = self._write_memories(self._file_number, changes.memories)
        if changes.forgotten:
            event["forgotten"] = changes.forgotten
        journal.append(event)
        for number in changes.forgotten:
            file = self._file_of.pop(number)
            self._in_use[file] -= 1
            if not self._in_use[file]:
                del self._in_use[file]
                self._useless.append(memory_path(self.folder, file))

    def _write_memories(self, file: int, memories: Iterable[tuple[int, FrameMemory]]) -> dict[int, Any]:
        tensors: dict[str, Tensor] = {}
        said: dict[int, Any] = {}
        for number, memory in memories:
            parts = {part: tensor for part in PARTS if (tensor := getattr(memory, part)) is not None}
            tensors |= {f"{number}.{part}": tensor.cpu().contiguous() for part, tensor in parts.items()}
            said[number] = {"file": file, "parts": list(parts)} | describe_memory(memory)
            self._file_of[number] = file
        self._in_use[file] = len(said)
        path = memory_path(self.folder, file)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(save(tensors))
        self._unsynced.append(path)
        return said

    def _write_all(self, session: TrackingSession) -> None:
        """Write everything to a new journal, and only then go over to it."""
        self._close_journal()
        self._notes, self._in_use, self._file_of, self._unsynced = Notes(), {}, {}, []
        generation = self._generation + 1
        self._journal = Journal(self.folder / journal_name(generation))
        self._write_event(self._notes.changes(session, ()), self._journal)
        outputs, ids = session.outputs, session.object_ids
        for frame in sorted({*outputs.labels.frames_done, *(row.frame for row in outputs.scores)}):
            # Frame by frame: together they may be too many for one line.
            self._journal.append({"frames": encode_frames(outputs, [frame], ids)})
        self.sync()
        write_through(self.folder)
        header = describe_session(session, self.folder) | {"journal": journal_name(generation)}
        with replacing(self.folder / HEADER) as draft:
            write_json(draft, header)
            write_through(draft)
        write_through(self.folder)
        self._generation, self._needed = generation, self._journal.nbytes
        self._clean_up()

    def _clean_up(self) -> None:
        """Remove what earlier journals and programs that were stopped have left."""
        used = {memory_path(self.folder, file) for file in self._in_use}
        for path in self.folder.glob("journal-*.jsonl"):
            if path != self.folder / journal_name(self._generation):
                path.unlink()
        for path in (self.folder / MEMORIES).glob("*.safetensors"):
            if path not in used:
                path.unlink()


def describe_memory(memory: FrameMemory) -> dict[str, Any]:
    """Give what is no tensor of a memory as JSON."""
    view, place = memory.view, memory.place
    return {
        "score": memory.object_score_logit,
        "iou": memory.iou,
        "view": None if view is None else [view.top, view.left, view.height, view.width],
        "place": None if place is None else [place.y, place.x, place.extent],
    }


def _last_memory_file(folder: Path) -> int:
    names = [path.stem for path in (folder / MEMORIES).glob("*.safetensors")]
    return max((int(name) for name in names if name.isdecimal()), default=0)

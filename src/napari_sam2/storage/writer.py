"""Saving of a session to its folder, change by change, so that a program that dies leaves it whole."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import save
from torch import Tensor

from napari_sam2.data.files.atomic_files import replacing
from napari_sam2.session.steps.history import Step
from napari_sam2.session.tracking.memory_bank import FrameMemory
from napari_sam2.session.tracking.run_plan import TrackingRun
from napari_sam2.storage.folder.codec import observation_record
from napari_sam2.storage.folder.journal import Journal
from napari_sam2.storage.folder.layout import HEADER, MEMORIES, journal_name, memory_path, write_through
from napari_sam2.storage.folder.lock import FolderLock
from napari_sam2.storage.folder.schema import Event, MemoryRecord

from .change_log import ChangeLog, Changes, frame_records
from .fingerprint import describe_session

if TYPE_CHECKING:
    from napari_sam2.session.core import TrackingSession

# Steps that can be undone, and those that can be done again.
History = tuple[tuple[Step, ...], tuple[Step, ...]]

# Tensors of a memory, by the names that they have as attributes and in files.
PARTS = ("low_res_bhw", "pointer_bc", "memory_bchw", "prototype_c")
# A journal is written anew, without what is out of date, once it has grown by this many bytes plus this many times the
# size of a new one.
_SPARE_BYTES, _SPARE_TIMES = 64 * 2**20, 4
# A power cut, unlike the end of the program, may lose this many seconds of tracking; prompts are synced at once.
_SECONDS_AT_RISK = 5.0
# Memories can be made again by tracking the frames again, so they are saved less often than results: once there are at
# most this many bytes for each frame tracked since the last time, after at least so many frames; or when tracking
# again would take too long, in seconds: over a minute at the end of a run, over five during one.
_BYTES_A_FRAME, _LEAST_FRAMES = 80_000, 30
LONG_AT_REST, _LONG = 60.0, 300.0


class SessionWriter:
    """Saves the changes of a session to its folder.

    The state is in a journal: a line for each change, so that a program which ends at any moment leaves all lines but
    the one it was writing. Memories lie in files of their own, which are there before a line names them, and are
    removed after a line that forgets them is on the disk.

    The first change after opening writes a new journal. ``generation`` is the number of the journal in use, 0 where
    there is none; ``history`` is the undo history that it holds.
    """

    def __init__(self, folder: Path, lock: FolderLock, generation: int, history: History) -> None:
        self.folder = folder
        # Held until `close`: while there is a writer, no other program changes the folder.
        self._lock = lock
        self._generation = generation
        self._history = history
        # Files are numbered upwards from those there are, so that a new one never replaces one that a journal names.
        self._file_number = _last_memory_file(folder)
        # ``None`` until everything is written, and again while a change is being saved.
        self._journal: Journal | None = None
        # Whether saving was begun and has not succeeded since.
        self._is_cut_off = False
        self._begin()

    def _begin(self) -> None:
        # What the new journal holds so far: nothing.
        self._log = ChangeLog()
        # Bytes of the journal when everything was in it once.
        self._needed = 0
        # How many memories in a file are still of use, and which file holds a memory.
        self._in_use: dict[int, int] = {}
        self._file_of: dict[int, int] = {}
        # Memory files not yet synced, and those to be removed after the next sync.
        self._unsynced: list[Path] = []
        self._useless: list[Path] = []
        self._last_sync = self._last_memories = time.monotonic()
        # Frames tracked since memories were last saved, and at how many of them to check again whether to save them.
        self._behind = self._look_at = 0

    @classmethod
    def create(cls, folder: str | os.PathLike[str], session: TrackingSession) -> SessionWriter:
        """Write a session to a new folder, which appears only once it is complete; raises as `Session.save`."""
        place = Path(folder).resolve()
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise ValueError(f"{place} is there already: open it with Session.open, or name a new folder")
        # Written in full under another name, then renamed: if this fails or the program dies, there is no half folder.
        with replacing(place) as draft:
            (draft / MEMORIES).mkdir(parents=True)
            lock = FolderLock(draft)
            try:
                first = cls(draft, lock, 0, session.history)
                first.record(session)
                first.close()
            finally:
                lock.release()
        # The draft was unlocked for the rename, which an open file would prevent on Windows; the folder is locked anew.
        return cls(place, FolderLock(place), 1, session.history)

    def record(self, session: TrackingSession, tracked: TrackingRun | None = None) -> None:
        """Save what has changed; ``tracked`` is given where nothing has but by the last visit of that run.

        After an ``OSError`` the folder holds what it held before, and the next time everything is written.
        """
        # If this is interrupted, no journal is set, and the next time all is written: the log may count as saved what
        # is not.
        self._is_cut_off = True
        journal, self._journal = self._journal, None
        try:
            # Three ways to save: everything anew, everything that has changed, or only what the last visit has changed.
            if journal is None or journal.nbytes > _SPARE_BYTES + _SPARE_TIMES * self._needed:
                journal = self._write_all(session)
            elif tracked is None or not self._log.continues(tracked):
                self._write_changes(session, journal)
            else:
                self._write_visit(session, tracked, journal)
            # Only when the event is written does its content count as saved.
            self._history = session.history
            session.outputs.touched.clear()
            self._journal, self._is_cut_off = journal, False
        except OSError as error:
            raise OSError(error.errno, f"the session cannot be saved: {error.strerror}", str(self.folder)) from error
        finally:
            # Failed or interrupted: the next time a new journal is begun, and this one may end in half a line.
            if self._journal is None and journal is not None:
                journal.close()

    def rest(self, session: TrackingSession, seconds: float = LONG_AT_REST) -> None:
        """Write down what could not be before, and memories that are few, or would take longer to make again."""
        is_missed = self._is_cut_off or session.outputs.touched or session.history != self._history
        waited = time.monotonic() - self._last_memories
        if is_missed or (self._behind and (waited > seconds or self._frames_to_wait(session) <= self._behind)):
            self.record(session)

    def save(self, session: TrackingSession) -> None:
        """Save everything and wait until it is on the disk."""
        self.rest(session)
        if self._journal is not None:
            self._sync(self._journal)

    def close(self) -> None:
        """Close the journal and unlock the folder."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self._lock.release()

    def _sync(self, journal: Journal) -> None:
        """Wait until everything written is on the disk, so that a power cut cannot undo it."""
        # Memories first: a journal on the disk must not name a file that is not.
        for path in self._unsynced:
            if path.exists():
                write_through(path)
        self._unsynced.clear()
        journal.sync()
        # Only now: what the disk holds of the journal may still name them.
        for path in self._useless:
            path.unlink(missing_ok=True)
        self._useless.clear()
        self._last_sync = time.monotonic()

    def _write_visit(self, session: TrackingSession, run: TrackingRun, journal: Journal) -> None:
        # Most visits write results only; memories now and then.
        self._behind += 1
        if self._behind >= self._look_at:
            # Looked at again when there is room for what there is now: it does not shrink.
            self._look_at = max(self._frames_to_wait(session), _LEAST_FRAMES)
        if self._behind >= self._look_at or time.monotonic() - self._last_memories > _LONG:
            self._write_changes(session, journal)
            return
        journal.append(self._log.visit(session.outputs, run, session.history[0][-1:]))
        if time.monotonic() - self._last_sync > _SECONDS_AT_RISK:
            self._sync(journal)

    def _frames_to_wait(self, session: TrackingSession) -> int:
        """How many frames there must have been for memories to be written."""
        return -(-self._log.unwritten_bytes(session.state()) // _BYTES_A_FRAME)

    def _write_changes(self, session: TrackingSession, journal: Journal) -> None:
        # From here on the log counts the changes as saved; if writing fails, `record` starts over with a new log.
        changes = self._log.changes(session, session.state(), session.outputs.touched)
        self._write_event(changes, journal)
        # What a user did must survive a power cut; the rest of a run can be repeated.
        if changes.event.model_fields_set & {"undos", "redos"} or time.monotonic() - self._last_sync > _SECONDS_AT_RISK:
            self._sync(journal)

    def _write_event(self, changes: Changes, journal: Journal) -> None:
        event = changes.event
        # The file of memories is written before the line that names it: if the program dies in between, a file is left
        # over, which is removed when the folder is next written anew.
        if changes.memories:
            self._file_number += 1
            memories = self._write_memories(self._file_number, changes.memories)
            event = event.model_copy(update={"memories": memories})
        if event.model_fields_set:
            journal.append(event)
        # Files go only after the line that forgets their memories is on the disk; one holds the memories of one event,
        # so it goes with the last of them.
        for number in changes.forgotten:
            file = self._file_of.pop(number)
            self._in_use[file] -= 1
            if not self._in_use[file]:
                del self._in_use[file]
                self._useless.append(memory_path(self.folder, file))
        self._behind, self._look_at, self._last_memories = 0, 0, time.monotonic()

    def _write_memories(self, file: int, memories: Mapping[int, FrameMemory]) -> dict[int, MemoryRecord]:
        tensors: dict[str, Tensor] = {}
        addresses: set[int] = set()
        for number, memory in memories.items():
            for part, tensor in _parts(memory).items():
                stored = tensor.cpu().contiguous()
                # A memory before and after its map was encoded has the same mask, which a file holds twice.
                tensors[f"{number}.{part}"] = stored.clone() if stored.data_ptr() in addresses else stored
                addresses.add(stored.data_ptr())
            self._file_of[number] = file
        self._in_use[file] = len(memories)
        path = memory_path(self.folder, file)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(save(tensors))
        self._unsynced.append(path)
        return {number: memory_record(memory, file) for number, memory in memories.items()}

    def _write_all(self, session: TrackingSession) -> Journal:
        """Write everything to a new journal, and only then name it in the header."""
        self._begin()
        # A name that no header has had, even where this was interrupted before.
        self._generation += 1
        name = journal_name(self._generation)
        journal = Journal(self.folder / name)
        # Everything but results in one event.
        self._write_event(self._log.changes(session, session.state(), ()), journal)
        outputs = session.outputs
        for frame in sorted({*outputs.labels.frames_done, *(row.frame for row in outputs.scores)}):
            # Frame by frame: together they may be too many for one line.
            journal.append(Event(frames={**frame_records(outputs, [frame])}))
        # The old header names the old journal, which stays whole until here. The new one must be on the disk in full
        # before the header names it, and replacing the header is a single step: at any moment it names a complete
        # journal.
        self._sync(journal)
        write_through(self.folder)
        header = describe_session(session, self.folder, journal=name)
        with replacing(self.folder / HEADER) as draft:
            draft.write_text(header.model_dump_json(indent=2) + "\n", encoding="utf-8")
            write_through(draft)
        write_through(self.folder)
        # Only now is the old journal of no use.
        self._needed = journal.nbytes
        self._clean_up()
        return journal

    def _clean_up(self) -> None:
        """Remove earlier journals, and files left over by programs that died."""
        used = {memory_path(self.folder, file) for file in self._in_use}
        for path in self.folder.glob("journal-*.jsonl"):
            if path != self.folder / journal_name(self._generation):
                path.unlink()
        for path in (self.folder / MEMORIES).glob("*.safetensors"):
            if path not in used:
                path.unlink()


def _parts(memory: FrameMemory) -> dict[str, Tensor]:
    return {part: tensor for part in PARTS if (tensor := getattr(memory, part)) is not None}


def memory_record(memory: FrameMemory, file: int) -> MemoryRecord:
    """Make the record of a memory: all of it but its tensors, which are in the file with that number."""
    view, place = memory.view, memory.place
    return MemoryRecord.model_validate(
        {
            "file": file,
            "parts": tuple(_parts(memory)),
            "score": memory.object_score_logit,
            "iou": memory.iou,
            "view": None if view is None else (view.top, view.left, view.height, view.width),
            "place": None if place is None else (place.y, place.x, place.extent),
            **({} if memory.observation is None else {"observation": observation_record(memory.observation)}),
        }
    )


def _last_memory_file(folder: Path) -> int:
    names = [path.stem for path in (folder / MEMORIES).glob("*.safetensors")]
    return max((int(name) for name in names if name.isdecimal()), default=0)

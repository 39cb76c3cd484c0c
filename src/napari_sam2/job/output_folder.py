"""The folder of results: checks before a job, and writing of all files or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sam2.data.formats import Format, Results
    from napari_sam2.data.prompts.prompt import Prompt

LABELS, SCORES, RECORD, PROMPTS = "labels.tif", "scores.csv", "session.json", "prompts.json"
SESSION = "session.napari-sam2"
# Locked, and there, while a run is under way.
_CLAIM = ".run-lock"
_NAMES = (LABELS, SCORES, RECORD, PROMPTS, "overlay.gif", "overlay.png")
# Pictures are written together with labels and scores; other formats once those are safe.
_PICTURES = ("gif", "png")


@dataclass(frozen=True)
class OutputFolder:
    """A folder that can be written to."""

    # The folder.
    path: Path
    # Whether an earlier run left its results there.
    has_results: bool

    @property
    def for_partial(self) -> Path:
        """Where results of an unfinished run go: never over those of an earlier one."""
        return self.path / "stopped" if self.has_results else self.path


@dataclass(frozen=True)
class PromptFile:
    """Prompts and where they were read from."""

    # The file; it is never written over.
    path: Path
    # What it holds.
    prompts: list[Prompt]


def check_output(folder: Path, prompts: Path, *, formats: Iterable[Format], overwrite: bool) -> OutputFolder:
    """Make a folder and see that results can be written to it, before the long work starts."""
    from napari_sam2.data.formats.registry import check_replaceable

    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--output must name a folder, but {folder} is a file")
    # A prompts.json that is the job's own input does not count as earlier results.
    own = prompts.resolve()
    found = [name for name in _NAMES if (folder / name).exists() and (folder / name).resolve() != own]
    if found and not overwrite:
        raise ValueError(f"{folder} already holds {found[0]}: name another folder, or add --overwrite to replace it")
    for one in formats:
        check_replaceable(one, folder / one.filename, overwrite=overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    # Writing a file is the only sure test of permissions, on network drives above all.
    with tempfile.TemporaryFile(dir=folder):
        return OutputFolder(folder, bool(found))


@contextmanager
def claimed_output(
    folder: Path, prompts: Path, *, formats: Iterable[Format], overwrite: bool
) -> Iterator[OutputFolder]:
    """Check a folder as `check_output` does, and keep other runs from writing to it until the block ends."""
    from napari_sam2.storage.folder.lock import FolderLock

    formats = tuple(formats)
    check_output(folder, prompts, formats=formats, overwrite=overwrite)
    try:
        lock = FolderLock(folder, _CLAIM)
    except BlockingIOError as error:
        raise ValueError(f"another run is writing to {folder}: wait for it, or name another folder") from error
    try:
        # Again: another run may have ended between the check and the lock.
        yield check_output(folder, prompts, formats=formats, overwrite=overwrite)
    finally:
        lock.remove()


def make_way(session: Path, *, overwrite: bool) -> None:
    """See that a session folder can be made, before the long work starts; `overwrite` removes an earlier session."""
    from napari_sam2.storage.folder.layout import read_header

    if not session.exists():
        return
    if not overwrite:
        raise ValueError(
            f"{session} is there already: 'napari-sam2 resume {session}' goes on with it, --overwrite removes it"
        )
    # Nothing but a session is removed.
    read_header(session)
    shutil.rmtree(session)


def write_results(
    folder: Path, results: Results, *, record: Mapping[str, Any], formats: Iterable[Format], prompts: PromptFile
) -> tuple[str, ...]:
    """Write labels, scores, pictures, prompts and the record of the run, then every other format.

    Everything is written beside its place first: a full disk leaves the files of an earlier run as they were. Should
    one of the other formats fail, labels and scores are there already.
    """
    from napari_sam2.data.formats import FORMATS
    from napari_sam2.data.formats.tiff_and_tables import describe_stack, write_session_json
    from napari_sam2.data.prompts.prompt import write_prompts

    folder.mkdir(parents=True, exist_ok=True)
    wanted = [one for one in formats if one.filename not in (LABELS, SCORES)]
    pictures = [one for one in wanted if one.name in _PICTURES]
    core = [LABELS, SCORES, *(one.filename for one in pictures), RECORD]
    others = [one for one in wanted if one not in pictures]
    names = (*core, *(one.filename for one in others))
    # In the same folder, so that files move into place by renaming.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as draft_folder:
        draft = Path(draft_folder)
        FORMATS["tiff"].write(draft / LABELS, results)
        FORMATS["csv"].write(draft / SCORES, results)
        for one in pictures:
            one.write(draft / one.filename, results)
        described = {"input": describe_stack(results.stack, results.window), "prompts": PROMPTS, **record}
        if results.parents:
            described["parents"] = {str(child): parent for child, parent in results.parents.items()}
        if results.classes:
            described["classes"] = {str(object_id): name for object_id, name in results.classes.items()}
        write_session_json(draft / RECORD, described | {"files": names})
        # The user's own prompts file is never written over, not even with the same content.
        if (folder / PROMPTS).resolve() != prompts.path.resolve():
            write_prompts(folder / PROMPTS, prompts.prompts)
        # Only now, with everything written, does anything of an earlier run go.
        for name in core:
            os.replace(draft / name, folder / name)
    _write_others(folder, results, others)
    return names


def _write_others(folder: Path, results: Results, formats: Iterable[Format]) -> None:
    from napari_sam2.data.formats import export_results

    for one in formats:
        try:
            export_results(results, one.name, folder / one.filename)
        except (ValueError, OSError, RuntimeError, MemoryError) as error:
            error.add_note(f"labels and scores are in {folder}; 'napari-sam2 export {folder}' writes other formats")
            raise

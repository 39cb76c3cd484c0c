"""The jobs of a batch: what each is, and checks of their names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from napari_sam2.job.options import JobOptions

# None of these can be in the name of a folder everywhere.
_NOT_IN_NAMES = frozenset('<>:"/\\|?*')


@dataclass(frozen=True)
class BatchJob:
    """One stack to track."""

    # Its folder below that of the batch.
    name: str
    # Where it was asked for, for messages: ``"line 3"``.
    where: str
    # What to do. All paths are absolute.
    options: JobOptions
    # A session folder that prompts and settings are taken from, and the image where the options name none.
    session: Path | None = None
    # The image for the prompts of a session, where it is not the session's own.
    image: Path | None = None

    @property
    def folder(self) -> Path:
        """Where its results go."""
        return self.options.output

    def resolved(self) -> JobOptions:
        """Return the options, completed from the session where there is one."""
        if self.session is None:
            return self.options
        from napari_sam2.job.from_session import replayed
        from napari_sam2.storage.read_job import read_saved_job

        # A start and a number of frames given for all jobs are about stacks without a session.
        asked = replace(self.options, start=None, max_frames=None)
        return replayed(asked, read_saved_job(self.session, self.image))

    def to_plain(self) -> dict[str, Any]:
        """Return the job as plain data, to send it to another computer."""
        session, image = (path and str(path) for path in (self.session, self.image))
        options = self.options.to_plain()
        return {"name": self.name, "where": self.where, "options": options, "session": session, "image": image}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> BatchJob:
        """Rebuild the job that `to_plain` returned."""
        session, image = (plain[key] and Path(plain[key]) for key in ("session", "image"))
        return cls(plain["name"], plain["where"], JobOptions.from_plain(plain["options"]), session, image)


@dataclass(frozen=True)
class JobList:
    """Jobs read from a table or folder, with mistakes and skipped files."""

    # In the order asked for.
    jobs: list[BatchJob] = field(default_factory=list)
    # What keeps the batch from being run, a line each.
    mistakes: list[str] = field(default_factory=list)
    # What lay in a folder and is no job, and why.
    skipped: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class JobPaths:
    """Where a job's files are."""

    # As for `JobOptions`.
    input: Path
    prompts: Path
    output: Path


# Makes options of a row's cells, with the folder that relative paths start from; ValueError for a cell that makes none.
OptionReader: TypeAlias = Callable[[Mapping[str, str], Path, JobPaths], JobOptions]


def check_name(name: str) -> str:
    """Check a job's name, which becomes that of a folder; ``ValueError`` if it cannot."""
    odd = sorted(_NOT_IN_NAMES & set(name))
    if odd or not name.isprintable():
        raise ValueError(
            f"the name {name!r} cannot be that of a folder: {odd[0] if odd else 'it'} is not allowed in one"
        )
    # Windows drops spaces and dots at the end of a name; a leading dot hides the folder.
    if not name or name != name.strip() or name.startswith(".") or name.endswith("."):
        raise ValueError(f"the name {name!r} cannot be that of a folder: give another in the column 'name'")
    return name


def same_names(jobs: Iterable[BatchJob]) -> list[str]:
    """List the jobs that would write to the same folder, a line for each name."""
    # Names that differ in case only are one folder on Windows and macOS.
    places: dict[str, list[BatchJob]] = defaultdict(list)
    for job in jobs:
        places[job.name.casefold()].append(job)
    return [
        f"{' and '.join(job.where for job in found)}: all are called {found[0].name!r}: give each a name of its own"
        for found in places.values()
        if len(found) > 1
    ]

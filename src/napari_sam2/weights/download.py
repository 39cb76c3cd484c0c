"""Download of weights, and verification of files against the hashes of the catalogue."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from tqdm import tqdm

from .catalog import BUNDLED_NAME, CATALOG, HOME_VARIABLE, CatalogEntry, format_size, get_entry
from .hash_file import hash_file
from .transfer import DownloadError, ProgressCallback, Transfer, TransferSettings, partial_file

URL_VARIABLE = "NAPARI_SAM2_WEIGHTS_URL"
_DEFAULT_SETTINGS = TransferSettings()


class HashMismatchError(DownloadError):
    """The bytes are not the catalogue's; the message shows both hashes."""


@dataclass(frozen=True)
class VerifyResult:
    """What a file is, judged by its hash, beside the catalogue's entry that it was compared with."""

    path: Path
    # Of the file.
    sha256: str
    # Entry that has this hash.
    matching_name: str | None
    # Entry that the file should be, by its name or as asked for.
    expected_name: str | None
    expected_sha256: str | None

    @property
    def verdict(self) -> Literal["match", "mismatch", "unknown"]:
        """``"unknown"`` where the catalogue has no hash to compare with."""
        if self.matching_name is not None and self.expected_name in (None, self.matching_name):
            return "match"
        return "unknown" if self.expected_sha256 is None and self.matching_name is None else "mismatch"

    @property
    def summary(self) -> str:
        """One line for people."""
        if self.verdict == "match":
            return f"{self.path} is {self.matching_name} (sha256 {self.sha256})"
        if self.verdict == "unknown":
            asked = f"no hash for {self.expected_name}" if self.expected_name else "no file with this hash"
            return f"{self.path} has sha256 {self.sha256}; the catalogue has {asked}"
        rather = f"; the file is {self.matching_name}" if self.matching_name else ""
        expected = self.expected_sha256 or "a hash that was not published"
        return f"{self.path} is not {self.expected_name}: expected {expected}, got {self.sha256}{rather}"


def download(
    name: str | CatalogEntry,
    *,
    progress: bool | ProgressCallback = True,
    base_url: str | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    settings: TransferSettings = _DEFAULT_SETTINGS,
) -> Path:
    """Return the path of a catalogue file, fetching it if it is not on this machine.

    A file that is there already is checked against its hash and never replaced. A transfer that was cut off is
    resumed where it stopped, in this call or the next. With `progress`, a bar is drawn on stderr, or a callable gets
    ``(bytes_done, bytes_total or None)``. `base_url`, by default the environment variable ``NAPARI_SAM2_WEIGHTS_URL``,
    is the address of a folder that holds the file, used instead of the catalogue's addresses.
    """
    entry = get_entry(name) if isinstance(name, str) else name
    # A wrong file is left alone: it may be the user's own, fine-tuned and given the official name.
    if entry.path.is_file():
        if entry.sha256 not in (None, actual := hash_file(entry.path)):
            raise HashMismatchError(
                f"{entry.path} is not {entry.name}: expected sha256 {entry.sha256}, got {actual}; "
                "move the file away to download it again, or load it by its path if it is your own"
            )
        return entry.path
    if entry.bundled:
        raise DownloadError(f"{entry.name} is part of the package, but {entry.path} is missing; reinstall napari-sam2")
    addresses = _addresses(entry, base_url)
    # Before the bytes: whoever may not use them need not fetch them.
    if entry.notice:
        warnings.warn(f"{entry.name}: {entry.notice}", stacklevel=2)
    try:
        # Without a hash, remains of an earlier transfer could not be checked, so they are not resumed from.
        with _reporter(progress, entry) as report, partial_file(entry.path, keep=entry.sha256 is not None) as part:
            _fetch_from_first(addresses, entry, part, Transfer(report, cancelled, settings))
            # Under its final name only when whole and checked.
            os.replace(part, entry.path)
    except OSError as error:
        raise DownloadError(
            f"could not write {entry.path}: {error}; make room there or set {HOME_VARIABLE} to another folder"
        ) from error
    if entry.sha256 is None:
        warnings.warn(
            f"the hash of {entry.name} was not published, so the file could not be checked; "
            f"{entry.path} has sha256 {hash_file(entry.path)}",
            stacklevel=2,
        )
    return entry.path


def verify(path: str | os.PathLike[str], name: str | None = None) -> VerifyResult:
    """Compare a file's hash with that of the named entry, by default the one of the same file name, else of any."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file at {path}")
    by_file_name = {entry.file_name: entry for entry in CATALOG.values()}
    expected = by_file_name.get(path.name) if name is None else get_entry(name)
    sha256 = hash_file(path)
    return VerifyResult(
        path=path,
        sha256=sha256,
        matching_name=next((entry.name for entry in CATALOG.values() if entry.sha256 == sha256), None),
        expected_name=expected.name if expected else None,
        expected_sha256=expected.sha256 if expected else None,
    )


def _addresses(entry: CatalogEntry, base_url: str | None) -> tuple[str, ...]:
    # Institutes without access to the internet mirror the files on a server of their own.
    base = base_url or os.environ.get(URL_VARIABLE)
    if base:
        if urlsplit(base).scheme not in ("http", "https"):
            raise ValueError(f"base_url or {URL_VARIABLE} must begin with http:// or https://, got {base!r}")
        return (f"{base.rstrip('/')}/{entry.file_name}",)
    if entry.url is None:
        raise ValueError(f"{entry.name} has no address to download it from")
    return (entry.url, *entry.mirrors)


def _fetch_from_first(addresses: tuple[str, ...], entry: CatalogEntry, part: Path, transfer: Transfer) -> None:
    problems = []
    for address in addresses:
        try:
            return _fetch(address, entry, part, transfer)
        # A mirror that serves other bytes is reported, not passed over.
        except HashMismatchError:
            raise
        except DownloadError as error:
            problems.append(f"{address}: {error}")
    raise DownloadError(
        f"could not download {entry.name} ({format_size(entry.size_bytes)}) from {'; nor from '.join(problems)}. "
        f"Fetch the file by other means and put it at {entry.path}, "
        f"or use the bundled model {BUNDLED_NAME}, which needs no download"
    )


def _fetch(address: str, entry: CatalogEntry, part: Path, transfer: Transfer) -> None:
    """Fetch from one address, once more from the beginning if what an earlier call left spoiled the file."""
    resumed = part.stat().st_size > 0
    transfer.fetch(address, part)
    actual = hash_file(part)
    if entry.sha256 in (None, actual):
        return
    # The whole file was spoiled, and there is no telling where.
    os.truncate(part, 0)
    # A complete transfer with a wrong hash would be wrong again.
    if not resumed:
        expected = f"expected sha256 {entry.sha256}, but got {actual}"
        raise HashMismatchError(f"{entry.name} from {address} was refused: {expected}")
    _fetch(address, entry, part, transfer)


@contextmanager
def _reporter(progress: bool | ProgressCallback, entry: CatalogEntry) -> Iterator[ProgressCallback]:
    if callable(progress):
        yield progress
        return
    with tqdm(total=entry.size_bytes, desc=entry.name, unit="B", unit_scale=True, disable=not progress) as bar:

        def show(done: int, total: int | None) -> None:
            # The server's word counts where the catalogue has no size.
            bar.total = total
            bar.update(done - bar.n)

        yield show

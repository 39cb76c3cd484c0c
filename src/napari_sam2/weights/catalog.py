"""The catalogue of weights: names, addresses, hashes, licences and places of the files."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import platformdirs

HOME_VARIABLE = "NAPARI_SAM2_HOME"
BUNDLED_NAME = "sam2_nano"

_META = "https://dl.fbaipublicfiles.com/segment_anything_2"
_HUB = "https://huggingface.co"
# The commit is part of the address: a file that its authors replace later never arrives under the old name.
_MEDSAM2 = f"{_HUB}/wanglab/MedSAM2/resolve/e4a6f35edd7e091619cbc0750f462f1574e23955"
_MEDSAM2_LICENCE = "CC-BY-SA-4.0, research and education only"
_MEDSAM2_NOTICE = (
    "The MedSAM2 weights are tagged CC-BY-SA-4.0, but their model card allows research and education only. "
    "They are not a medical device; ask their authors before any other use."
)


# Files that differ from an earlier one in nothing that a result depends on, such as the centre head, and its hash:
# what was saved with the earlier one goes on.
_BEFORE_THE_HEAD = "ad4d02e6d64fda5fbd5d043a3dcc30f4061369dcd951e3aebae3de4df09323ad"
SAME_RESULTS = {"e87b6b7adf604c2291528016571bf88488f072284fd6753a5410fde52ad1220a": _BEFORE_THE_HEAD}


@dataclass(frozen=True)
class CatalogEntry:
    """One set of weights."""

    # What the user types.
    name: str
    # Name of the file in the cache folder, or in the package where it is bundled.
    file_name: str
    # Address of the file; ``None`` where it is bundled.
    url: str | None
    # Addresses of the same bytes, tried in this order after ``url``.
    mirrors: tuple[str, ...]
    # Size of the file in bytes, ``None`` where it was not published.
    size_bytes: int | None
    # Hash of the file in hexadecimal, ``None`` where it was not published.
    sha256: str | None
    # Licence of the weights, in a few words.
    licence: str
    # What the user must know before using these weights.
    notice: str | None
    # Name of the model configuration.
    variant: str
    # Side of the model's square input in pixels.
    image_size: int
    # Whether the file is part of the package.
    bundled: bool
    # One line for lists and menus.
    description: str

    @property
    def path(self) -> Path:
        """Where the file lies, or would lie once downloaded."""
        folder = Path(__file__).parent if self.bundled else cache_dir()
        return folder / self.file_name


@dataclass(frozen=True)
class EntryStatus:
    """A row of ``napari-sam2 weights list``."""

    # As in the catalogue.
    name: str
    licence: str
    description: str
    # Size of the file in bytes: of the one on disk, else the published one.
    size_bytes: int | None
    # Whether the file is on this machine.
    present: bool
    # Whether it is part of the package.
    bundled: bool
    # Where the file lies, or would lie.
    path: Path


def _official(prefix: str, size: str, size_bytes: int, sha256: str) -> CatalogEntry:
    name = f"{prefix}_hiera_{size}"
    # Meta's folders are dates (month, day, year) of the two releases.
    release = {"sam2": "072824", "sam2.1": "092824"}[prefix]
    repository = f"facebook/{prefix}-hiera-{size.replace('_', '-')}"
    generation = {"sam2": "SAM 2", "sam2.1": "SAM 2.1"}[prefix]
    return CatalogEntry(
        name=name,
        file_name=f"{name}.pt",
        url=f"{_META}/{release}/{name}.pt",
        mirrors=(f"{_HUB}/{repository}/resolve/main/{name}.pt",),
        size_bytes=size_bytes,
        sha256=sha256,
        licence="Apache-2.0",
        notice=None,
        variant=name,
        image_size=1024,
        bundled=False,
        description=f"{generation} {size.replace('base_plus', 'base+')}, Meta's own weights",
    )


def _medsam2(task: str, description: str, *, size_bytes: int | None = None, sha256: str | None = None) -> CatalogEntry:
    name = f"MedSAM2_{task}"
    return CatalogEntry(
        name=name,
        file_name=f"{name}.pt",
        url=f"{_MEDSAM2}/{name}.pt",
        mirrors=(),
        size_bytes=size_bytes,
        sha256=sha256,
        licence=_MEDSAM2_LICENCE,
        notice=_MEDSAM2_NOTICE,
        variant="sam2.1_hiera_tiny",
        image_size=512,
        bundled=False,
        description=description,
    )


_NANO = CatalogEntry(
    name=BUNDLED_NAME,
    file_name=f"{BUNDLED_NAME}.safetensors",
    url=None,
    mirrors=(),
    size_bytes=None,
    sha256=None,
    licence="BSD-3-Clause",
    notice=None,
    variant=BUNDLED_NAME,
    image_size=384,
    bundled=True,
    description="small model of the same family, part of the package: no download",
)

_ENTRIES = (
    _NANO,
    _official("sam2.1", "tiny", 156_008_466, "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69"),
    _official("sam2.1", "small", 184_416_285, "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38"),
    _official("sam2.1", "base_plus", 323_606_802, "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5"),
    _official("sam2.1", "large", 898_083_611, "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318"),
    _official("sam2", "tiny", 155_906_050, "65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125"),
    _official("sam2", "small", 184_309_650, "95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3"),
    _official("sam2", "base_plus", 323_493_298, "d0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071"),
    _official("sam2", "large", 897_952_466, "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b"),
    _medsam2(
        "latest",
        "MedSAM2, general: CT, MRI, ultrasound, endoscopy",
        size_bytes=156_040_129,
        sha256="c92743b99f00d078bf32a3afcc38aaa9faf1c1692dffe3eaa7a90938c1991060",
    ),
    _medsam2("CTLesion", "MedSAM2, fine-tuned for lesions in CT (about 156 MB)"),
    _medsam2("MRI_LiverLesion", "MedSAM2, fine-tuned for liver lesions in MRI (about 156 MB)"),
    _medsam2("US_Heart", "MedSAM2, fine-tuned for the heart in ultrasound video (about 156 MB)"),
)

CATALOG: Mapping[str, CatalogEntry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})


def get_entry(name: str) -> CatalogEntry:
    """Look up an entry by name."""
    if name in CATALOG:
        return CATALOG[name]
    # Names mix cases (MedSAM2_latest), and people do not.
    by_lower_case = {known.lower(): known for known in CATALOG}
    nearest = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    suggestion = f"did you mean {by_lower_case[nearest[0]]!r}? " if nearest else ""
    raise ValueError(f"no model {name!r} in the catalogue; {suggestion}It has {', '.join(CATALOG)}")


def name_or_file(text: str) -> dict[str, Any]:
    """Arguments of `napari_sam2.load_model` for a name or a file; ``ValueError`` with a guess for what is neither."""
    is_file = text not in CATALOG and (Path(text).suffix or Path(text).exists())
    return {"checkpoint": text} if is_file else {"name": get_entry(text).name}


def cache_dir() -> Path:
    """Folder of the downloaded files: ``NAPARI_SAM2_HOME``, else the platform's cache; it need not exist."""
    home = os.environ.get(HOME_VARIABLE)
    return Path(home).expanduser().absolute() if home else Path(platformdirs.user_cache_dir("napari-sam2"))


def is_available(name: str) -> bool:
    """Tell whether the file of an entry is on this machine, with the published size where that is known."""
    return _is_present(get_entry(name))


def list_entries() -> list[EntryStatus]:
    """Return every entry with its state on this machine, the bundled model first."""
    return [_status(entry) for entry in CATALOG.values()]


def format_size(size_bytes: int | None) -> str:
    """Write a size in bytes for people, in the decimal units that file managers and servers use."""
    if size_bytes is None:
        return "unknown size"
    if size_bytes < 1_000_000:
        return f"{size_bytes:,} bytes"
    return f"{size_bytes / 1_000_000:.1f} MB"


def _is_present(entry: CatalogEntry) -> bool:
    if not entry.path.is_file():
        return False
    # The size is what tells a half-copied file from a whole one without reading it all.
    return entry.size_bytes is None or entry.path.stat().st_size == entry.size_bytes


def _status(entry: CatalogEntry) -> EntryStatus:
    present = _is_present(entry)
    return EntryStatus(
        name=entry.name,
        licence=entry.licence,
        description=entry.description,
        size_bytes=entry.path.stat().st_size if present else entry.size_bytes,
        present=present,
        bundled=entry.bundled,
        path=entry.path,
    )

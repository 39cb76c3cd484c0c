from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from napari_sam2.model.config import CONFIGS
from napari_sam2.weights import catalog
from napari_sam2.weights.catalog import CATALOG, CatalogEntry

SIZES = ("tiny", "small", "base_plus", "large")
OFFICIAL = [f"{prefix}_hiera_{size}" for prefix in ("sam2", "sam2.1") for size in SIZES]
MEDICAL = ["MedSAM2_latest", "MedSAM2_CTLesion", "MedSAM2_MRI_LiverLesion", "MedSAM2_US_Heart"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path))
    return tmp_path


def test_has_the_official_the_medical_and_the_bundled_weights() -> None:
    assert sorted(CATALOG) == sorted([*OFFICIAL, *MEDICAL, "sam2_nano"])
    assert all(name == entry.name for name, entry in CATALOG.items())


@pytest.mark.parametrize("entry", CATALOG.values(), ids=list(CATALOG))
def test_entries_name_a_known_configuration(entry: CatalogEntry) -> None:
    assert entry.variant in CONFIGS
    own_size = CONFIGS[entry.variant].image_size
    assert entry.image_size == (512 if entry.name in MEDICAL else own_size)
    assert Path(entry.file_name).stem == entry.name


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_entries_can_be_checked(name: str) -> None:
    entry = CATALOG[name]
    release = "092824" if name.startswith("sam2.1") else "072824"
    assert entry.url == f"https://dl.fbaipublicfiles.com/segment_anything_2/{release}/{name}.pt"
    assert entry.sha256 is not None and re.fullmatch("[0-9a-f]{64}", entry.sha256)
    assert entry.licence == "Apache-2.0" and entry.notice is None


def test_sizes_fit_the_sizes_of_the_models() -> None:
    # Within a generation a larger model is a larger file; 2.1 adds a few tensors to 2.0.
    for prefix in ("sam2", "sam2.1"):
        sizes = [CATALOG[f"{prefix}_hiera_{size}"].size_bytes or 0 for size in SIZES]
        assert sizes == sorted(sizes) and sizes[0] > 150_000_000
    for size in SIZES:
        newer, older = CATALOG[f"sam2.1_hiera_{size}"].size_bytes, CATALOG[f"sam2_hiera_{size}"].size_bytes
        assert newer is not None and older is not None
        assert 0 < newer - older < 200_000


def test_every_hash_belongs_to_one_entry() -> None:
    hashes = [entry.sha256 for entry in CATALOG.values() if entry.sha256]
    assert len(hashes) == len(set(hashes)) == 9


@pytest.mark.parametrize("name", MEDICAL)
def test_medical_entries_carry_their_restriction(name: str) -> None:
    entry = CATALOG[name]
    assert entry.notice is not None and "research and education" in entry.notice
    assert "research and education" in entry.licence


def test_addresses_are_encrypted_and_end_in_the_file_name() -> None:
    addresses = {entry: (entry.url, *entry.mirrors) for entry in CATALOG.values() if entry.url}
    assert len(addresses) == len(CATALOG) - 1
    for entry, urls in addresses.items():
        for url in urls:
            assert urlsplit(url).scheme == "https"
            assert urlsplit(url).path.endswith(f"/{entry.file_name}")


def test_the_catalogue_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        CATALOG["other"] = CATALOG["sam2_nano"]  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        CATALOG["sam2_nano"].sha256 = "0"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("sam2.1_hiera_tiney", "sam2.1_hiera_tiny"),
        ("SAM2.1_HIERA_LARGE", "sam2.1_hiera_large"),
        ("medsam2_latest", "MedSAM2_latest"),
        ("nano", "sam2_nano"),
    ],
)
def test_an_unknown_name_brings_the_nearest_and_all(typed: str, meant: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{typed!r}")) as caught:
        catalog.get_entry(typed)
    assert f"did you mean {meant!r}?" in str(caught.value)
    assert all(name in str(caught.value) for name in CATALOG)


def test_a_name_like_no_other_brings_no_suggestion() -> None:
    with pytest.raises(ValueError, match="no model 'xyzzy'") as caught:
        catalog.get_entry("xyzzy")
    assert "did you mean" not in str(caught.value)


def test_home_variable_moves_the_cache(home: Path) -> None:
    assert catalog.cache_dir() == home
    assert catalog.get_entry("sam2_hiera_tiny").path == home / "sam2_hiera_tiny.pt"


def test_without_the_variable_files_go_to_the_platforms_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, ""):
        monkeypatch.delenv("NAPARI_SAM2_HOME", raising=False)
        if value is not None:
            monkeypatch.setenv("NAPARI_SAM2_HOME", value)
        assert catalog.cache_dir().is_absolute()
        assert "napari-sam2" in catalog.cache_dir().parts


def test_home_may_be_relative_or_begin_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAPARI_SAM2_HOME", "weights")
    assert catalog.cache_dir() == tmp_path / "weights"
    monkeypatch.setenv("NAPARI_SAM2_HOME", "~/weights")
    assert catalog.cache_dir() == Path.home() / "weights"


def test_the_bundled_model_lies_in_the_package(home: Path) -> None:
    path = catalog.get_entry("sam2_nano").path
    assert path == Path(catalog.__file__).with_name("sam2_nano.safetensors")
    assert not path.is_relative_to(home)


def test_a_file_of_the_wrong_size_is_not_available(home: Path) -> None:
    size = CATALOG["sam2_hiera_tiny"].size_bytes
    assert size is not None
    assert not catalog.is_available("sam2_hiera_tiny")
    with (home / "sam2_hiera_tiny.pt").open("wb") as file:
        file.truncate(size - 1)
    assert not catalog.is_available("sam2_hiera_tiny")
    with (home / "sam2_hiera_tiny.pt").open("r+b") as file:
        file.truncate(size)
    assert catalog.is_available("sam2_hiera_tiny")


def test_rows_tell_what_is_there(home: Path) -> None:
    (home / "MedSAM2_US_Heart.pt").write_bytes(b"x" * 1234)
    rows = {row.name: row for row in catalog.list_entries()}
    assert list(rows) == list(CATALOG)
    heart, tiny = rows["MedSAM2_US_Heart"], rows["sam2.1_hiera_tiny"]
    assert heart.present and heart.size_bytes == 1234
    assert not tiny.present and tiny.size_bytes == 156_008_466
    assert tiny.path == home / "sam2.1_hiera_tiny.pt"
    assert [row.name for row in rows.values() if row.bundled] == ["sam2_nano"]


@pytest.mark.parametrize(
    ("size", "text"),
    [(None, "unknown size"), (999, "999 bytes"), (156_008_466, "156.0 MB"), (1_000_000, "1.0 MB")],
)
def test_sizes_are_written_for_people(size: int | None, text: str) -> None:
    assert catalog.format_size(size) == text

"""What is kept on disk is whole or not there, within a budget."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from napari_sam2.data.files.disk_cache import DiskCache


def cache(folder: Path, budget: int = 2**20) -> DiskCache:
    return DiskCache(folder, ".kept", budget)


def test_a_later_program_finds_it(tmp_path: Path) -> None:
    cache(tmp_path / "new" / "folder").save("a", b"content")
    assert cache(tmp_path / "new" / "folder").load("a") == b"content"
    assert cache(tmp_path / "new" / "folder").load("b") is None


@pytest.mark.parametrize("harm", ["flipped bit", "cut short", "empty", "another's content", "noise"])
def test_what_is_damaged_is_not_read(tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture) -> None:
    kept = cache(tmp_path)
    kept.save("a", bytes(100))
    kept.save("b", bytes(100))
    path, whole = tmp_path / "a.kept", (tmp_path / "a.kept").read_bytes()
    damaged = {
        "flipped bit": whole[:-1] + b"\4",
        "cut short": whole[:-7],
        "empty": b"",
        "another's content": (tmp_path / "b.kept").read_bytes(),
        "noise": os.urandom(len(whole)),
    }
    path.write_bytes(damaged[harm])
    with caplog.at_level(logging.WARNING):
        assert kept.load("a") is None
    assert f"{path} is damaged" in caplog.text and not path.exists()
    kept.save("a", bytes(100))
    assert kept.load("a") == bytes(100)


def test_what_was_used_longest_ago_makes_room(tmp_path: Path) -> None:
    kept = cache(tmp_path, 500)
    for number in range(4):
        kept.save(str(number), bytes(100))
        assert kept.load("0") == bytes(100)
    assert [kept.load(str(number)) is not None for number in range(4)] == [True, False, True, True]


def test_a_smaller_budget_takes_effect_at_once(tmp_path: Path) -> None:
    for number in range(4):
        cache(tmp_path).save(str(number), bytes(100))
        os.utime(tmp_path / f"{number}.kept", (number, number))
    cache(tmp_path, 300)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.kept", "3.kept"]
    # What is too large for it is not kept at all.
    cache(tmp_path, 50).save("4", bytes(100))
    assert list(tmp_path.iterdir()) == []


def test_only_its_own_files_and_what_a_killed_program_left_are_removed(tmp_path: Path) -> None:
    for name, age in ((".draft-old", 7200), (".draft-new", 0), ("notes.txt", 7200)):
        path = tmp_path / name
        path.write_bytes(bytes(100))
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age))
    cache(tmp_path, 10)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".draft-new", "notes.txt"]


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        cache(tmp_path / "file")

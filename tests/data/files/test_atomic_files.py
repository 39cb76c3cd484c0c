from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import numpy as np
import pytest

from napari_sam2.data.files.atomic_files import read_json, replacing, write_json


def test_replacing_makes_folders_and_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "out.txt"
    for text in ("one", "two"):
        with replacing(path) as draft:
            assert draft.parent == path.parent
            assert draft.suffix == ".txt"
            draft.write_text(text, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(RuntimeError, match="half-way"), replacing(path) as draft:
        draft.write_text("new, but only in pa", encoding="utf-8")
        raise RuntimeError("half-way")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_followed_not_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target)
    with replacing(link) as draft:
        draft.write_text("new", encoding="utf-8")
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == "new"


def test_json_converts_what_it_can(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_json(path, {"a": np.float32(0.5), "b": np.arange(3), "c": Path("x/µ"), "d": {2, 1}, "e": (1, 2)})
    assert read_json(path) == {"a": 0.5, "b": [0, 1, 2], "c": str(Path("x/µ")), "d": [1, 2], "e": [1, 2]}
    assert path.read_text(encoding="utf-8").count("\n") > 5


@pytest.mark.parametrize(("value", "message"), [(float("nan"), "out.json"), (object(), "no JSON form")])
def test_json_refuses_the_rest(tmp_path: Path, value: object, message: str) -> None:
    path = tmp_path / "out.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        write_json(path, {"value": value})
    assert path.read_text(encoding="utf-8") == "{}"
    assert list(tmp_path.iterdir()) == [path]


def folder_of(path: Path, **files: str) -> Path:
    path.mkdir()
    for name, text in files.items():
        (path / name).write_text(text, encoding="utf-8")
    return path


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "out", a="old", b="old")
    with replacing(path) as draft:
        folder_of(draft, a="new")
    assert [(one.name, one.read_text(encoding="utf-8")) for one in path.iterdir()] == [("a", "new")]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_fails_keeps_the_old_one(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "out", a="old")
    with pytest.raises(OSError, match="half-way") as error, replacing(path) as draft:
        folder_of(draft, a="new")
        raise OSError("half-way")
    assert error.value.filename == str(path)
    with pytest.raises(OSError), replacing(path):
        pass  # nothing was written, so the second rename fails
    assert (path / "a").read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.txt"), replacing(tmp_path / "out.txt"):
        (tmp_path / "gone.txt").read_text(encoding="utf-8")


def test_a_draft_that_is_still_written_to_is_removed(tmp_path: Path) -> None:
    """A writer's own thread goes on for a moment after another of them failed."""
    late: list[threading.Thread] = []

    def go_on(draft: Path) -> None:
        for number in range(300):
            # It may be removed between any two steps of this, those of making it included.
            with contextlib.suppress(OSError):
                draft.mkdir(exist_ok=True)
                (draft / f"chunk{number}").write_text("late", encoding="utf-8")

    with pytest.raises(OSError, match="full"), replacing(tmp_path / "labels.zarr") as draft:
        draft.mkdir()
        late.append(threading.Thread(target=go_on, args=(draft,)))
        late[0].start()
        raise OSError(28, "full")
    late[0].join()
    assert list(tmp_path.iterdir()) == []

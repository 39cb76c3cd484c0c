"""The guide to the code names only what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PATHS = sorted(set(re.findall(r"`((?:[a-z_]+/)+(?:[a-z_0-9]+\.py)?)`", GUIDE)))


FIGURE = (ROOT / "docs" / "images" / "how-sam2-works.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PATHS)
def test_path_exists(path: str) -> None:
    assert (ROOT / path if path.startswith("tests/") else ROOT / "src" / "napari_sam2" / path).exists()


def test_modules_of_the_figure_exist() -> None:
    # A path that is too long for its box goes on in the next line.
    names = re.findall(r"[a-z_0-9/]+\.py", re.sub(r"/</text>\s*<text[^>]*>", "/", FIGURE))
    assert len(names) == 7
    assert [name for name in names if not (ROOT / "src" / "napari_sam2" / name).is_file()] == []


def test_every_room_is_named() -> None:
    rooms = {folder.name for folder in (ROOT / "src" / "napari_sam2").iterdir() if (folder / "__init__.py").exists()}
    assert {room for room in rooms if f"<b>{room}</b>" not in GUIDE} <= {"benchmark"}

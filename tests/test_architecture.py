"""The guide to the code names only what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PATHS = sorted(set(re.findall(r"`((?:[a-z_]+/)+(?:[a-z_0-9]+\.py)?)`", GUIDE)))


@pytest.mark.parametrize("path", PATHS)
def test_path_exists(path: str) -> None:
    assert (ROOT / path if path.startswith("tests/") else ROOT / "src" / "napari_sam2" / path).exists()


def test_every_room_is_named() -> None:
    rooms = {folder.name for folder in (ROOT / "src" / "napari_sam2").iterdir() if (folder / "__init__.py").exists()}
    assert {room for room in rooms if f"<b>{room}</b>" not in GUIDE} <= {"benchmark"}

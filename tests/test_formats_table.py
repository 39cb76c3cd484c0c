"""The tables of docs/formats.md: every format has a row with a test, and every test that is named is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from napari_sam2.data.formats import FORMATS
from napari_sam2.data.formats.kept_geometry import GEOMETRY

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
FILES = {path.name: path for path in (ROOT / "tests").rglob("test_*.py")}
FUNCTIONS = {
    name: path
    for path in FILES.values()
    for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.M)
}
NAMED = sorted({word for word in re.findall(r"`([^`\s]+)`", TEXT) if re.match(r"(tests/.*/)?test_\w", word)})


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    section = TEXT.split(f"\n{heading}\n", 1)[1]
    lines = re.search(r"(?:^\|.*\n)+", section, re.M)[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


@pytest.mark.parametrize("word", NAMED)
def test_named_tests_are_there(word: str) -> None:
    place, _, function = word.partition("::")
    if not place.endswith(".py"):
        assert place in FUNCTIONS
        return
    path = ROOT / place if "/" in place else FILES[place]
    assert path.is_file()
    if function:
        assert re.search(rf"^def {function}\(", path.read_text(encoding="utf-8"), re.M)


@pytest.mark.parametrize("heading", ["## In", "## Out", "## In napari's own menus", "## What goes wrong"])
def test_every_row_names_a_test(heading: str) -> None:
    for row in rows(heading):
        assert re.search(r"test_\w", row[-1]), row
        assert all(row[:1])


def test_every_format_has_a_row() -> None:
    assert [row[0].strip("`") for row in rows("## Out")] == [*FORMATS]


def test_the_table_of_geometry_is_what_the_registry_says() -> None:
    table = ["| format | " + " | ".join(GEOMETRY.values()) + " |", "|" + "---|" * (len(GEOMETRY) + 1)]
    for one in FORMATS.values():
        if one.keeps is not None:
            table.append(
                f"| `{one.name}` | " + " | ".join("yes" if part in one.keeps else "no" for part in GEOMETRY) + " |"
            )
    assert "\n".join(table) + "\n" in TEXT, "\n".join(table)

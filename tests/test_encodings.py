"""Text files are UTF-8 wherever the program runs, not in what the system or the user's language would have them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "scripts", "benchmarks", "examples", "tests")


def opens_text(call: ast.Call) -> bool:
    """Tell whether a call reads or writes a text file, as far as its words say."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    modes = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    modes = [mode for mode in modes if mode and {*mode} <= {*"rwaxbt+"}]
    if name in ("read_text", "write_text"):
        return True
    if any("b" in mode for mode in modes):
        return False
    if name == "fdopen" or (name == "open" and isinstance(call.func, ast.Name)):
        return True
    if name in ("NamedTemporaryFile", "TemporaryFile"):
        return bool(modes)
    # A path opens itself, and is given the mode first; other things that are opened this way are given a file.
    return name == "open" and len(call.args) < 2 and (bool(modes) or any(k.arg == "newline" for k in call.keywords))


def calls_without_encoding(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and opens_text(node) and not any(k.arg == "encoding" for k in node.keywords):
            yield f"{path.relative_to(ROOT)}:{node.lineno}"


def test_every_text_file_has_an_encoding() -> None:
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    assert [call for path in files for call in calls_without_encoding(path)] == []


def test_what_the_check_finds() -> None:
    text = ["path.read_text()", "path.write_text('a')", "path.open('w')", "path.open(newline='')", "open(path)"]
    text += ["open(path, 'a')", "os.fdopen(handle, 'w')", "tempfile.TemporaryFile('w+')"]
    others = ["path.open('rb')", "open(path, 'xb')", "Image.open(path)"]
    others += ["zarr.open(store, mode='r')", "av.open(path, 'w')", "layers.open('name.tif')", "TemporaryFile(dir=d)"]
    found = [call for call in text + others if opens_text(ast.parse(call, mode="eval").body)]
    assert found == text

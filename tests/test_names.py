"""Every name of a module is given once, and somebody reads it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import napari_sam2

PACKAGE = Path(napari_sam2.__file__).parent
# The build writes one module by itself.
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "_version.py"]
MANIFEST = (PACKAGE / "napari.yaml").read_text(encoding="utf-8")
DOTTED = re.compile(r"\w+(?:[.:]\w+)*")


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    return {str(path.relative_to(PACKAGE)): ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}


def given(statement: ast.stmt) -> list[str]:
    """Names that a statement of a module or class gives; what only one of two branches gives does not count."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", statement)]
    if not isinstance(statement, ast.Assign | ast.AnnAssign):
        return []
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]


def read(tree: ast.Module) -> Iterator[str]:
    """Names that a module reads or imports, or names in a string of nothing else, as ``__all__`` does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and DOTTED.fullmatch(node.value):
            yield from re.findall(r"\w+", node.value)


def test_every_class_and_file_has_a_name_of_its_own(trees: dict[str, ast.Module]) -> None:
    classes = [node.name for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    files = [Path(module).name for module in trees if Path(module).name != "__init__.py"]
    assert [name for name, count in Counter([*classes, *files]).items() if count > 1] == []


def test_no_name_is_given_twice(trees: dict[str, ast.Module]) -> None:
    twice = []
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef):
                # A property and its setter share a name; other functions are ruff's to find.
                values = [s for s in node.body if not isinstance(s, ast.FunctionDef) or node is tree]
                counts = Counter(name for statement in values for name in given(statement))
                twice += [f"{module}: {name}" for name, count in counts.items() if count > 1]
    assert twice == []


def test_every_name_is_read(trees: dict[str, ast.Module]) -> None:
    names = {module: {*read(tree)} for module, tree in trees.items()}
    anywhere = {*re.findall(r"\w+", MANIFEST)}.union(*names.values())
    unread = [
        f"{module}: {name}"
        for module, tree in trees.items()
        for statement in tree.body
        for name in given(statement)
        if not name.startswith("__") and name not in (names[module] if name.startswith("_") else anywhere)
    ]
    assert unread == []

"""Who may import whom, and what may be loaded before it is needed."""

from __future__ import annotations

import ast
import graphlib
import importlib.metadata
import importlib.util
import pkgutil
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import napari_sam2.data

PACKAGE = Path(napari_sam2.__file__).parent

NONE: frozenset[str] = frozenset()
ARRAYS = frozenset({"numpy", "scipy", "skimage", "tifffile", "pandas", "imageio", "PIL"})
GUI = frozenset({"napari", "magicgui", "superqt", "vispy", "pyqtgraph", "qtpy", "PyQt5", "PyQt6", "PySide2", "PySide6"})
TORCH = frozenset({"torch", "safetensors"})
HEAVY = ARRAYS | GUI | TORCH
# Imported in functions, and not drawn.
FOUND_LATER = {
    ("session", "storage"), ("weights", "backends"), ("weights", "remote"), ("cli", "backends"), ("cli", "remote")
}  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """What one part of the package may import.

    ``own`` and ``own_inside`` name parts of this package, separated by spaces: importable anywhere, and only inside
    functions or for type checkers. ``heavy`` are the slow libraries it may load at module level, ``heavy_inside``
    those it may load in a function; a library that is not in ``HEAVY`` is free.
    """

    own: str
    heavy: frozenset[str]
    own_inside: str = ""
    heavy_inside: frozenset[str] = NONE


_IMAGES = "data.files data.images data.readers"
_DATA = f"{_IMAGES} data.labels data.prompts data.pictures data.formats data"
_MODEL = "model.config model"
_TRACKING = "session.zoom session.features session.tracking"
_BELOW_CORE = f"{_TRACKING} session.prompting session.results session.steps session.state session.passes"
_CORE = (
    f"{_BELOW_CORE} session.prompt_methods session.run_methods "
    "session.track_edits session.lineage_methods session.accept_methods session.quality session.review_methods "
    "session.exemplar_methods session.population session.model_parts session.core"
)
_SESSION = f"{_CORE} storage session session.volumes"
_LOADED = f"{_MODEL} weights weights.arithmetic weights.source weights.load"

# A module belongs to the part with the longest fitting name, and to the root if there is none. A part may import itself
# and the parts it names, all of which stand above it here: so no two parts lean on each other.
RULES = {
    "option_fields": Rule("", NONE),
    "wording": Rule("", NONE),
    "generators": Rule("", NONE),
    "data.files": Rule("", ARRAYS),
    "data.images": Rule("data.files", ARRAYS),
    "data.readers": Rule("data.files data.images", ARRAYS),
    "data.labels": Rule(_IMAGES, ARRAYS),
    "data.prompts": Rule(f"{_IMAGES} data.labels", ARRAYS),
    "data.pictures": Rule(f"{_IMAGES} data.labels", ARRAYS),
    "data.formats": Rule(f"{_IMAGES} data.labels data.prompts data.pictures wording", ARRAYS),
    "data": Rule(_DATA.removesuffix(" data"), ARRAYS),
    "synthetic": Rule(_DATA, ARRAYS),
    "model.config": Rule("", NONE),
    "model": Rule("model.config", frozenset({"torch"})),
    "weights": Rule("model.config", NONE),
    # A package shows what the model does with a drawn image.
    "backends": Rule(f"{_DATA} synthetic {_MODEL} weights", TORCH | ARRAYS),
    # What was measured is kept in a file that is written whole.
    "weights.arithmetic": Rule(f"data.files {_MODEL} weights", TORCH),
    "weights.frame_times": Rule(_MODEL, TORCH),
    "weights.thread_choice": Rule(f"{_MODEL} weights weights.arithmetic weights.frame_times", TORCH),
    "weights.source": Rule(f"{_MODEL} weights weights.arithmetic weights.thread_choice", TORCH),
    "weights.load": Rule(
        f"{_MODEL} weights weights.arithmetic weights.thread_choice weights.source",
        TORCH,
        own_inside="backends remote",
    ),
    "session.zoom": Rule(f"{_DATA} {_MODEL}", TORCH | ARRAYS),
    "session.features": Rule(f"{_DATA} {_MODEL} session.zoom", TORCH | ARRAYS),
    "session.tracking": Rule(f"{_DATA} {_MODEL} session.zoom session.features", TORCH | ARRAYS),
    "session.prompting": Rule(f"{_DATA} {_MODEL} {_TRACKING}", TORCH | ARRAYS),
    "session.results": Rule(f"{_DATA} {_MODEL} {_TRACKING}", TORCH | ARRAYS),
    "session.steps": Rule(f"{_TRACKING} session.results", TORCH | ARRAYS),
    "session.state": Rule(f"{_TRACKING} session.results", TORCH | ARRAYS),
    "session.passes": Rule(f"{_DATA} {_TRACKING} session.prompting session.results", TORCH | ARRAYS),
    "session.run_methods": Rule(f"{_DATA} {_TRACKING} session.results session.passes session.steps", TORCH | ARRAYS),
    "session.accept_methods": Rule(f"{_DATA} {_TRACKING} session.results session.steps", TORCH | ARRAYS),
    "session.exemplar_methods": Rule(f"{_DATA} {_MODEL} {_TRACKING} session.results session.steps", TORCH | ARRAYS),
    "session.quality": Rule(_DATA, ARRAYS),
    "session.review_methods": Rule(
        f"{_DATA} session.accept_methods session.quality", NONE, heavy_inside=frozenset({"pandas"})
    ),
    "session.prompt_methods": Rule(f"{_DATA} session.results", TORCH | ARRAYS),
    "session.track_edits": Rule(f"{_DATA} {_TRACKING} session.prompting session.results", TORCH | ARRAYS),
    "session.lineage_methods": Rule(
        f"{_DATA} {_TRACKING} session.results session.prompt_methods session.steps session.track_edits",
        TORCH | ARRAYS,
    ),
    "session.population": Rule(
        f"{_DATA} {_MODEL} {_TRACKING} session.results session.prompt_methods session.steps generators", TORCH | ARRAYS
    ),
    "session.model_parts": Rule(f"{_DATA} {_MODEL} {_TRACKING} session.prompting session.population", TORCH | ARRAYS),
    # Below the session, which does not know of it: a model on a cluster makes the session's parts itself.
    "remote": Rule(
        f"{_DATA} {_MODEL} weights weights.arithmetic weights.source {_TRACKING} session.prompting session.population "
        "session.model_parts",
        TORCH | ARRAYS,
    ),
    "session.core": Rule(f"{_DATA} {_MODEL} {_CORE.removesuffix(' session.core')}", TORCH | ARRAYS),
    # A session folder says which model it was made with.
    "storage": Rule(f"{_DATA} {_LOADED} {_CORE}", TORCH | ARRAYS),
    "session": Rule(f"{_DATA} {_MODEL} {_CORE}", TORCH | ARRAYS, own_inside="storage"),
    "session.volumes": Rule(f"{_DATA} {_MODEL} {_CORE} storage session", TORCH | ARRAYS),
    "benchmark": Rule(f"{_DATA} {_LOADED} {_SESSION} synthetic", TORCH | ARRAYS),
    "evaluation": Rule(f"{_DATA} {_LOADED} {_SESSION} synthetic", TORCH | ARRAYS),
    "training": Rule(f"{_DATA} {_LOADED} {_SESSION} synthetic evaluation option_fields generators", TORCH | ARRAYS),
    # The command answers what needs no image before NumPy is loaded.
    "job": Rule(
        "weights option_fields wording", NONE, own_inside=f"{_DATA} {_LOADED} {_SESSION}", heavy_inside=TORCH | ARRAYS
    ),
    "batch": Rule("weights job option_fields", NONE, own_inside=f"{_DATA} {_LOADED} {_SESSION}", heavy_inside=ARRAYS),
    "cli": Rule(
        "weights job batch option_fields wording generators",
        NONE,
        own_inside=f"{_DATA} synthetic {_LOADED} {_SESSION} evaluation training benchmark backends remote",
        heavy_inside=TORCH | ARRAYS | {"napari"},
    ),
}
_PLUGIN_INSIDE = f"{_LOADED} {_SESSION} training"
_PLUGIN_PARTS = {
    "plugin.layers": "",
    "plugin.worker": "plugin.layers",
    "plugin.state": "plugin.layers plugin.worker",
    "plugin": "plugin.layers plugin.worker plugin.state",
    "plugin.panel": "plugin.layers plugin.worker plugin.state plugin",
    "plugin.files": "plugin.layers plugin.worker plugin.state plugin",
    "plugin.actions": "plugin.layers plugin.worker plugin.state plugin plugin.panel plugin.files",
    "plugin.presenter": "plugin.layers plugin.worker plugin.state plugin plugin.panel plugin.files plugin.actions",
    "plugin.widget": "plugin.layers plugin.worker plugin.state plugin plugin.panel plugin.files plugin.actions "
    "plugin.presenter",
    "plugin.palette": "plugin.widget",
}
RULES |= {
    part: Rule(f"{_DATA} weights synthetic wording {own}", GUI | ARRAYS, own_inside=_PLUGIN_INSIDE)
    for part, own in _PLUGIN_PARTS.items()
}
RULES["root"] = Rule("", NONE, own_inside="session session.results weights.load")


def part_of(module: str) -> str:
    fitting = (part for part in RULES if module == part or module.startswith(part + "."))
    return max(fitting, key=len, default="root")


def module_name(path: Path, package: Path) -> str:
    """Dotted name below the package; "" for the package's own ``__init__``."""
    parts = path.relative_to(package).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@dataclass(frozen=True)
class Import:
    """One imported name, absolute; ``needed_at_import`` unless it is in a function or for type checkers only."""

    line: int
    name: str
    needed_at_import: bool


def imported_names(node: ast.Import | ast.ImportFrom, home: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        base = importlib.util.resolve_name("." * node.level + base, home)
    # `from napari_sam2.weights import load` imports a module although only the package is named.
    if is_own(base):
        yield from (f"{base}.{alias.name}" for alias in node.names)
    else:
        yield base


def is_own(name: str) -> bool:
    return name == "napari_sam2" or name.startswith("napari_sam2.")


def imports_of(path: Path, package: Path) -> list[Import]:
    home = ".".join(["napari_sam2", *path.relative_to(package).parts[:-1]])
    found: list[Import] = []

    def walk(node: ast.AST, needed_at_import: bool) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.extend(Import(node.lineno, name, needed_at_import) for name in imported_names(node, home))
        for child in ast.iter_child_nodes(node):
            later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or is_for_type_checkers(node, child)
            walk(child, needed_at_import and not later)

    walk(ast.parse(path.read_text(encoding="utf-8")), True)
    return found


def is_for_type_checkers(node: ast.AST, child: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and "TYPE_CHECKING" in (getattr(node.test, "id", None), getattr(node.test, "attr", None))
        and child in node.body
    )


def is_allowed(item: Import, own: str, allowed: Rule) -> bool:
    if is_own(item.name):
        target = part_of(item.name.removeprefix("napari_sam2."))
        return (
            target == own
            or target in allowed.own.split()
            or (not item.needed_at_import and target in allowed.own_inside.split())
        )
    library = item.name.partition(".")[0]
    return (
        library not in HEAVY
        or library in allowed.heavy
        or (not item.needed_at_import and library in allowed.heavy_inside)
    )


def violations(path: Path, package: Path = PACKAGE) -> list[str]:
    part = part_of(module_name(path, package))
    return [
        f"line {item.line} imports {item.name} {'at module level' if item.needed_at_import else 'inside'}"
        for item in imports_of(path, package)
        if not is_allowed(item, part, RULES[part])
    ]


MODULES = sorted(PACKAGE.rglob("*.py"))


def test_parts_lean_only_on_parts_above_them() -> None:
    above: set[str] = set()
    for part, rule in RULES.items():
        assert {*rule.own.split()} <= above, part
        above.add(part)


def module_of(name: str) -> str:
    """The module that an imported name is, or is in; "" for the package itself."""
    parts = name.split(".")[1:]
    while parts and not ((PACKAGE.joinpath(*parts)).is_dir() or PACKAGE.joinpath(*parts).with_suffix(".py").exists()):
        parts.pop()
    return ".".join(parts)


def test_no_modules_import_each_other_in_a_circle() -> None:
    # Imports inside functions and for type checkers count, too: what only a type leans on is still leaned on.
    graph = {
        name: {module_of(item.name) for item in imports_of(path, PACKAGE) if is_own(item.name)} - {name, ""}
        for path in MODULES
        if (name := module_name(path, PACKAGE))
    }
    graphlib.TopologicalSorter(graph).prepare()


def test_the_picture_of_the_rooms_has_all_ways_and_no_other() -> None:
    arrows = runpy.run_path(str(PACKAGE.parents[1] / "scripts" / "make_rooms.py"))["ARROWS"]
    below: dict[str, set[str]] = {}
    for room in graphlib.TopologicalSorter(arrows).static_order():
        below[room] = {*arrows.get(room, ())}.union(*(below[one] for one in arrows.get(room, ())))
    used = {
        (module_name(path, PACKAGE).partition(".")[0], module_of(item.name).partition(".")[0])
        for path in MODULES
        for item in imports_of(path, PACKAGE)
        if is_own(item.name)
    }
    between = {(one, other) for one, other in used if one != other and {one, other} <= below.keys()}
    assert {(one, other) for one, ends in arrows.items() for other in ends} <= between
    assert {(one, other) for one, other in between if other not in below[one]} == FOUND_LATER


@pytest.mark.parametrize("path", MODULES, ids=[module_name(path, PACKAGE) or "__init__" for path in MODULES])
def test_module_imports_only_what_the_table_allows(path: Path) -> None:
    assert violations(path) == []


def test_every_library_is_a_declared_dependency() -> None:
    declared = {
        re.match(r"[\w.-]+", line)[0].lower().replace("_", "-")
        for line in importlib.metadata.requires("napari-sam2")
        if "extra ==" not in line
    }
    distributions = importlib.metadata.packages_distributions()
    undeclared = {
        f"{module_name(path, PACKAGE)}: {item.name}"
        for path in MODULES
        for item in imports_of(path, PACKAGE)
        if not is_own(item.name) and (library := item.name.partition(".")[0]) not in sys.stdlib_module_names
        if declared.isdisjoint(name.lower() for name in distributions.get(library, []))
    }
    assert undeclared == set()


def write_module(package: Path, where: str, source: str) -> Path:
    path = package / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("where", "source", "complaint"),
    [
        ("data/images/stack.py", "import torch", "torch at module level"),
        ("data/images/stack.py", "def f():\n    import torch.nn", "torch.nn inside"),
        ("data/images/stack.py", "from napari_sam2.model import config", "napari_sam2.model.config at module level"),
        ("model/config.py", "import torch", "torch at module level"),
        ("model/sam2.py", "import numpy", "numpy at module level"),
        ("weights/catalog.py", "from .load import load_model", "napari_sam2.weights.load.load_model at module level"),
        ("session/session.py", "def f():\n    from napari_sam2.weights import load", "napari_sam2.weights.load inside"),
        (
            "session/session.py",
            "from napari_sam2.backends import openvino_encoder",
            "napari_sam2.backends.openvino_encoder at module level",
        ),
        ("training/loop.py", "from napari_sam2 import cli", "napari_sam2.cli at module level"),
        ("cli.py", "from napari_sam2.session import core", "napari_sam2.session.core at module level"),
        ("plugin/widget.py", "from napari_sam2 import Session", "napari_sam2.Session at module level"),
        ("plugin/widget.py", "class W:\n    import torch", "torch at module level"),
    ],
)
def test_table_catches(tmp_path: Path, where: str, source: str, complaint: str) -> None:
    (broken,) = violations(write_module(tmp_path, where, source), tmp_path)
    assert broken.endswith(f"imports {complaint}")


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("cli.py", "def segment():\n    from napari_sam2.session.core import Session"),
        ("plugin/worker/engine.py", "if TYPE_CHECKING:\n    from napari_sam2.session.core import Session"),
        ("session/core.py", "from .tracking import schedule\nfrom napari_sam2.data.images import stack\nimport torch"),
    ],
)
def test_table_lets_through(tmp_path: Path, where: str, source: str) -> None:
    assert violations(write_module(tmp_path, where, source), tmp_path) == []


def loaded_by(*modules: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after importing ``modules``."""
    code = f"import {', '.join(modules)}, sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module", ["napari_sam2", "napari_sam2.weights.catalog", "napari_sam2.cli", "napari_sam2.plugin.files.sample_data"]
)
def test_importing_loads_neither_torch_nor_qt(module: str) -> None:
    assert loaded_by(module) & (TORCH | GUI) == set()


def test_importing_the_data_modules_loads_neither_torch_nor_qt() -> None:
    modules = [info.name for info in pkgutil.walk_packages(napari_sam2.data.__path__, "napari_sam2.data.")]
    assert loaded_by(*modules) & (TORCH | GUI) == set()


def test_importing_the_widget_loads_no_torch() -> None:
    if importlib.util.find_spec("napari_sam2.plugin.widget") is None:
        pytest.skip("the dock widget is not part of this version")
    assert "torch" not in loaded_by("napari_sam2.plugin.widget")

"""What an installed copy must bring: the wheel's files, a version without tags, the manifest, the public names."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_sam2

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "napari_sam2"


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def copy_sources(target: Path) -> Path:
    """The files a source archive has: no repository, hence no tags to read a version from."""
    shutil.copytree(ROOT / "src", target / "src", ignore=shutil.ignore_patterns("__pycache__", "_version.py"))
    (target / "scripts").mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "scripts/readme_hook.py"):
        shutil.copy(ROOT / name, target / name)
    return target


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    sources = copy_sources(tmp_path_factory.mktemp("sources"))
    run("hatchling", "build", "--target", "wheel", cwd=sources)
    (path,) = (sources / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_wheel_has_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    expected = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "ATTRIBUTIONS.md"
    }
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == expected
    assert {"napari_sam2/napari.yaml", "napari_sam2/py.typed"} <= packed
    assert any(name.startswith("napari_sam2/weights/") and name.endswith(".safetensors") for name in packed)


def test_wheel_names_the_images_behind_its_weights(wheel: zipfile.ZipFile) -> None:
    listed = [name for name in wheel.namelist() if ".dist-info/licenses/" in name]
    assert {Path(name).name for name in listed} == {"LICENSE", "ATTRIBUTIONS.md"}


def test_wheel_has_no_file_twice(wheel: zipfile.ZipFile) -> None:
    # check-wheel-contents refuses that, and so a release.
    sums = [(one.CRC, one.file_size) for one in wheel.infolist() if one.file_size]
    assert len(sums) == len({*sums})


def test_source_archive_has_every_file_but_milestones() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no repository")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    tops = {f"/{line.split('/')[0]}" for line in listed.stdout.splitlines()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert tops - {*project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]} == {"/milestones"}


def test_wheel_brings_no_qt_binding_unasked(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    required = [
        line.removeprefix("Requires-Dist: ")
        for line in wheel.read(name).decode().splitlines()
        if line.startswith("Requires-Dist: ")
    ]
    asked_for = [line for line in required if "extra ==" in line]
    assert any("pyqt6" in line for line in asked_for)
    assert not [line for line in required if "qt6" in line.lower() and line not in asked_for]


def test_readme_leads_to_the_repository_where_that_is_named(tmp_path: Path) -> None:
    sources = copy_sources(tmp_path)
    assert "](docs/formats.md)" in json.loads(run("hatchling", "metadata", cwd=sources))["readme"]["text"]
    project = sources / "pyproject.toml"
    urls = '[project.urls]\nRepository = "https://example.org/us/tool"\n\n[project.scripts]'
    project.write_text(project.read_text(encoding="utf-8").replace("[project.scripts]", urls), encoding="utf-8")
    text = json.loads(run("hatchling", "metadata", cwd=sources))["readme"]["text"]
    assert "](https://example.org/us/tool/blob/HEAD/docs/formats.md)" in text
    assert "](https://example.org/us/tool/raw/HEAD/docs/images/nuclei.gif)" in text
    assert "](https://arxiv.org/" in text
    assert not re.findall(r"\]\((?!https:)", text)


def test_version_without_a_repository_is_the_fallback(tmp_path: Path) -> None:
    assert run("hatchling", "version", cwd=copy_sources(tmp_path)).strip() == "0.1.0.dev0"


def test_version_is_the_installed_one() -> None:
    assert napari_sam2.__version__ == importlib.metadata.version("napari-sam2")


def test_manifest_is_found_through_its_entry_point() -> None:
    manifest = PluginManifest.from_distribution("napari-sam2")
    assert manifest.name == "napari-sam2"
    assert manifest.display_name == "napari-sam2"


def test_every_name_in_the_manifest_imports() -> None:
    run("npe2", "validate", "--imports", "napari-sam2", cwd=ROOT)


def test_manifest_at_the_root_is_the_packages() -> None:
    # A link, and in a source archive a copy.
    assert (ROOT / "napari.yaml").read_bytes() == (PACKAGE / "napari.yaml").read_bytes()


@pytest.mark.parametrize("name", napari_sam2.__all__)
def test_public_name_resolves(name: str) -> None:
    assert name in dir(napari_sam2)
    assert getattr(napari_sam2, name) is not None


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'napari_sam2' has no attribute 'Sesion'"):
        napari_sam2.Sesion  # noqa: B018


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, {"GOMP_SPINCOUNT": "5000", "KMP_BLOCKTIME": "1"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
        ({"KMP_BLOCKTIME": "0"}, {"KMP_BLOCKTIME": "0"}),
    ],
)
def test_threads_that_wait_leave_their_core_unless_the_user_says_otherwise(
    given: dict[str, str], wanted: dict[str, str]
) -> None:
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
    environment = {name: value for name, value in os.environ.items() if name not in names} | given
    code = (
        "import napari_sam2, os, sys\n"
        f"print({{name: os.environ[name] for name in {names} if name in os.environ}}, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{wanted} False"

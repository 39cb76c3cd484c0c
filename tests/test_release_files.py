"""What a release is made of beside the package: citation, hub page, recipe, workflows; read as their readers do."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CI = ".github/workflows/ci.yml"
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
# What conda calls otherwise than the package index does.
CONDA = {"pytorch": "torch"}


def load(path: Path | str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_citation_is_of_this_project() -> None:
    said = load("CITATION.cff")
    assert said["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "license", "type"} <= said.keys()
    assert said["title"] == PROJECT["project"]["name"]
    assert said["license"] == PROJECT["project"]["license"]
    assert said["authors"] == PROJECT["project"]["authors"]
    assert all({"type", "title", "authors"} <= one.keys() for one in said["references"])


def test_recipe_asks_for_what_the_package_asks_for() -> None:
    recipe = load("recipe/recipe.yaml")
    run = [line.replace(" ", "") for line in recipe["requirements"]["run"] if not line.startswith("python ")]
    run = [re.sub(r"^[\w-]+", lambda name: CONDA.get(name[0], name[0]), line) for line in run]
    assert sorted(run) == sorted(PROJECT["project"]["dependencies"])
    host = [line.replace(" ", "") for line in recipe["requirements"]["host"]]
    assert {*PROJECT["build-system"]["requires"]} <= {*host}
    assert f">={recipe['context']['python_min']}" == PROJECT["project"]["requires-python"]
    scripts = [f"{name} = {place}" for name, place in PROJECT["project"]["scripts"].items()]
    assert recipe["build"]["python"]["entry_points"] == scripts


def test_every_page_is_in_the_navigation() -> None:
    # The rest of the file has tags of Python's, which a plain reader does not know.
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    nav = yaml.safe_load(text[text.index("\nnav:") : text.index("\nplugins:")])["nav"]
    entries = [
        one for entry in nav for value in entry.values() for one in (value if isinstance(value, list) else [value])
    ]
    named = [page if isinstance(page, str) else next(iter(page.values())) for page in entries]
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(named) == sorted(pages)


def test_hub_page() -> None:
    said = load(".napari-hub/config.yml")
    assert said["visibility"] == "public"
    assert len(said["summary"]) <= 200
    assert (ROOT / ".napari-hub" / "DESCRIPTION.md").read_text(encoding="utf-8").startswith("# napari-sam2\n")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_runs_what_there_is(path: Path) -> None:
    workflow = load(path)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    # A job that calls another workflow has that one's steps.
    jobs = [job for job in workflow["jobs"].values() if "uses" not in job]
    assert all("timeout-minutes" in job for job in jobs)
    text = "\n".join(step.get("run", "") for job in jobs for step in job["steps"])
    made = {word for words in re.findall(r"\bmake ([a-z ]+)$", text, re.MULTILINE) for word in words.split()}
    assert made <= targets
    assert [script for script in re.findall(r"scripts/\w+\.sh", text) if not (ROOT / script).is_file()] == []
    groups = re.findall(r"--group ([a-z]+)", text)
    assert {*groups} <= PROJECT["dependency-groups"].keys()


@pytest.mark.parametrize("name", ["docs", "release"])
def test_tools_are_pinned(name: str) -> None:
    pinned = re.findall(r"^([\w-]+)==", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert {re.split(r"[<>=]", tool)[0] for tool in PROJECT["dependency-groups"][name]} <= {*pinned}


def test_publishing_waits_for_a_tag_and_keeps_no_password() -> None:
    release = load(".github/workflows/release.yml")
    # YAML takes a bare "on" for true.
    assert release[True] == {"push": {"tags": ["v*"]}}
    assert release["jobs"]["publish"]["permissions"] == {"id-token": "write"}
    assert release["jobs"]["publish"]["needs"] == ["test", "build"]
    assert release["jobs"]["test"]["uses"] == "./.github/workflows/ci.yml" and "workflow_call" in load(CI)[True]
    assert "secrets." not in (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_issue_forms(path: Path) -> None:
    form = load(path)
    if path.name != "config.yml":
        assert {"name", "description", "body"} <= form.keys()
        assert all(field["attributes"]["label"] for field in form["body"])

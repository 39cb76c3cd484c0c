"""How many threads a model is given: what was measured, kept or said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from napari_sam2 import load_model
from napari_sam2.model.sam2 import Sam2
from napari_sam2.model.timing.thread_plan import ThreadPlan, as_planned
from napari_sam2.weights import thread_choice
from napari_sam2.weights.source import source_of
from napari_sam2.weights.thread_choice import THREAD_VARIABLES, ThreadChoice, choose_threads, fewest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where choices are kept, empty, with nothing said of them, and two threads to choose from on a quiet machine."""
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path))
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(thread_choice, "_defaults", lambda: {2})
    monkeypatch.setattr(thread_choice, "MOST_BUSY", 1.0)
    usual = torch.get_num_threads()
    torch.set_num_threads(2)
    yield tmp_path / "threads"
    torch.set_num_threads(usual)


@pytest.fixture(scope="module")
def nano() -> Sam2:
    return load_model(device="cpu", preset="exact")


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        ({"1": 0.2, "2": 0.1}, 2),
        ({"1": 0.1, "2": 0.2}, 1),
        # As good as the quickest: the other core is left to others.
        ({"1": 0.104, "2": 0.1, "4": 0.2}, 1),
        ({"1": 0.4, "2": 0.104, "4": 0.1}, 2),
    ],
)
def test_the_fewest_that_are_as_quick_are_chosen(seconds: dict[str, float], best: int) -> None:
    choice = fewest(seconds, max(map(int, seconds)))
    assert choice.plan == ThreadPlan(best, max(map(int, seconds)))
    assert "measured" in choice.reason and "1 " in choice.reason


def test_a_choice_is_kept_and_loaded(folder: Path, nano: Sam2) -> None:
    first = choose_threads(nano)
    assert first.plan is not None and torch.get_num_threads() == 2
    (path,) = folder.iterdir()
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert kept["seconds"].keys() == {"1", "2"}
    # Another answer than any measurement gives shows that it was read.
    for best in (1, 2):
        kept["seconds"] = {"1": 1000.0, "2": 1000.0} | {str(best): 1.0}
        path.write_text(json.dumps(kept), encoding="utf-8")
        model = load_model(device="cpu", preset="exact")
        assert model.threads == ThreadPlan(best, 2)
        source = source_of(model)
        assert source is not None and source.threads is not None and source.threads.plan == model.threads
    assert len(list(folder.iterdir())) == 1


def test_a_busy_machine_is_not_judged_by(folder: Path, nano: Sam2, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_choice, "MOST_BUSY", -1e9)
    choice = choose_threads(nano)
    assert choice.plan is None and "other programs" in choice.reason
    assert not folder.exists()


def test_what_a_user_said_stays(folder: Path, nano: Sam2, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_choice, "_defaults", lambda: {4})
    assert choose_threads(nano).reason == "torch.set_num_threads says so"
    for name in THREAD_VARIABLES:
        with monkeypatch.context() as said:
            said.setenv(name, "2")
            choice = choose_threads(nano)
            assert choice.plan is None and choice.reason == f"{name} says so"
    assert not folder.exists()


def test_large_models_and_single_cores_are_not_measured(
    folder: Path, nano: Sam2, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = type(nano)(nano.config.with_image_size(1024))
    assert choose_threads(large).plan is None
    torch.set_num_threads(1)
    monkeypatch.setattr(thread_choice, "_defaults", lambda: {1})
    assert choose_threads(nano) == ThreadChoice(None, "there is one core")
    assert not folder.exists()


@pytest.mark.usefixtures("folder")
def test_a_plan_gives_way_to_what_was_set_since() -> None:
    with as_planned(ThreadPlan(1, 2)):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    for plan in (None, ThreadPlan(1, 4)):
        with as_planned(plan):
            assert torch.get_num_threads() == 2

"""Volumes over time: objects are found in every volume, keep their ids, and an interrupted run goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.volumes.volume_pass import VolumeVisit, plan_visits
from napari_sam2.session.volumes.volume_session import VolumeSession

BOX = Prompt(3, 5, box=(10, 10, 30, 34))


@pytest.fixture(scope="module")
def volumes() -> np.ndarray:
    """(4, 9, 64, 64) uint16: a ball that goes up and aside at every time point, one that stays."""
    rng = np.random.default_rng(0)
    z, y, x = np.ogrid[:9, :64, :64]
    image = np.empty((4, 9, 64, 64))
    for time in range(4):
        image[time] = 300 + 100 * rng.standard_normal((9, 64, 64))
        for centre, value in (((2 + time, 20, 22 + 2 * time), 2000), ((4, 46, 46), 1200)):
            image[time][_ball(z, y, x, centre)] += value
    return image.clip(0).astype(np.uint16)


def _ball(z: np.ndarray, y: np.ndarray, x: np.ndarray, centre: tuple[int, int, int]) -> np.ndarray:
    return ((z - centre[0]) / 2.4) ** 2 + ((y - centre[1]) / 9) ** 2 + ((x - centre[2]) / 9) ** 2 < 1


def test_plan_goes_forward_then_backward_from_each_objects_first_prompt() -> None:
    assert plan_visits({1: 1, 2: 2}, 4) == [
        *(VolumeVisit(1, 1, (1,)), VolumeVisit(2, 1, (1, 2)), VolumeVisit(3, 1, (1, 2))),
        *(VolumeVisit(1, -1, (2,)), VolumeVisit(0, -1, (1, 2))),
    ]


@pytest.mark.slow
def test_an_object_that_drifts_through_z_is_followed(volumes: np.ndarray) -> None:
    from napari_sam2.weights.load import load_model

    session = VolumeSession(load_model("sam2_nano", device="cpu"), volumes)
    session.add_prompt(1, Prompt(3, 5, box=(11, 15, 30, 34)))
    session.add_prompt(1, Prompt(4, 70000, points=[[46, 46]], labels=[1]))
    steps = list(session.propagate())
    assert {(step.time, step.plane) for step in steps} == {(t, z) for t in range(4) for z in range(9)}
    z, y, x = np.ogrid[:9, :64, :64]
    labels = np.asarray(session.labels)
    assert labels.shape == (4, 9, 64, 64)
    for time in range(4):
        for object_id, centre in ((5, (2 + time, 20, 22 + 2 * time)), (70000, (4, 46, 46))):
            truth, found = _ball(z, y, x, centre), labels[time] == object_id
            assert (truth & found).sum() / (truth | found).sum() > 0.6, (time, object_id)
    table = session.scores
    assert set(zip(table["t"], table["z"], strict=True)) == {(t, z) for t in range(4) for z in range(9)}
    top = table[(table["object"] == 5) & (table["z"] == 6)].sort_values("t")
    assert top["area"].iloc[0] == 0, "not there at first"
    assert top["area"].iloc[3] > 50, "there at last"


def run(session: VolumeSession, most: int | None = None) -> int:
    session.add_prompt(1, BOX)
    session.add_prompt(2, Prompt(5, 2, points=[[46, 46]], labels=[1]))
    done = 0
    for done, _ in enumerate(session.propagate(), start=1):
        if done == most:
            break
    return done


def test_an_interrupted_run_goes_on_where_it_stopped(
    model: Sam2, volumes: np.ndarray, tmp_path: Path, one_thread: None
) -> None:
    whole, first = VolumeSession(model, volumes), VolumeSession(model, volumes, folder=tmp_path / "work")
    steps = run(whole)
    run(first, 20)
    done = first.labels.times_done
    assert done
    again = VolumeSession(model, volumes, folder=tmp_path / "work")
    assert 0 < run(again) < steps
    np.testing.assert_array_equal(np.asarray(again.labels), np.asarray(whole.labels))
    # Scores went through a table of six decimals.
    np.testing.assert_allclose(again.scores.astype(float), whole.scores.astype(float), atol=1e-3)


@pytest.mark.parametrize("change", ["prompt", "image", "model", "mess"])
def test_work_on_something_else_is_refused(
    make_model: Callable[..., Sam2], model: Sam2, volumes: np.ndarray, tmp_path: Path, change: str
) -> None:
    run(VolumeSession(model, volumes, folder=tmp_path / "work"), 1)
    other = VolumeSession(
        make_model(4) if change == "model" else model,
        volumes + np.uint16(change == "image"),
        folder=tmp_path / "work",
    )
    if change == "prompt":
        other.add_prompt(1, Prompt(4, 5, box=(10, 10, 30, 34)))
    if change == "mess":
        (tmp_path / "work" / "volumes.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ValueError, match="holds something else than this work"):
        run(other)


@pytest.mark.parametrize(
    ("time", "prompt", "message"),
    [
        (4, BOX, "no time point 4: the volumes are 0 to 3"),
        (0, Prompt(9, 5, box=(10, 10, 30, 34)), "object 5 on frame 9: there is no frame 9"),
        (0, Prompt(0, 5, box=(70, 10, 90, 34)), "object 5 on frame 0: the box"),
    ],
)
def test_prompts_that_lie_outside(model: Sam2, volumes: np.ndarray, time: int, prompt: Prompt, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VolumeSession(model, volumes).add_prompt(time, prompt)


def test_nothing_to_track(model: Sam2, volumes: np.ndarray) -> None:
    with pytest.raises(ValueError, match="no object has a prompt"):
        VolumeSession(model, volumes).propagate()

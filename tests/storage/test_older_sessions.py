"""Session folders of earlier versions open, hold what they held, and go on as they would have."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from older_sessions import SAVED, STORIES, frames_of, go_on, make_model, volume_session

from napari_sam2 import Session

pytestmark = pytest.mark.usefixtures("one_thread")


def unpack(name: str, target: Path) -> tuple[Path, dict[str, np.ndarray]]:
    shutil.unpack_archive(SAVED / f"{name}.zip", target)
    with np.load(SAVED / f"{name}.npz") as expected:
        return target, dict(expected)


def assert_close(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    """Equal but for the last bits, which another processor may compute differently."""
    if what == "left":
        # Runs were no steps.
        assert found[0] == expected[0]
    elif what == "labels":
        assert (found != expected).mean() < 1e-3
    elif found.dtype.kind == "f":
        # Object scores, and what is measured of masks that may differ in a pixel.
        np.testing.assert_allclose(found, expected, rtol=1e-2 if what == "scores" else 1e-3, atol=1e-2, err_msg=what)
    else:
        np.testing.assert_array_equal(found, expected, err_msg=what)


def without_prompted(values: np.ndarray, what: str, prompts: np.ndarray) -> np.ndarray:
    frames = np.arange(len(values)) if what == "labels" else values[:, 0]
    return values[~np.isin(frames, prompts[:, 0])]


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("version", ["version_1"])
def test_a_session_of_before_opens_and_goes_on(version: str, name: str, tmp_path: Path) -> None:
    story = STORIES[name]
    folder, expected = unpack(f"{version}/{name}", tmp_path / "work.napari-sam2")
    session = Session.open(folder, frames=frames_of(story), model=make_model(story.presence))
    assert session.problems == ()
    found = go_on(session, story)
    assert found.keys() == expected.keys()
    for what, value in found.items():
        if what.startswith("opened_"):
            np.testing.assert_array_equal(value, expected[what], err_msg=what)
        elif what in ("labels", "scores"):
            # Where it has a prompt, an object is drawn over those that have none, which it was not.
            assert_close(
                *(without_prompted(values, what, found["prompts"]) for values in (value, expected[what])), what
            )
        else:
            assert_close(value, expected[what], what)
    # Saved by this version it holds the same.
    session.close()
    again = Session.open(folder, frames=frames_of(story), model=session.model)
    assert again.problems == ()
    np.testing.assert_array_equal(again.labels.to_array(), session.labels.to_array())
    assert len(again.prompts) == len(session.prompts)


def test_volumes_of_before_are_gone_on_with(tmp_path: Path) -> None:
    folder, expected = unpack("version_1/volumes", tmp_path / "volumes")
    done = [path for path in folder.iterdir() if path.name != "volumes.json"]
    before = {path: path.stat().st_mtime_ns for path in done}
    session = volume_session(folder)
    list(session.propagate())
    assert before
    assert before == {path: path.stat().st_mtime_ns for path in done}
    assert_close(np.asarray(session.labels), expected["labels"], "labels")

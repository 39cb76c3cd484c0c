"""The whole story with the model that comes with the package, on a generated stack and on real sequences."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage

from napari_sam2.data.readers.open_stack import open_stack
from napari_sam2.synthetic.samples import make_sample
from napari_sam2.weights.catalog import BUNDLED_NAME, is_available

if TYPE_CHECKING:
    from conftest import Desk

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_available(BUNDLED_NAME), reason="the bundled weights are not in this source tree"),
]
FRAMES = 5


def scene(name: str, data_dir: Callable[[], Path]) -> tuple[np.ndarray, np.ndarray]:
    """A few frames, and the truth about them."""
    if name == "cells":
        sample = make_sample(name)
        return sample.frames[:FRAMES], sample.labels[:FRAMES]
    folder = data_dir() / name
    source = next(path for path in (folder / "frames.tif", folder / "frames") if path.exists())
    axis = json.loads((folder / "meta.json").read_text(encoding="utf-8"))["axis"]
    with open_stack(source, axis=axis) as stack, open_stack(folder / "labels.tif", axis=axis) as truth:
        return tuple(np.stack([s.read(t) for t in range(FRAMES)]) for s in (stack, truth))  # type: ignore[return-value]


def inside(mask: np.ndarray) -> tuple[int, int]:
    """The place of a mask that is farthest from its edge."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return int(y), int(x)


@pytest.mark.parametrize("name", ["cells", "c2c12_phase", "cvc_clinicdb_seq12"])
def test_click_track_look_correct_update(
    open_desk: Callable[..., Desk], request: pytest.FixtureRequest, name: str
) -> None:
    images, truth = scene(name, lambda: request.getfixturevalue("data_dir"))
    desk = open_desk(images)
    desk.until(lambda: desk.widget.session is not None, "the bundled model")
    ids, sizes = np.unique(truth[0][truth[0] > 0], return_counts=True)
    y, x = inside(truth[0] == ids[sizes.argmax()])

    desk.press("new_object")
    desk.click_shown(y, x)
    assert desk.labels.shape == truth.shape
    # A click well inside an object is on its mask, whatever the model makes of the rest.
    near = desk.labels[0, max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4]
    assert (near == 1).any()
    assert desk.track()
    scores = desk.find("score_plot").scores
    assert np.isfinite(scores).all()
    assert len(scores) == FRAMES

    desk.press("next_doubtful")
    assert desk.viewer.dims.current_step[0] == int(scores.argmin())
    before = desk.labels.copy()
    desk.viewer.dims.set_point(0, 2)
    desk.click_shown(*inside(truth[2] == ids[sizes.argmax()]))
    assert desk.find("update").text() == f"Update {FRAMES - 3} frames"
    assert desk.track("update")
    np.testing.assert_array_equal(desk.labels[:2], before[:2])
    assert desk.widget.session.stale == {}

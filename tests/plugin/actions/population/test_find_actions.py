"""Find objects in a real window: proposals are shown, chosen among, taken or left, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from drawn_discs import picture
from napari_sam2.plugin.layers.layer_frames import is_proposals
from napari_sam2.weights.load import save_checkpoint
from small_model import build_small

if TYPE_CHECKING:
    from conftest import Desk

N_FRAMES = 3
MIDDLES = (14, 15), (14, 40), (34, 25)


@pytest.fixture(scope="module")
def finding_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights that happen to find the three discs."""
    path = tmp_path_factory.mktemp("weights") / "finds.safetensors"
    save_checkpoint(build_small(5, presence=1.0), path)
    return path


@pytest.fixture
def movie() -> np.ndarray:
    discs = (14, 15, 9, 140), (14, 40, 8, 100), (34, 25, 10, 70)
    return np.stack([picture(*discs, size=(48, 56), seed=t) for t in range(N_FRAMES)])


@pytest.fixture
def bench(open_desk: Callable[..., Desk], movie: np.ndarray, finding_model: Path) -> Desk:
    made = open_desk(movie, checkpoint=finding_model)
    made.find("find_bar").setValue(20)
    return made


def find(desk: Desk, name: str = "find_objects") -> Any:
    """Press Find objects, wait, and return the layer of proposals, if there is one now."""
    desk.press(name)
    assert desk.find("find_progress").isVisible()
    assert "Looking for objects" in desk.find("status_line").text()
    desk.until(lambda: not desk.find("find_progress").isVisible(), "the search")
    return proposals(desk)


def proposals(desk: Desk) -> Any:
    return next((layer for layer in desk.viewer.layers if is_proposals(layer)), None)


def is_at_rest(desk: Desk) -> bool:
    desk.settle()
    return proposals(desk) is None and not desk.find("find_box").isVisible() and not desk.widget.controller.is_busy


def test_proposals_are_clicked_narrowed_taken_and_undone_in_one_step(bench: Desk) -> None:
    layer, line = find(bench), bench.find("status_line")
    bench.until(lambda: line.text() == "Click on a proposal to leave it out. Take 3 objects.", line.text())
    assert bench.widget.session.object_ids == ()
    assert bench.find("find_take").text() == "Take all 3"
    assert all(layer.data[0][place] == 1 for place in MIDDLES)
    bench.click(*MIDDLES[1])
    bench.until(lambda: bench.find("find_take").text() == "Take 2 objects")
    assert "on one that is only outlined to take it" in line.text()
    assert layer.data[0][MIDDLES[1]] == 0
    bench.find("find_bar").setValue(100)
    assert not bench.find("find_take").isEnabled()
    assert line.text().startswith("All proposals are left out")
    bench.click(*MIDDLES[1])
    bench.until(lambda: bench.find("find_take").text() == "Take 1 object")
    bench.find("find_bar").setValue(0)
    bench.find("find_area_max").setValue(max(bench.widget.finding._proposals.found.areas) - 1)
    assert bench.find("find_take").text() == "Take 2 objects"
    bench.find("find_area_max").setValue(0)
    # A drag moves the view.
    bench.drag(MIDDLES[0], (20, 20))
    assert bench.find("find_take").text() == "Take all 3"
    bench.press("find_take")
    assert is_at_rest(bench)
    labels = bench.labels[0]
    assert len({labels[place] for place in MIDDLES} - {0}) == 3
    assert bench.find("object_table").rowCount() == 3
    assert bench.find("undo").toolTip().startswith("Undo find on frame 0: 3 objects")
    bench.press("undo")
    bench.settle()
    assert not bench.labels.any()
    assert bench.widget.session.object_ids == ()


def test_cancel_and_all_that_leads_elsewhere_leave_nothing_behind(bench: Desk) -> None:
    active = bench.viewer.layers.selection.active
    bench.press("find_objects")
    bench.press("find_cancel")
    assert is_at_rest(bench)
    ways: list[Callable[[], Any]] = [
        lambda: bench.press("find_cancel"),
        lambda: bench.viewer.dims.set_point(0, 1),
        lambda: bench.widget.images.set_region((0, 0, 30, 30)),
        lambda: bench.viewer.layers.remove(proposals(bench)),
        lambda: bench.widget.controller.reopen(),
        lambda: bench.viewer.layers.remove("image"),
    ]
    for way in ways:
        bench.until(lambda: bench.widget.session is not None)
        assert find(bench) is not None
        way()
        assert is_at_rest(bench)
        assert "roposal" not in bench.find("status_line").text()
    assert bench.viewer.layers.selection.active is not active
    assert [layer.name for layer in bench.viewer.layers] == []


def test_proposals_lie_in_a_region_and_nothing_found_is_said(bench: Desk) -> None:
    bench.widget.images.set_region((0, 28, 30, 56))
    bench.settle()
    layer = find(bench)
    assert layer.data[0][MIDDLES[1]] == 1
    assert not layer.data[0][:, :28].any()
    bench.click(*MIDDLES[1])
    bench.until(lambda: layer.data[0][MIDDLES[1]] == 0)
    bench.click(*MIDDLES[1])
    bench.until(lambda: layer.data[0][MIDDLES[1]] == 1)
    bench.find("find_bar").setValue(0)
    bench.press("find_take")
    assert is_at_rest(bench)
    assert bench.labels[0][MIDDLES[1]] != 0
    assert find(bench) is None
    assert bench.find("status_line").text().startswith("⚠ No other objects found on frame 0: try another frame")
    assert is_at_rest(bench)


def test_key_finds_and_newcomers_are_tracked_and_undone(bench: Desk) -> None:
    native = bench.viewer.window._qt_viewer.canvas.native
    assert not bench.find("find_new").isVisible()
    QTest.keyClick(native, Qt.Key.Key_G)
    bench.until(lambda: proposals(bench) is not None, "proposals")
    bench.press("find_cancel")
    rows, columns = (grid.ravel() for grid in np.mgrid[44:47, 50:53])
    bench.widget.layers.need_labels().data_setitem((np.zeros(9, int), rows, columns), 1)
    bench.settle()
    before = bench.labels.copy()
    assert bench.find("find_new").isVisible()
    bench.find("find_new").setChecked(True)
    assert bench.track()
    bench.settle()
    ids = bench.widget.session.object_ids
    assert len(ids) > 1
    assert len({bench.labels[0][place] for place in MIDDLES} - {0, 1}) > 1
    assert bench.find("object_table").rowCount() == len(ids)
    assert {key.object_id for key in bench.widget.controller.edits.prompts.drawings} == set(ids)
    assert bench.find("undo").toolTip().startswith("Undo track and find new objects")
    bench.press("undo")
    bench.settle()
    np.testing.assert_array_equal(bench.labels, before)
    assert bench.find("object_table").rowCount() == 1

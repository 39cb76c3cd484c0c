"""A widget that is closed and opened again in the same viewer goes on as if it had stayed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_sam2.plugin.widget import Sam2Widget

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Desk


@pytest.mark.parametrize("saved", [True, False], ids=["saved", "unsaved"])
def test_session_is_picked_up(desk: Desk, tmp_path: Path, *, saved: bool) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    labels = desk.widget.layers.labels
    labels.data_setitem((np.zeros(9, int), np.arange(30, 39), np.arange(2, 11)), 5)
    desk.settle()
    desk.track()
    desk.widget.objects.rename(1, "nucleus")
    if saved:
        desk.widget.files.keeping.save(tmp_path / "mine")
    desk.until(lambda: desk.widget.files.keeping.folder is not None, "the folder")
    desk.settle()
    folder = desk.widget.files.keeping.folder
    before, prompts, layers = desk.labels.copy(), desk.widget.session.prompts, list(desk.viewer.layers)
    desk.reopen_dock()
    assert desk.widget.files.keeping.folder == folder
    assert list(desk.viewer.layers) == layers
    assert desk.widget.layers.labels is labels
    np.testing.assert_array_equal(desk.labels, before)
    assert [(p.frame, p.object_id) for p in desk.widget.session.prompts] == [(p.frame, p.object_id) for p in prompts]
    assert desk.widget.objects.names[1] == "nucleus"
    assert desk.find("object_table").object_ids == [1, 5]
    assert desk.widget.controller.results.stale_frames() == []
    # Nothing is offered that is on the screen.
    assert desk.find("recoveries").count() == 0
    # Another object leaves the others alone, and undo goes back beyond the closing.
    desk.press("new_object")
    desk.click_shown(44, 50)
    np.testing.assert_array_equal(desk.labels[1:], before[1:])
    # The click, the run, the stroke.
    for object_ids in ({1, 5}, {1, 5}, {1}):
        desk.press("undo")
        desk.settle()
        assert {prompt.object_id for prompt in desk.widget.session.prompts} == object_ids
    for _ in range(2):
        desk.press("redo")
        desk.settle()
    np.testing.assert_array_equal(desk.labels, before)


def test_work_of_the_last_moment_is_picked_up(desk: Desk) -> None:
    labels = desk.widget.layers.need_labels()
    labels.data_setitem((np.zeros(9, int), np.arange(30, 39), np.arange(2, 11)), 5)
    desk.settle()
    # Too young for the folder in the cache.
    assert desk.widget.files.keeping.folder is None
    before, (prompt,) = desk.labels.copy(), desk.widget.session.prompts
    desk.reopen_dock()
    assert desk.widget.files.keeping.folder is not None
    np.testing.assert_array_equal(desk.labels, before)
    (after,) = desk.widget.session.prompts
    assert (after.frame, after.object_id) == (prompt.frame, prompt.object_id) == (0, 5)
    np.testing.assert_array_equal(after.mask, prompt.mask)


def test_what_was_removed_can_be_undone_after_reopening(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    before = desk.labels.copy()
    desk.press("remove_object")
    desk.settle()
    desk.until(lambda: desk.widget.files.keeping.folder is not None, "the folder")
    desk.reopen_dock()
    desk.press("undo")
    desk.settle()
    np.testing.assert_array_equal(desk.labels, before)
    # Nothing is left, but for what can be done again.
    for _ in range(2):
        desk.press("undo")
        desk.settle()
    desk.reopen_dock()
    for _ in range(2):
        desk.press("redo")
        desk.settle()
    np.testing.assert_array_equal(desk.labels, before)


def test_what_was_done_to_the_layers_meanwhile_counts(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.until(lambda: desk.widget.files.keeping.folder is not None, "the folder")
    desk.settle()
    points = desk.widget.layers.points
    desk.viewer.window.remove_dock_widget(desk.widget)
    points.add([0, 40, 10])
    desk.viewer.window.add_dock_widget(widget := Sam2Widget(desk.viewer), name="again")
    desk.widget = widget
    desk.until(lambda: widget.session is not None, "the session")
    desk.settle()
    (prompt,) = widget.session.prompts
    np.testing.assert_allclose(prompt.points, [[20, 30], [40, 10]], atol=0.5)

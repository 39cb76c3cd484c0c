"""Images that the user deletes: work on them is kept and offered, and what only showed it goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtTest import QTest

from napari_sam2 import Session
from napari_sam2.plugin.files import autosave as recovery
from napari_sam2.plugin.layers.layer_frames import is_own
from napari_sam2.plugin.widget import Sam2Widget

if TYPE_CHECKING:
    from conftest import Desk


def names(desk: Desk) -> list[str]:
    return [layer.name for layer in desk.viewer.layers]


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "later"])
def test_work_on_a_deleted_image_is_offered_and_brought_back(desk: Desk, frames: np.ndarray, *, at_once: bool) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    desk.widget.objects.rename(1, "nucleus")
    if not at_once:
        desk.until(lambda: desk.widget.files.keeping.folder is not None, "the folder")
        desk.settle()
    before = desk.labels.copy()
    desk.viewer.layers.remove("image")
    desk.until(lambda: desk.find("bring_back").isVisible(), "the offer")
    # Labels are worth something without the image, and are the user's from now on.
    assert names(desk) == ["image: objects (kept)"]
    assert not is_own(desk.viewer.layers[0])
    np.testing.assert_array_equal(desk.viewer.layers[0].data, before)
    assert desk.find("object_table").rowCount() == 0
    assert desk.find("status_line").text().startswith("Open an image to begin")
    told = [record.message for record in notification_manager.records]
    assert any("The work on it can be brought back" in text for text in told)

    desk.viewer.add_image(frames, name="image")
    desk.until(lambda: desk.widget.session is not None)
    desk.press("bring_back")
    desk.until(lambda: desk.widget.session is not None and desk.widget.session.prompts, "the session")
    desk.settle()
    np.testing.assert_array_equal(desk.labels, before)
    assert desk.widget.objects.names == {1: "nucleus"}
    assert len(desk.widget.layers.points.data) == 1
    assert not desk.find("bring_back").isVisible()


def test_what_only_showed_the_work_goes_and_what_is_the_users_stays(desk: Desk) -> None:
    mine = desk.viewer.add_points([[0, 5, 5]], name="mine")
    desk.draw_box()
    desk.widget.images.set_region((0, 0, 40, 48))
    desk.until(lambda: desk.widget.session is not None)
    desk.settle()
    desk.press("new_object")
    desk.settle()
    assert {"image: clicks", "image: shapes", "image: region"} < {*names(desk)}
    desk.viewer.layers.remove("image")
    desk.until(lambda: "image: clicks" not in desk.viewer.layers, "the layers")
    assert names(desk) == ["image: objects (kept)", "mine"]
    assert len(mine.data) == 1
    # Of whole frames, and of the region.
    desk.until(lambda: desk.find("recoveries").count() == 2, "the offer")


def test_an_image_that_is_not_on_show_is_deleted(desk: Desk, frames: np.ndarray, tmp_path: Path) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.widget.files.keeping.save(tmp_path / "mine")
    desk.until(lambda: desk.widget.files.keeping.is_saved, "the folder")
    desk.viewer.add_image(frames[:5, ::-1], name="other")
    desk.find("image_layer").setCurrentText("other")
    desk.until(lambda: desk.widget.session is not None)
    desk.press("new_object")
    desk.click_shown(40, 10)
    session, before = desk.widget.session, desk.labels.copy()
    desk.viewer.layers.remove("image")
    desk.until(lambda: "image: clicks" not in desk.viewer.layers, "the layers")
    folder = tmp_path / "mine.napari-sam2"
    desk.until(lambda: any(str(folder) in record.message for record in notification_manager.records), "the notice")
    # It is not locked any more, and all is in it.
    again = Session.open(folder, frames=frames)
    assert [prompt.object_id for prompt in again.prompts] == [1]
    again.close()
    assert desk.widget.session is session
    np.testing.assert_array_equal(desk.labels, before)
    assert {"other", "other: clicks", "other: objects", "image: objects (kept)"} == {*names(desk)}


def test_nothing_is_kept_of_an_image_without_work(desk: Desk) -> None:
    desk.press("new_object")
    desk.settle()
    desk.viewer.layers.remove("image")
    desk.until(lambda: not desk.viewer.layers, "no layer")
    desk.settle()
    QTest.qWait(50)
    assert recovery.find_unsaved() == []
    assert not desk.find("bring_back").isVisible()


def test_work_of_the_last_moment_is_kept_when_the_viewer_closes(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    keeping = desk.widget.files.keeping
    assert keeping.folder is None
    desk.viewer.close()
    desk.until(lambda: keeping._closed)
    (found,) = recovery.find_unsaved()
    assert found.name == "image"


def test_layers_of_an_image_that_was_deleted_without_the_widget_are_tidied_up(desk: Desk, frames: np.ndarray) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.settle()
    desk.viewer.window.remove_dock_widget(desk.widget)
    desk.viewer.layers.remove("image")
    desk.viewer.add_image(frames, name="another")
    assert "image: clicks" in desk.viewer.layers
    desk.widget = Sam2Widget(desk.viewer)
    desk.viewer.window.add_dock_widget(desk.widget, name="again")
    desk.until(lambda: "image: clicks" not in desk.viewer.layers, "the layers")
    assert names(desk) == ["image: objects (kept)", "another"]

"""A rectangle that is tracked by itself, and put back in its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_sam2 import Session, load_model
from napari_sam2.data import Stack
from napari_sam2.data.prompts.prompt import read_prompts
from napari_sam2.plugin.actions.drawing.crop_tool import corners_of, plane_affine, region_of

if TYPE_CHECKING:
    from conftest import Desk

REGION = (8, 12, 40, 52)


def draw(desk: Desk, region: tuple[int, int, int, int]) -> None:
    """Draw the region with the mouse."""
    desk.press("draw_region")
    y0, x0, y1, x1 = region
    desk.drag((y0 - 0.4, x0 - 0.4), (y1 - 0.6, x1 - 0.6))
    desk.until(lambda: desk.widget.images.region is not None, "the region")
    desk.until(lambda: desk.widget.session is not None)
    desk.settle()


def test_region_is_tracked_at_its_own_resolution_and_put_in_place(
    desk: Desk, frames: np.ndarray, checkpoint: Path, tmp_path: Path
) -> None:
    desk.press("new_object")
    desk.click_shown(4, 4)
    desk.track()
    outside = desk.labels.copy()
    whole = desk.widget.session
    draw(desk, REGION)
    assert desk.widget.images.region == REGION
    assert desk.find("region_note").text() == "32 x 40 px at y 8, x 12"
    assert desk.widget.session is not whole
    assert desk.widget.session.stack.shape == (12, 32, 40)
    assert desk.find("shapes_layer").currentText() == "none"

    desk.press("new_object")
    desk.click_shown(20, 30)
    assert [prompt.object_id for prompt in desk.widget.session.prompts] == [2], "the first lies outside"
    desk.track()
    y0, x0, y1, x1 = REGION
    limits = desk.widget.layers.image.contrast_limits
    alone = Session(
        load_model(checkpoint=checkpoint), Stack.from_array(frames).part(crop=REGION), contrast_limits=limits
    )
    ((_, y, x),) = desk.widget.layers.points.data[1:]
    alone.add_points(0, 2, [(y - y0, x - x0)], [1])
    for _ in alone.propagate():
        pass
    np.testing.assert_array_equal(desk.labels[:, y0:y1, x0:x1], alone.labels.to_array())
    outside[:, y0:y1, x0:x1] = desk.labels[:, y0:y1, x0:x1]
    np.testing.assert_array_equal(desk.labels, outside)
    table = desk.widget.layers.labels.metadata["object_scores"]
    seen = table[table.area > 0]
    assert (seen.centroid_y >= y0).all()
    assert (seen.bbox_x1 <= x1).all()

    desk.widget.files.exporting.write("prompts", tmp_path / "prompts.json")
    desk.until(lambda: not desk.widget.files.exporting.is_running)
    (prompt,) = read_prompts(tmp_path / "prompts.json")
    np.testing.assert_allclose(prompt.points, [(y, x)], atol=1e-3)

    desk.press("whole_frame")
    desk.settle()
    assert desk.widget.session is whole
    assert {prompt.object_id for prompt in whole.prompts} == {1, 2}


def test_region_follows_its_drawing_and_goes_with_its_layer(desk: Desk) -> None:
    draw(desk, REGION)
    layer = desk.viewer.layers["image: region"]
    layer.data = [corners_of((0, 0, 20, 20))]
    desk.settle()
    assert desk.widget.images.region == (0, 0, 20, 20)
    desk.viewer.dims.set_point(0, 5)
    assert desk.widget.layers.space.selection.crop == (0, 0, 20, 20)
    with pytest.raises(ValueError, match="must be a box inside the frame of 48 x 56 pixels"):
        desk.widget.images.set_region((0, 0, 20, 60))
    desk.viewer.layers.remove(layer)
    assert desk.widget.images.region is None


def test_what_is_drawn_outside_the_region_waits_for_whole_frames(desk: Desk) -> None:
    line = desk.find("status_line")
    desk.press("new_object")
    desk.click_shown(4, 4)
    draw(desk, REGION)
    # Whole frames know of that one.
    assert "outside the region" not in line.text()
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.press("new_object")
    desk.click(44, 6)
    outside = "outside the region: it waits until you press Whole."
    desk.until(lambda: f"1 prompt lies {outside}" in line.text(), line.text())
    desk.press("tool_box")
    desk.drag((2, 30), (6, 44))
    desk.until(lambda: "2 prompts lie outside the region: they wait" in line.text(), line.text())
    assert {prompt.object_id for prompt in desk.widget.session.prompts} == {2}
    desk.press("whole_frame")
    desk.settle()
    prompts = {prompt.object_id: prompt for prompt in desk.widget.session.prompts}
    assert {*prompts} == {1, 2, 3}
    np.testing.assert_allclose(prompts[3].points, [(44, 6)], atol=0.5)
    assert prompts[3].box is not None
    desk.until(lambda: "outside the region" not in line.text(), line.text())


def test_each_click_outside_the_region_is_a_new_object_where_the_switch_says_so(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    draw(desk, REGION)
    desk.widget.panel.one_object_per_click.click()
    # What is clicked on is nothing that has a mask.
    desk.widget.layers.labels.visible = False
    for y, x in ((44, 6), (4, 50), (44, 50)):
        desk.click(y, x)
        desk.settle()
    desk.press("whole_frame")
    desk.settle()
    assert {prompt.object_id for prompt in desk.widget.session.prompts} == {1, 2, 3, 4}


def test_a_brush_outside_the_region_says_so_once(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    draw(desk, REGION)
    desk.press("tool_paint")
    told = len(notification_manager.records)
    desk.drag((44, 4), (44, 50))
    desk.settle()
    assert "Outside the region what is painted makes no prompts" in desk.find("status_line").text()
    assert len(notification_manager.records) == told + 1
    assert all(prompt.mask is None for prompt in desk.widget.session.prompts)


def test_region_is_saved_with_its_session(
    desk: Desk, open_desk: Callable[..., Desk], frames: np.ndarray, tmp_path: Path
) -> None:
    draw(desk, REGION)
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.widget.files.keeping.save(tmp_path / "r.napari-sam2")
    desk.until(lambda: (tmp_path / "r.napari-sam2" / "widget.json").exists())
    shown = desk.labels.copy()
    desk.viewer.window.remove_dock_widget("all")

    other = open_desk(frames)
    other.widget.files.open(str(tmp_path / "r.napari-sam2"))
    other.until(lambda: other.widget.session is not None and other.widget.session.prompts)
    other.settle()
    assert other.widget.images.region == REGION
    np.testing.assert_array_equal(other.labels, shown)
    assert "image: region" in other.viewer.layers


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        ([(-5, -5), (-5, 30), (19.4, 30), (19.4, -5)], (0, 0, 20, 31)),
        ([(2, 2), (2, 10), (40, 10), (40, 2)], None),
        ([(60, 60), (60, 90), (90, 90), (90, 60)], None),
    ],
)
def test_pixels_of_a_rectangle(corners: list[tuple[float, float]], expected: tuple[int, ...] | None) -> None:
    assert region_of(np.array(corners), (48, 56)) == expected


def test_drawing_lies_on_an_image_with_scale_and_place(open_desk: Callable[..., Desk], frames: np.ndarray) -> None:
    desk = open_desk(frames, scale=(3, 0.5, 0.25), translate=(1, 10, 20))
    image = desk.widget.layers.image
    world = plane_affine(image) @ (8, 12, 1)
    np.testing.assert_allclose(world[:2], image.data_to_world((0, 8, 12))[1:])

"""Every way to prompt, in a real viewer; the session must hear exactly what the layers say."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam2.data.prompts.drawing import DrawnShape, PromptKey
from napari_sam2.plugin.layers.placement import Placement
from napari_sam2.plugin.layers.points_and_shapes import show_points

if TYPE_CHECKING:
    from napari.layers import Points

    from conftest import Desk


def said(desk: Desk) -> dict[tuple[int, int], tuple[list[list[float]], list[int]]]:
    """Points of the session by frame and object, rounded."""
    return {
        (p.frame, p.object_id): (np.round(p.points).tolist(), p.labels.tolist())
        for p in desk.widget.session.prompts
        if p.points is not None
    }


def test_moving_a_point_is_heard(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    first = desk.labels[0].copy()
    points = desk.widget.layers.points
    points.mode = "select"
    points.selected_data = {0}
    desk.drag((20, 30), (40, 10))
    desk.until(lambda: len(desk.previews) > 1)
    assert said(desk) == {(0, 1): ([[40, 10]], [1])}
    assert not np.array_equal(desk.labels[0], first)
    desk.press("undo")
    desk.settle()
    assert said(desk) == {(0, 1): ([[20, 30]], [1])}
    np.testing.assert_array_equal(desk.labels[0], first)
    desk.press("redo")
    desk.settle()
    assert said(desk) == {(0, 1): ([[40, 10]], [1])}


def test_recolouring_and_reassigning_points_is_heard(desk: Desk) -> None:
    desk.press("new_object")
    for place in ((20, 30), (40, 10), (10, 10)):
        desk.click_shown(*place)
    points = desk.widget.layers.points
    features = points.features.copy()
    features.loc[1, "prompt"] = "negative"
    features.loc[2, "object"] = 4
    points.features = features
    desk.settle()
    assert said(desk) == {(0, 1): ([[20, 30], [40, 10]], [1, 0]), (0, 4): ([[10, 10]], [1])}
    assert desk.find("object_table").object_ids == [1, 4]


def strike_on_the_second_of_two_points(desk: Desk, key: Qt.Key) -> Points:
    """Click twice, select the second point and strike a key."""
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.click_shown(40, 10)
    points = desk.widget.layers.points
    points.mode = "select"
    points.selected_data = {1}
    QTest.keyClick(desk.viewer.window._qt_viewer.canvas.native, key)
    desk.settle()
    return points


def test_key_turns_selected_points_round(desk: Desk) -> None:
    points = strike_on_the_second_of_two_points(desk, Qt.Key.Key_Q)
    assert said(desk) == {(0, 1): ([[20, 30], [40, 10]], [1, 0])}
    np.testing.assert_allclose(points.face_color[1][:3], [1, 0.31, 0.506], atol=0.01)


def test_deleting_points_is_heard_and_the_last_one_takes_the_object_along(desk: Desk) -> None:
    points = strike_on_the_second_of_two_points(desk, Qt.Key.Key_Delete)
    assert said(desk) == {(0, 1): ([[20, 30]], [1])}
    desk.track()
    points.selected_data = {0}
    points.remove_selected()
    desk.settle()
    assert desk.widget.session.prompts == ()
    assert not desk.labels.any()
    desk.press("undo")
    desk.settle()
    assert said(desk) == {(0, 1): ([[20, 30]], [1])}
    assert desk.labels[5].any()


def test_box_drawn_with_the_mouse(desk: Desk) -> None:
    prompt = desk.draw_box()
    # Corners on pixel centres; the box counts pixel edges.
    np.testing.assert_allclose(prompt.box, (10.5, 12.5, 30.5, 40.5), atol=0.3)
    assert (desk.labels[0] == 1).any()


@pytest.mark.parametrize("kind", ["polygon", "ellipse"])
def test_outlines_become_masks(desk: Desk, kind: str) -> None:
    desk.press("new_object")
    desk.press("new_shapes")
    corners = np.array([[0, 10, 10], [0, 10, 30], [0, 26, 30], [0, 26, 10]])
    desk.widget.layers.shapes.add(corners, shape_type=kind)
    desk.settle()
    (prompt,) = desk.widget.session.prompts
    area = 16 * 20 * (np.pi / 4 if kind == "ellipse" else 1)
    assert prompt.mask is not None
    assert prompt.mask.sum() == pytest.approx(area, rel=0.12)
    np.testing.assert_array_equal(desk.labels[0] == 1, prompt.mask)


def test_outlines_are_filled_once_and_not_by_the_window(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    filled: list[tuple[DrawnShape, int]] = []
    real = DrawnShape.fill

    def counted(outline: DrawnShape, mask: np.ndarray) -> None:
        filled.append((outline, threading.get_ident()))
        real(outline, mask)

    monkeypatch.setattr(DrawnShape, "fill", counted)
    desk.press("new_object")
    shapes = desk.widget.layers.need_shapes()
    for top in (4, 20):
        corners = np.array([[0, top, 4], [0, top, 20], [0, top + 10, 20], [0, top + 10, 4]])
        shapes.add(corners, shape_type="polygon")
        desk.settle()
    # Both belong to one object: the second makes its mask anew.
    assert [outline for outline, _ in filled[1:]].count(filled[0][0]) == 1
    assert len({outline for outline, _ in filled}) == 2
    for y in (10, 40):
        desk.press("new_object")
        desk.click_shown(y, 40)
    desk.press("undo")
    desk.settle()
    assert len(filled) == 3
    assert threading.get_ident() not in {thread for _, thread in filled}
    assert desk.widget.controller.edits.prompts.drawings[PromptKey(0, 1)].mask((48, 56)).sum() == 2 * 11 * 17


def test_an_outline_between_the_pixels_is_refused_in_words(desk: Desk) -> None:
    refused: list[str] = []
    desk.widget.controller.refused.disconnect()
    desk.widget.controller.refused.connect(refused.append)
    desk.press("new_object")
    shapes = desk.widget.layers.need_shapes()
    shapes.add(np.array([[0, 10.2, 10.2], [0, 10.2, 10.8], [0, 10.8, 10.8]]), shape_type="polygon")
    desk.settle()
    assert not refused
    shapes.add(np.array([[0, 10.2, 10.6], [0, 14.2, 14.6], [0, 14.3, 14.9]]), shape_type="polygon")
    desk.settle()
    assert refused == ["Object 1 on frame 0: its outline lies between the pixels: draw a larger one"]
    assert not desk.widget.session.prompts


@pytest.mark.parametrize(("kind", "corners"), [("line", (10, 34)), ("path", (10, 22, 34))])
def test_line_becomes_points_along_it(desk: Desk, kind: str, corners: tuple[int, ...]) -> None:
    desk.press("new_object")
    desk.press("new_shapes")
    desk.widget.layers.shapes.add(np.array([[0, 10, x] for x in corners]), shape_type=kind)
    desk.settle()
    (prompt,) = desk.widget.session.prompts
    np.testing.assert_allclose(prompt.points, [[10, x] for x in (12, 16, 20, 24, 28, 32)])
    assert prompt.labels.tolist() == [1] * 6


def test_box_and_clicks_go_together(desk: Desk) -> None:
    desk.press("new_object")
    desk.press("new_shapes")
    desk.widget.layers.shapes.add(np.array([[0, 5, 5], [0, 5, 30], [0, 30, 30], [0, 30, 5]]), shape_type="rectangle")
    desk.press("tool_click")
    desk.click_shown(20, 20)
    desk.settle()
    (prompt,) = desk.widget.session.prompts
    assert prompt.box == (5.5, 5.5, 30.5, 30.5)
    np.testing.assert_allclose(prompt.points, [[20, 20]], atol=0.2)


def test_painting_is_kept_to_the_pixel(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    desk.viewer.dims.set_point(0, 3)
    desk.press("tool_paint")
    labels = desk.widget.layers.labels
    labels.brush_size = 7
    assert labels.selected_label == 1
    labels.data[3] = 0
    before = desk.labels[3].copy()
    desk.drag((20, 20), (30, 30))
    desk.settle()
    painted = desk.labels[3].copy()
    assert painted.any()
    assert not np.array_equal(painted, before)
    (prompt,) = [p for p in desk.widget.session.prompts if p.frame == 3]
    np.testing.assert_array_equal(prompt.mask, painted == 1)
    assert desk.find("score_plot").stale == [(4, 11)]
    desk.track("update")
    np.testing.assert_array_equal(desk.labels[3], painted)


def test_erasing_is_heard_and_undone_in_one_step(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    whole = desk.labels.copy()
    labels = desk.widget.layers.labels
    y, x = np.argwhere(whole[0] == 1)[len(np.argwhere(whole[0] == 1)) // 2]
    desk.viewer.layers.selection.active = labels
    labels.mode = "erase"
    labels.brush_size = 6
    desk.drag((y, x), (y, x))
    desk.settle()
    assert desk.labels[0, y, x] == 0
    (prompt,) = desk.widget.session.prompts
    np.testing.assert_array_equal(prompt.mask, desk.labels[0] == 1)
    QTest.keyClick(desk.viewer.window._qt_viewer.canvas.native, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    desk.settle()
    np.testing.assert_array_equal(desk.labels, whole)
    assert said(desk) == {(0, 1): ([[20, 30]], [1])}
    assert desk.widget.controller.results.stale_frames() == []


def test_rubbing_an_object_out_says_that_it_is_not_there(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    whole = desk.labels.copy()
    desk.viewer.dims.set_point(0, 5)
    labels = desk.widget.layers.labels
    rows, columns = np.nonzero(whole[5] == 1)
    labels.data_setitem((np.full(len(rows), 5), rows, columns), 0)
    desk.settle()
    (prompt,) = [p for p in desk.widget.session.prompts if p.frame == 5]
    assert prompt.says_absent
    assert not desk.labels[5].any()
    assert desk.find("score_plot").hidden[0] == (5, 5)
    assert desk.track("update")
    assert not desk.labels[5].any()
    assert desk.widget.session.outputs.scores.get(5, 1).object_score < 0.001
    for _ in range(2):
        desk.press("undo")
        desk.settle()
    np.testing.assert_array_equal(desk.labels, whole)


def test_labels_of_another_program_leave_other_objects_alone(desk: Desk, frames: np.ndarray) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    mine = np.zeros(frames.shape, np.int32)
    mine[0, 40:46, 2:8] = 7
    desk.viewer.add_labels(mine, name="from a threshold")
    desk.widget.panel.source_labels.setCurrentText("from a threshold")
    desk.press("take_labels")
    desk.settle()
    assert {(p.frame, p.object_id) for p in desk.widget.session.prompts} == {(0, 1), (0, 7)}


def test_labels_of_another_program_become_prompts(desk: Desk, frames: np.ndarray) -> None:
    mine = np.zeros(frames.shape, np.int32)
    mine[2, 5:15, 5:15], mine[2, 20:30, 20:40], mine[2, 35:45, 2:12] = 3, 7, 9
    source = desk.viewer.add_labels(mine, name="from a threshold")
    desk.widget.panel.source_labels.setCurrentText("from a threshold")
    desk.viewer.dims.set_point(0, 2)
    desk.press("take_labels")
    desk.settle()
    assert {(p.frame, p.object_id) for p in desk.widget.session.prompts} == {(2, 3), (2, 7), (2, 9)}
    np.testing.assert_array_equal(desk.labels[2], mine[2])
    assert desk.widget.layers.labels is not source
    assert desk.widget.layers.labels.visible
    assert not source.visible
    np.testing.assert_array_equal(source.data, mine)
    assert desk.track()
    assert desk.find("object_table").object_ids == [3, 7, 9]


def test_preview_can_be_turned_off(desk: Desk) -> None:
    desk.press("new_object")
    desk.find("live_preview").setChecked(False)
    desk.click(20, 30)
    desk.settle()
    assert desk.previews == []
    assert desk.widget.session.prompts == ()
    assert desk.track()
    assert said(desk) == {(0, 1): ([[20, 30]], [1])}
    assert desk.labels.any()


def test_points_outside_the_image_are_passed_over(desk: Desk) -> None:
    desk.press("new_object")
    desk.widget.layers.points.add([[0, 20, 30], [0, -4, 30], [0, 20, 99]])
    desk.settle()
    assert said(desk) == {(0, 1): ([[20, 30]], [1])}


def test_first_prompt_given_as_its_layer_is_made_can_be_undone(desk: Desk) -> None:
    desk.widget.panel.buttons["new_object"].click()
    desk.widget.layers.points.add([[0, 20, 30]])
    desk.until(lambda: desk.previews)
    desk.press("undo")
    desk.settle()
    assert len(desk.widget.layers.points.data) == 0
    assert desk.widget.session.prompts == ()
    desk.press("redo")
    desk.settle()
    assert said(desk) == {(0, 1): ([[20, 30]], [1])}


def test_quick_clicks_all_count_and_undo_one_by_one(desk: Desk) -> None:
    desk.press("new_object")
    places = [(20, 30), (40, 10), (10, 10), (30, 40)]
    for place in places:
        desk.click(*place)
    desk.settle()
    assert said(desk) == {(0, 1): ([list(p) for p in places], [1] * 4)}
    for count in (3, 2, 1):
        desk.press("undo")
        desk.settle()
        assert len(desk.widget.layers.points.data) == count
        assert len(said(desk)[0, 1][0]) == count
    for count in (2, 3, 4):
        desk.press("redo")
        desk.settle()
        assert len(said(desk)[0, 1][0]) == count


@pytest.mark.parametrize("erase", [False, True])
def test_a_brush_over_several_frames_prompts_each_of_them(desk: Desk, erase: bool) -> None:
    desk.press("new_object")
    desk.viewer.dims.set_current_step(0, 4)
    desk.press("tool_paint")
    labels = desk.widget.layers.labels
    labels.brush_size, labels.n_edit_dimensions = 5, 3
    if erase:
        labels.paint((4, 20, 20), 1)
        labels.brush_size = 3
        desk.settle()
    labels.paint((4, 20, 20), 0 if erase else 1)
    desk.settle()
    painted = {frame: labels.data[frame] == 1 for frame in range(len(labels.data)) if (labels.data[frame] == 1).any()}
    assert [*painted] == [2, 3, 4, 5, 6]
    prompts = {prompt.frame: prompt.mask for prompt in desk.widget.session.prompts}
    assert sorted(prompts) == [*painted]
    for frame, mask in painted.items():
        np.testing.assert_array_equal(prompts[frame], mask)
    desk.track()
    for frame, mask in painted.items():
        np.testing.assert_array_equal(labels.data[frame] == 1, mask)
    # One stroke is one step.
    desk.press("undo")
    desk.press("undo")
    desk.settle()
    assert len(desk.widget.session.prompts) == (5 if erase else 0)


def test_a_brush_over_several_places_of_another_axis(
    open_desk: Callable[..., Desk], frames: np.ndarray, checkpoint: Path
) -> None:
    desk = open_desk(
        np.stack([frames[:4], frames[4:8], frames[8:]]), axis_labels=("t", "z", "y", "x"), checkpoint=checkpoint
    )
    desk.viewer.dims.set_point([0, 1], [1, 2])
    desk.settle()
    desk.press("tool_paint")
    labels = desk.widget.layers.labels
    labels.brush_size, labels.n_edit_dimensions = 3, 4
    labels.paint((1, 2, 20, 20), 1)
    desk.settle()
    space = desk.widget.layers.space
    assert {prompt.frame for prompt in desk.widget.session.prompts} == {
        frame for frame in range(space.n_frames) if labels.data[space.index(frame)].any()
    }
    assert any("beyond the stack on show" in record.message for record in notification_manager.records)


def test_a_row_that_is_no_prompt_may_stay_alone(desk: Desk) -> None:
    """Without an object and without a sign, as rows are that others add."""
    desk.press("new_object")
    desk.click_shown(20, 30)
    points = desk.widget.layers.points
    with points.events.features.blocker(), points.events.data.blocker():
        points.data = np.array([[0, 20, 30], [0, 2, 2]], float)
        signs = pd.Categorical(["positive", None], categories=["positive", "negative"])
        points.features = pd.DataFrame({"object": [1, 0], "prompt": signs})
    show_points(points, {}, desk.widget.layers.space, Placement.of(points, desk.widget.layers.image))
    assert points.data.tolist() == [[0, 2, 2]]
    assert points.features["prompt"].tolist() == ["positive"]

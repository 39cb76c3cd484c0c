"""Divisions in a real window: proposed and answered by one key, or said by two clicks; and the lineage view."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from drawn_discs import disc
from napari_sam2.data.prompts.drawing import Drawing, PromptKey
from napari_sam2.plugin.layers.labels_layer import colour_of

if TYPE_CHECKING:
    from conftest import Desk

SIZE = (48, 56)


@pytest.fixture
def divided(desk: Desk) -> Desk:
    """Object 1 shrinks on frame 6, where object 2 comes beside it; object 3 is by itself. All is painted."""
    masks = {}
    for t in range(10):
        masks[PromptKey(t, 1)] = disc(20, 20, 8, SIZE) if t < 6 else disc(20, 27, 5, SIZE)
        masks[PromptKey(t, 3)] = disc(40, 46, 6, SIZE)
        if t >= 6:
            masks[PromptKey(t, 2)] = disc(20, 13, 5, SIZE)
    edits = {key: Drawing.of_mask(mask) for key, mask in masks.items()}
    desk.widget.controller.edits.change(lambda engine: engine.edit(edits, "Paint"))
    desk.settle()
    desk.find("object_table").selectRow(2)
    return desk


def line(desk: Desk) -> str:
    return str(desk.find("status_line").text())


def act(desk: Desk, name: str) -> None:
    desk.widget.act(name)
    desk.settle()


def test_a_proposed_division_is_accepted_by_one_key(divided: Desk) -> None:
    act(divided, "next_doubtful")
    assert divided.widget.layers.frame == 6
    assert divided.widget.layers.selected == 1
    assert line(divided).startswith("Does object 1 divide here, into itself and object 2? Y: yes, W: no.")
    act(divided, "accept")
    session = divided.widget.session
    assert session.parents == {2: 1, 4: 1}
    assert session.labels[6][20, 20] != 1
    assert "divide here" not in line(divided)
    act(divided, "undo")
    assert session.parents == {}
    assert "divide here" in line(divided)


def test_one_that_is_refused_is_not_proposed_again(divided: Desk) -> None:
    act(divided, "next_doubtful")
    act(divided, "refuse_division")
    assert "divide here" not in line(divided)
    assert divided.widget.session.parents == {}
    act(divided, "next_doubtful")
    assert "divide here" not in line(divided)
    # It is a step of the session like any other.
    act(divided, "undo")
    assert "divide here" in line(divided)
    act(divided, "redo")
    assert "divide here" not in line(divided)
    act(divided, "refuse_division")
    assert line(divided).endswith("No division is proposed on this frame.")


@pytest.mark.parametrize(
    ("places", "n_new"), [(((20, 27), (20, 13)), 1), (((20, 25), (20, 29)), 2), (((20, 27), (44, 10)), 2)]
)
def test_two_clicks_say_who_the_daughters_are(
    divided: Desk, places: tuple[tuple[int, int], tuple[int, int]], n_new: int
) -> None:
    """Another object, two parts of the mother, or a place where nothing is yet."""
    session = divided.widget.session
    divided.find("object_table").selectRow(0)
    divided.viewer.dims.set_point(0, 6)
    act(divided, "tool_click")
    act(divided, "divides_here")
    assert "Click on the first daughter of object 1" in line(divided)
    divided.click(*places[0])
    divided.until(lambda: "Click on the other daughter of object 1" in line(divided), line(divided))
    divided.click(*places[1])
    divided.until(lambda: session.parents, "the division")
    divided.settle()
    assert {*session.parents.values()} == {1}
    assert len(session.parents) == 2
    assert len(session.object_ids) == 3 + n_new
    assert session.lineage.set_index("object")["end"].to_dict()[1] == 5
    # The tool that was on is on again.
    assert str(divided.viewer.layers.selection.active.mode) == "add"
    act(divided, "undo")
    assert session.object_ids == (1, 3, 2) or set(session.object_ids) == {1, 2, 3}


def test_asked_again_no_click_is_expected(divided: Desk) -> None:
    divided.find("object_table").selectRow(0)
    act(divided, "divides_here")
    act(divided, "divides_here")
    assert "daughter" not in line(divided)
    divided.click(20, 27)
    divided.settle()
    assert divided.widget.session.parents == {}


def test_lineage_view_shows_families_and_leads_to_events(divided: Desk) -> None:
    act(divided, "next_doubtful")
    act(divided, "accept")
    divided.widget.panel.sections["Lineage"].setVisible(True)
    divided.widget.panel.sections["Lineage"].unfold()
    divided.settle()
    divided.widget.view.show()
    plot = divided.widget.panel.lineage_plot
    assert [(one.object_id, one.parent) for one in plot.rows] == [(2, 1), (1, None), (4, 1), (3, None)]
    assert plot.target(5.6, 1.2) == (5, 1)
    assert plot.target(1.0, 7.0) is None
    plot.event_clicked.emit(6, 4)
    assert (divided.widget.layers.frame, divided.widget.layers.selected) == (6, 4)
    # Daughters have colours of their own, near the mother's.
    labels = divided.widget.layers.labels
    mother, one, other, stranger = (np.array(colour_of(labels, i), float) for i in (1, 2, 4, 3))
    assert np.abs(one - other).sum() > 60
    assert max(np.abs(one - mother).sum(), np.abs(other - mother).sum()) < np.abs(stranger - mother).sum() + 200
    act(divided, "undo")
    assert labels.colormap.__class__.__name__ == "CyclicLabelColormap"


def test_swap_and_end_have_keys(divided: Desk) -> None:
    session, table = divided.widget.session, divided.find("object_table")
    act(divided, "swap")
    assert line(divided).endswith("Select two objects to swap: Ctrl+click on their rows.")
    table.selectAll()
    divided.viewer.dims.set_point(0, 8)
    table.selectRow(2)
    act(divided, "ends_here")
    assert session.spans[3].end == 7


def test_tracks_of_another_program_come_with_their_lineage(desk: Desk, tmp_path: Path) -> None:
    for t in range(4):
        image = disc(20, 20, 8, SIZE) * 1 if t < 2 else 2 * disc(20, 13, 5, SIZE) + 3 * disc(20, 27, 5, SIZE)
        tifffile.imwrite(tmp_path / f"mask{t:03}.tif", image.astype(np.uint16))
    (tmp_path / "res_track.txt").write_text("1 0 1 0\n2 2 3 1\n3 2 3 1\n", encoding="utf-8")
    desk.widget.tools.take_tracks(tmp_path)
    desk.settle()
    assert desk.widget.session.parents == {2: 1, 3: 1}
    assert desk.labels[3][20, 13] == 2
    assert desk.widget.panel.object_table.object_ids == [1, 2, 3]
    act(desk, "undo")
    assert not desk.labels.any()

"""What the status line says, and what is greyed: no window is needed for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_sam2.plugin.state.panel_state import (
    BUSY,
    NEXT,
    PROBLEM,
    PanelState,
    RunProgress,
    SelectedObject,
    greyed,
    status_line,
    step_text,
)
from napari_sam2.session.quality.worth import Outlook

READY = PanelState(has_image=True, n_frames=36, model="sam2_nano")
THREE = SelectedObject("object 3", is_prompted=True)
CLICKING = replace(READY, tool="click", selected=THREE)
ON_THREE = "Next click: on object 3 (Q: off it). N: next object."
NO_TOOL = "Next click: selects a mask. Choose a tool to go on, or N for the next object."

SENTENCES = {
    "Open an image to begin: drop a file on the window, or File > Open Sample.": PanelState(),
    "Loading the model. Clicks are answered when it is there.": replace(READY, model="", is_loading=True),
    "Press New object (N), then click on it in the image.": READY,
    "Next click: on object 3 (Q: off it). N: next object.": CLICKING,
    "Next click: off object 3 (Q: on it).": replace(CLICKING, is_positive=False),
    "Next click: on object 1 (Q: off it).": replace(READY, tool="click"),
    "Next click: on object 3 (Q: off it). N: next object. Tab: another mask (1 of 3).": replace(
        CLICKING, n_candidates=3, candidate=1
    ),
    "Next click: a new object. Click a mask to correct it.": replace(
        CLICKING, one_object_per_click=True, selected=SelectedObject("object 4")
    ),
    "Next box: around object 3. N: next object.": replace(CLICKING, tool="box"),
    "Next box: over object 3, in place of the one here; elsewhere, a new object.": replace(
        CLICKING, tool="box", selected=replace(THREE, has_box_here=True)
    ),
    "Draw around object 3: what is inside becomes its mask.": replace(CLICKING, tool="outline"),
    "Draw a line on object 3.": replace(CLICKING, tool="line"),
    "Paint what belongs to object 3; what you paint is kept. N: next object.": replace(CLICKING, tool="paint"),
    "Drag points to move them; Delete removes the selected, Q turns them round.": replace(CLICKING, tool="select"),
    "image: clicks is hidden and takes nothing: choose a tool. 1 object, not tracked: Track (K).": replace(
        READY, obstacle="image: clicks is hidden and takes nothing: choose a tool.", n_objects=1, n_untracked=1
    ),
    f"{ON_THREE} image: objects is hidden: masks are not seen.": replace(CLICKING, hidden_result="image: objects"),
    "Drag a rectangle: only what is in it will be tracked.": replace(READY, tool="region"),
    "Next click: on object 3 (Q: off it). N: next object. 3 objects, not tracked: Track (K).": replace(
        CLICKING, n_objects=3, n_untracked=3
    ),
    "Next click: on object 3 (Q: off it). N: next object. Tracked. J: next doubtful frame.": replace(
        CLICKING, n_objects=3
    ),
    f"{ON_THREE} Tracked: expected overlap 0.86 ± 0.04 over 500 masks; 3 corrections bring about 0.90. "
    "J: the next.": replace(CLICKING, n_objects=3, outlook=Outlook(500, 0.86, 0.04, 3, 0.9)),
    f"{ON_THREE} Looked at 12 frames, 4 s each. Tracked: expected overlap 0.91 ± 0.03 over 500 masks; no correction is "
    "expected to bring more.": replace(
        CLICKING, n_objects=3, outlook=Outlook(500, 0.91, 0.03, 0, 0.91), n_looked_at=12, seconds_a_frame=4.2
    ),
    f"{NO_TOOL} 19 frames out of date: Update (U).": replace(READY, n_objects=1, n_stale=19),
    NO_TOOL: replace(READY, n_objects=1, n_frames=1),
    f"{NO_TOOL} 1 object, not tracked: Track (K).": replace(READY, n_objects=1, n_untracked=1),
    "1 prompt lies outside the region: it waits until you press Whole. Next click: on object 3 (Q: off it). "
    "N: next object.": replace(CLICKING, n_outside=1),
    f"Stopped after frame 4 (5 of 36): Continue. {NO_TOOL}": replace(
        READY, n_objects=1, n_untracked=1, stopped=RunProgress(5, 36, 4)
    ),
    f"New prompts wait: Track (K) or Update (U). {NO_TOOL}": replace(
        READY, n_objects=1, n_untracked=1, has_pending=True
    ),
    "Looking…": replace(CLICKING, is_looking=True),
    "Volume view: turn to 2-D to click (Ctrl+Y).": replace(CLICKING, is_volume_view=True),
    "sam2_large is not on this machine: download it, or go on with sam2_nano.": replace(
        READY, missing_model="sam2_large"
    ),
    "No model on this machine: choose one, or go on with sam2_nano.": replace(READY, model=""),
    f"Tracking. {ON_THREE} Cancel keeps what is done.": replace(CLICKING, is_tracking=True),
    "Tracking. Volume view: turn to 2-D to click (Ctrl+Y). Cancel keeps what is done.": replace(
        CLICKING, is_tracking=True, is_volume_view=True
    ),
    f"{ON_THREE} These frames are not open yet: clicks and tracking wait.": replace(
        CLICKING, n_objects=1, n_untracked=1, is_opening=True
    ),
    f"Stopped (4 of 36): Continue. {NO_TOOL}": replace(READY, n_objects=1, n_untracked=1, stopped=RunProgress(4, 36)),
    "Looking for objects on this frame. Cancel leaves everything as it is.": replace(CLICKING, is_finding=True),
    "Click on a proposal to leave it out. Take 23 objects.": replace(READY, tool="find", n_proposals=23, n_taken=23),
    "Click on a proposal to leave it out, on one that is only outlined to take it. Take 1 object.": replace(
        READY, tool="find", n_proposals=2, n_taken=1
    ),
    "All proposals are left out: click on one to take it, or move the score down.": replace(
        READY, tool="find", n_proposals=2
    ),
    "2 proposals on this frame: Take or Cancel. Press New object (N), then click on it in the image.": replace(
        READY, n_proposals=2, n_taken=2
    ),
    "Object 3 on frame 0: lies outside the image": replace(
        CLICKING, problem="Object 3 on frame 0: lies outside the image"
    ),
}


@pytest.mark.parametrize("text", SENTENCES)
def test_line_says(text: str) -> None:
    assert status_line(SENTENCES[text]).text == text


def test_line_is_a_call_to_go_on_a_wait_or_a_problem() -> None:
    assert status_line(CLICKING).kind == NEXT
    assert status_line(replace(CLICKING, is_looking=True)).kind == BUSY
    assert status_line(replace(CLICKING, problem="no")).kind == PROBLEM


def test_buttons_are_grey_for_a_reason() -> None:
    assert set(greyed(PanelState())) >= {"new_object", "tool_box", "track_both", "draw_region", "undo", "take_labels"}
    assert set(greyed(CLICKING)) == {"undo", "redo"}
    assert set(greyed(replace(CLICKING, can_undo=True, can_redo=True))) == set()
    running = greyed(replace(CLICKING, can_undo=True, is_tracking=True))
    assert running["undo"] == running["track_both"] == "Wait for the run under way, or cancel it"
    assert "tool_click" not in running


def test_undo_says_what_it_takes_back() -> None:
    assert step_text("undo", "Click on object 3") == "Undo click on object 3"
    assert step_text("redo", "") == "Redo"

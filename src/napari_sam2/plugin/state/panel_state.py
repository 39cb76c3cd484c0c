"""What the panel shows, as one value, and what follows from it: the status line, texts of buttons, what is greyed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam2.wording import counted, out_of_date

if TYPE_CHECKING:
    from napari_sam2.session.quality.worth import Outlook

# What the mouse does next; empty where it does nothing of ours. "select" moves points that are there.
TOOLS = ("click", "box", "outline", "line", "paint", "select", "region", "find", "daughters")
# How a line of status is meant: what to do next, what goes on, what keeps the user from going on.
NEXT, BUSY, PROBLEM = "next", "busy", "problem"
# Kind of the worker's run that looks for objects.
FINDING = "finding"


@dataclass(frozen=True)
class RunProgress:
    """How far a run is, or was when it was stopped."""

    # Of all frames.
    done: int
    total: int
    # The last frame; None where it is not known any more.
    frame: int | None = None
    # What it is called, where that is more than its number.
    place: str = ""


@dataclass(frozen=True)
class SelectedObject:
    """The selected object, as far as the next click is about it."""

    name: str = "object 1"
    # Whether it has a prompt anywhere, and a box on the frame on show.
    is_prompted: bool = False
    has_box_here: bool = False


@dataclass(frozen=True)
class PanelState:
    """All that the panel's lines and buttons are made from."""

    # The stack on show.
    has_image: bool = False
    n_frames: int = 1
    # Whether it is still being opened: clicks wait, and nothing can be tracked.
    is_opening: bool = False
    is_volume_view: bool = False
    # Where the view shows other planes than the frames are: axes of those, and of the frames.
    wrong_planes: tuple[str, str] | None = None
    # Whether frames lie across the image's own planes, and whether they are the planes of volumes over time.
    is_across: bool = False
    is_through_volumes: bool = False
    # The model in use, as the user reads it; the one chosen, where it is not on this machine; whether one is coming.
    model: str = ""
    missing_model: str = ""
    is_loading: bool = False
    # What the mouse does next.
    tool: str = ""
    # Why it does nothing, where a layer to draw in is chosen; and the layer of masks, where that is hidden.
    obstacle: str = ""
    hidden_result: str = ""
    is_positive: bool = True
    one_object_per_click: bool = False
    selected: SelectedObject = SelectedObject()
    # Masks that the model proposed for the last click, and which of them is shown, from 1.
    n_candidates: int = 0
    candidate: int = 0
    # Objects with a prompt, those of them that no run has followed, and whether a run has followed any.
    n_objects: int = 0
    n_untracked: int = 0
    is_tracked: bool = False
    # Rows of the table, of which some may have no prompt yet.
    n_rows: int = 0
    # Frames out of date, and prompts outside the region.
    n_stale: int = 0
    n_outside: int = 0
    # Whether the frame on show is accepted.
    is_accepted: bool = False
    # Whether prompts wait for Track or Update, and whether the model is answering one.
    has_pending: bool = False
    is_looking: bool = False
    # Whether tracking is under way, and how far a run was that can be continued.
    is_tracking: bool = False
    stopped: RunProgress | None = None
    is_teaching: bool = False
    # Whether objects are being looked for; what was found, and how many of it are going to be taken.
    is_finding: bool = False
    n_proposals: int = 0
    n_taken: int = 0
    # Divisions that are proposed, on any frame; what is asked about the one on show; daughters clicked on so far.
    n_divisions: int = 0
    division: str = ""
    n_daughters: int = 0
    # How good the result is taken to be; frames looked at in turn and seconds for each, once the last was looked at.
    outlook: Outlook | None = None
    n_looked_at: int = 0
    seconds_a_frame: float = 0.0
    # What undo and redo would do, in words, and whether they can now.
    undo_name: str = ""
    redo_name: str = ""
    can_undo: bool = False
    can_redo: bool = False
    # What went wrong last, until something goes well again.
    problem: str = ""


@dataclass(frozen=True)
class StatusText:
    """A line of status."""

    text: str
    # `NEXT`, `BUSY` or `PROBLEM`.
    kind: str = NEXT


def status_line(state: PanelState) -> StatusText:
    """Say what the next click means and what comes next, or what keeps the user from going on."""
    if state.problem:
        return StatusText(state.problem, PROBLEM)
    if not state.has_image:
        return StatusText("Open an image to begin: drop a file on the window, or File > Open Sample.")
    if state.missing_model:
        return StatusText(not_here(state.missing_model, "sam2_nano"), PROBLEM)
    if state.is_loading:
        return StatusText("Loading the model. Clicks are answered when it is there.", BUSY)
    if not state.model:
        return StatusText("No model on this machine: choose one, or go on with sam2_nano.", PROBLEM)
    not_in_view = _not_in_view(state)
    if state.is_tracking:
        return StatusText(f"Tracking. {not_in_view or _next_click(state)} Cancel keeps what is done.", BUSY)
    if state.is_finding:
        return StatusText("Looking for objects on this frame. Cancel leaves everything as it is.", BUSY)
    if state.is_looking:
        return StatusText("Looking…", BUSY)
    if not_in_view:
        return StatusText(not_in_view, PROBLEM)
    locked = "Frame accepted and locked (Y: unlock)." if state.is_accepted else ""
    hidden = f"{state.hidden_result} is hidden: masks are not seen." if state.hidden_result else ""
    parts = (_waiting(state), locked, _next_click(state), hidden, _next_step(state))
    return StatusText(" ".join(part for part in parts if part))


def not_here(missing: str, in_use: str) -> str:
    """Say that a model that was chosen has to be fetched first."""
    return f"{missing} is not on this machine: download it, or go on with {in_use}."


def _not_in_view(state: PanelState) -> str:
    """Why a click in this view would lie on no frame."""
    if state.is_volume_view:
        return "Volume view: turn to 2-D to click (Ctrl+Y)."
    if state.wrong_planes is not None:
        shown, frames = state.wrong_planes
        return f"The view shows {shown}, and frames are {frames}: roll it (Ctrl+E) to click."
    return ""


def _waiting(state: PanelState) -> str:
    """What was said already and is not taken up yet."""
    if state.division and state.tool != "daughters":
        return f"{state.division} Y: yes, W: no."
    if state.n_proposals and state.tool != "find":
        return f"{counted(state.n_proposals, 'proposal')} on this frame: Take or Cancel."
    if state.n_outside:
        one = state.n_outside == 1
        prompts = "1 prompt lies" if one else f"{state.n_outside} prompts lie"
        return f"{prompts} outside the region: {'it waits' if one else 'they wait'} until you press Whole."
    if state.stopped is not None:
        run = state.stopped
        where = "" if run.frame is None else f" after {run.place or f'frame {run.frame}'}"
        return f"Stopped{where} ({run.done} of {run.total}): Continue."
    if state.has_pending:
        return "New prompts wait: Track (K) or Update (U)."
    return ""


def _next_click(state: PanelState) -> str:
    name = state.selected.name
    if state.obstacle:
        return state.obstacle
    if state.tool == "find" and state.n_proposals:
        return _next_proposal(state)
    if state.tool == "daughters":
        which = "other" if state.n_daughters else "first"
        return f"Click on the {which} daughter of {name}. Shift+D: give it up."
    if state.tool == "region":
        return "Drag a rectangle: only what is in it will be tracked."
    if state.tool == "select":
        return "Drag points to move them; Delete removes the selected, Q turns them round."
    if state.tool == "paint":
        return f"Paint what belongs to {name}; what you paint is kept. N: next object."
    if state.tool in ("click", "box") and state.one_object_per_click and not state.selected.is_prompted:
        return f"Next {state.tool}: a new object. Click a mask to correct it."
    if state.tool == "click" and not state.is_positive:
        return f"Next click: off {name} (Q: on it)."
    if state.tool == "click":
        more = "N: next object." if state.selected.is_prompted else ""
        return f"Next click: on {name} (Q: off it). {more}{_other_masks(state)}".rstrip()
    if state.tool == "box":
        if state.selected.has_box_here:
            return f"Next box: over {name}, in place of the one here; elsewhere, a new object."
        return f"Next box: around {name}. N: next object."
    if state.tool == "outline":
        return f"Draw around {name}: what is inside becomes its mask."
    if state.tool == "line":
        return f"Draw a line on {name}."
    if not state.n_objects:
        return "Press New object (N), then click on it in the image."
    return "Next click: selects a mask. Choose a tool to go on, or N for the next object."


def _next_proposal(state: PanelState) -> str:
    if not state.n_taken:
        return "All proposals are left out: click on one to take it, or move the score down."
    outlined = ", on one that is only outlined to take it" if state.n_taken < state.n_proposals else ""
    return f"Click on a proposal to leave it out{outlined}. Take {counted(state.n_taken, 'object')}."


def _other_masks(state: PanelState) -> str:
    return f" Tab: another mask ({state.candidate} of {state.n_candidates})." if state.n_candidates > 1 else ""


def _next_step(state: PanelState) -> str:
    if state.is_teaching:
        return "Teaching: tracking waits."
    if state.is_opening:
        return "These frames are not open yet: clicks and tracking wait."
    if state.n_proposals:
        return ""
    if state.n_stale:
        return f"{out_of_date(state.n_stale)}: Update (U)."
    if state.stopped is None and state.n_untracked and state.n_frames > 1 and not state.has_pending:
        return f"{counted(state.n_untracked, 'object')}, not tracked: Track (K)."
    if state.n_divisions and not state.division:
        return f"{counted(state.n_divisions, 'division')} proposed: J."
    if state.stopped is None and state.n_objects and not state.n_untracked and state.n_frames > 1:
        return _finish_line(state)
    return ""


def _finish_line(state: PanelState) -> str:
    """How good the result is taken to be, and what is to be gained."""
    seen = state.outlook
    if seen is None:
        return "Tracked. J: next doubtful frame."
    looked = f"Looked at {counted(state.n_looked_at, 'frame')}, {state.seconds_a_frame:.0f} s each. "
    expected = f"Tracked: expected overlap {seen.mean:.2f} ± {seen.margin:.2f} over {counted(seen.frames, 'mask')}"
    if not seen.corrections:
        return f"{looked if state.n_looked_at else ''}{expected}; no correction is expected to bring more."
    more = f"{counted(seen.corrections, 'correction')} {'brings' if seen.corrections == 1 else 'bring'}"
    return f"{looked if state.n_looked_at else ''}{expected}; {more} about {seen.after:.2f}. J: the next."


def step_text(action: str, name: str) -> str:
    """Say what undo or redo would do: "Undo click on object 3"."""
    return f"{action.capitalize()} {name[:1].lower()}{name[1:]}".rstrip()


def greyed(state: PanelState) -> dict[str, str]:
    """Say why buttons cannot be pressed, by their names; those that can are left out."""
    reasons: dict[str, str] = {}
    if not state.has_image:
        why = "Open an image first"
        tools = ("new_object", "tool_click", "tool_box", "tool_outline", "tool_scribble", "tool_paint", "draw_region")
        others = ("find_objects", "take_labels", "take_tracks", "candidates", "next_doubtful")
        reasons |= dict.fromkeys((*tools, *others, *_TRACKING), why)
    if state.is_tracking or state.is_teaching or state.is_finding:
        why = "Wait for the run under way, or cancel it"
        reasons |= dict.fromkeys((*_TRACKING, "find_objects", "undo", "redo"), why)
    if state.is_across:
        reasons.setdefault("draw_region", "A region is a part of the image's own planes: track along its first axis")
    if state.is_through_volumes:
        reasons |= {name: reasons.get(name, WHOLE_ONLY) for name in PARTS}
        reasons.setdefault("draw_region", "Through time and depth whole planes are tracked")
    if not state.can_undo:
        reasons.setdefault("undo", "There is nothing to undo")
    if not state.can_redo:
        reasons.setdefault("redo", "There is nothing to do again")
    return reasons


# Runs over a part of the stack, and what is said of them where all volumes are tracked.
PARTS = ("track_forward", "track_backward", "track_range", "update_both_ways")
NO_OBJECT = "There is nothing to track yet: click an object, or draw or paint one"
WHOLE_ONLY = "Through time and depth all volumes are tracked: Track (K), or Update (U)"
_TRACKING = ("track_both", "track_forward", "track_backward", "track_range", "update", "update_both_ways")

"""Reads from the controller, its layers and the names of objects what the panel's lines and buttons are made from."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_sam2.plugin.state.panel_state import FINDING, PanelState, RunProgress, SelectedObject

if TYPE_CHECKING:
    from napari_sam2.plugin.state.object_names import ObjectNames
    from napari_sam2.plugin.worker.messages import Tracked
    from napari_sam2.session.quality.worth import Outlook

    from .controller import Controller


class StateReader:
    """Makes a `PanelState` of what there is now."""

    def __init__(self, controller: Controller, objects: ObjectNames) -> None:
        self._controller = controller
        self._layers = controller.layers
        self._objects = objects
        # What went wrong last, for the user to read until something else is done, and what was on show then.
        self._problem: str = ""
        self._said_of: object = None
        # The last step of the last run.
        self.latest: Tracked | None = None
        # Masks that the model proposed, and the one on show.
        self.candidates = 0, 0
        # Objects that were found and are not taken yet, and those of them that are going to be.
        self.proposals = 0, 0
        # What is asked about a division on show, and daughters of another that were clicked on.
        self.division, self.n_daughters = "", 0
        # Frames looked at in turn and seconds for each, once the last was looked at.
        self.looked_at = 0, 0.0
        self._n_untracked = self._n_rows = self._n_outside = 0
        self._is_tracked = False
        self._outlook: Outlook | None = None

    def count(self, n_rows: int) -> None:
        """Count objects and prompts again, which takes too long for every step of a slider."""
        results = self._controller.results
        prompted = Counter(key.object_id for key in self._controller.edits.prompts.drawings)
        # A run leaves results on frames that have no prompt.
        self._n_untracked = sum(results.n_known(object_id) <= frames for object_id, frames in prompted.items())
        self._is_tracked = any(results.n_known(i) > prompted[i] for i in results.object_ids)
        if not self._controller.is_running:
            self._outlook = results.review.outlook() if self._is_tracked else None
        self._n_rows = n_rows
        self.count_outside()

    def count_outside(self) -> None:
        """Count what was drawn outside the region and waits for whole frames."""
        self._n_outside = len(self._controller.edits.outside)

    def say(self, problem: str) -> bool:
        """Say what went wrong on what is on show, nothing where all is well; return whether that is news."""
        before = self._problem, self._said_of
        self._problem, self._said_of = problem, self._on_show
        return before != (self._problem, self._said_of)

    @property
    def _on_show(self) -> object:
        return self._layers.space, self._layers.displayed

    def read(self, tool: str, *, one_object_per_click: bool = False, missing_model: str = "") -> PanelState:
        """Describe what there is now; ``missing_model`` is one that was chosen and is not on this machine."""
        controller, layers, space = self._controller, self._layers, self._layers.space
        edits, prompts = controller.edits, controller.edits.prompts
        if self._said_of != self._on_show:
            self.say("")
        state = PanelState(
            has_image=layers.image is not None,
            n_frames=1 if space is None else space.n_frames,
            is_opening=layers.image is not None and bool(controller.model_name) and controller.session is None,
            is_volume_view=len(layers.displayed) > 2,
            wrong_planes=layers.wrong_planes,
            is_across=space is not None and bool(space.order),
            is_through_volumes=space is not None and space.over is not None,
            model=controller.model_name,
            missing_model="" if controller.model_name or controller.is_loading else missing_model,
            is_loading=controller.is_loading,
            tool=tool,
            is_positive=layers.next_is_positive,
            one_object_per_click=one_object_per_click,
            selected=self._selected(),
            n_candidates=self.candidates[0],
            candidate=self.candidates[1],
            n_objects=len({key.object_id for key in prompts.drawings}),
            n_untracked=self._n_untracked,
            n_rows=self._n_rows,
            n_outside=self._n_outside,
            has_pending=bool(prompts.pending) and not edits.live,
            is_looking=bool(prompts.unanswered) and not controller.is_busy,
            undo_name=edits.undo_name or "",
            redo_name=edits.redo_name or "",
            can_undo=edits.undo_name is not None and not controller.is_busy,
            can_redo=edits.redo_name is not None and not controller.is_busy,
            problem=self._problem,
        )
        return self._with_results(state)

    def _with_results(self, state: PanelState) -> PanelState:
        """Add what runs do, and what came of them."""
        controller, space = self._controller, self._layers.space
        busy, tracking = controller.is_busy, controller.is_running
        is_finding = busy and controller.worker.run_kind == FINDING
        return replace(
            state,
            is_tracked=self._is_tracked,
            n_stale=0 if tracking else len(controller.results.stale_frames()),
            is_accepted=space is not None and controller.results.is_accepted(self._layers.frame),
            is_tracking=tracking,
            stopped=self._stopped(),
            is_teaching=busy and not tracking and not is_finding,
            is_finding=is_finding,
            n_proposals=self.proposals[0],
            n_taken=self.proposals[1],
            n_divisions=0 if tracking else len(controller.results.open_divisions),
            division="" if tracking else self.division,
            n_daughters=self.n_daughters,
            outlook=self._outlook,
            n_looked_at=self.looked_at[0],
            seconds_a_frame=self.looked_at[1],
        )

    def _selected(self) -> SelectedObject:
        layers = self._layers
        mine = {
            k.frame: one for k, one in self._controller.edits.prompts.drawings.items() if k.object_id == layers.selected
        }
        here = mine.get(layers.frame)
        has_box = here is not None and any(shape.prompt_kind == "box" for shape in here.shapes)
        return SelectedObject(self._objects.name_of(layers.selected), bool(mine), has_box)

    def _stopped(self) -> RunProgress | None:
        if not self._controller.can_resume or self._controller.is_busy:
            return None
        if self.latest is not None:
            frame, space = self.latest.update.frame, self._layers.space
            return RunProgress(self.latest.done, self.latest.total, frame, "" if space is None else space.named(frame))
        # From before the session was opened.
        session = self._controller.session
        return None if session is None else RunProgress(session.behind, session.behind + session.unfinished)

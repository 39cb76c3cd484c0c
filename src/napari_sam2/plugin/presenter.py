"""Shows results, progress and state in the panel's status line, tables, plot, notes and buttons."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_sam2.plugin.layers.labels_layer import SCORES_KEY, STALE_KEY, colour_of
from napari_sam2.plugin.layers.layer_frames import model_window
from napari_sam2.plugin.layers.prompt_colours import colour_prompts
from napari_sam2.plugin.layers.shown_colours import are_alike
from napari_sam2.plugin.state.division_queue import question
from napari_sam2.plugin.state.doubts import DOUBT_KINDS, MIXED, WORTH, Doubt, find_doubts, next_correction
from napari_sam2.plugin.state.family_tree import family_rows
from napari_sam2.plugin.state.panel_state import not_here

from .memory_notice import budget_of
from .state_reader import StateReader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.layers import Labels

    from napari_sam2.plugin.actions.drawing.tool_watcher import ToolWatcher
    from napari_sam2.plugin.actions.teaching.finetuning import Teaching
    from napari_sam2.plugin.panel.panel import Panel
    from napari_sam2.plugin.state.object_names import ObjectNames
    from napari_sam2.plugin.state.result_store import ResultStore
    from napari_sam2.session.population.proposed_divisions import DivisionProposal

    from .controller import Controller

# Tables for scripts take as long to write as a preview takes to show. Asking the system lets the worker's thread go
# first, while a mask is waited for. Both are done when the user has been at rest for so long.
_REST_MS = 300
# Most prompts are answered sooner, and saying that one is being looked at would only flicker.
_LOOKING_MS = 300


class Presenter:
    """Reads the controller and the layers, and shows what they hold; also colours and tabulates the Labels layer."""

    def __init__(
        self, controller: Controller, panel: Panel, *, objects: ObjectNames, teaching: Teaching, tools: ToolWatcher
    ) -> None:
        self._controller = controller
        self._layers = controller.layers
        self._panel = panel
        self._objects = objects
        self._teaching = teaching
        self._tools = tools
        self.reader = StateReader(controller, objects)
        tools.changed.connect(self.show_state)
        self._is_closed = False
        # The doubtful frame that was gone to last, and where it is in the list of them.
        self._doubt: Doubt | None = None
        self._doubt_at = -1
        # The reason by which no frame was found.
        self._not_found = ""
        self._rest = QTimer(panel)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self.catch_up)
        self._looking = QTimer(panel)
        self._looking.setSingleShot(True)
        self._looking.setInterval(_LOOKING_MS)
        self._looking.timeout.connect(self.show_state)
        self._layers.prompts_changed.connect(self._prompted)
        panel.colour_by_class.toggled.connect(self.show)

    def show(self) -> None:
        """Show everything."""
        layers, results, panel = self._layers, self._controller.results, self._panel
        threshold, prompts = panel.threshold.value(), self._controller.edits.prompts.drawings
        # Called after every change of any kind. The table comes first, as collecting its rows finds out which objects
        # there are, which colours and keys for new objects go by.
        self._objects.by_class = panel.colour_by_class.isChecked()
        rows = self._objects.rows(results, prompts=prompts, threshold=threshold, labels=layers.labels)
        panel.object_table.show_rows(rows, layers.selected)
        panel.colour_by_class.setVisible(any(row.class_name for row in rows))
        told_of = self._told_of
        scores = results.series(told_of, "object_score")
        panel.score_plot.show_scores(scores, threshold, colour=colour_of(layers.labels, told_of))
        # With prompts that the session has not answered yet, so that one shows at once.
        prompted = sorted({place.frame for place in prompts if place.object_id == told_of})
        panel.score_plot.show_marks(prompted, results.stale(told_of))
        news = self._controller.edits.has_news and results.is_any
        panel.track_box.show_stale(len(results.stale_frames()), others=news)
        panel.track_box.show_one_sided(max(results.state.one_sided.values(), default=0))
        self.reader.count(len(rows))
        self._show_busy()
        self.show_frame()
        self.show_window()
        self._show_region()
        self.show_rows()
        self.show_lineage()
        panel.measure_box.show_selected(told_of)
        for prompts_layer in (layers.points, layers.shapes):
            colour_prompts(prompts_layer, layers.labels, selected=layers.selected)
        # A run changes the tables all the time, and what it takes is no longer free: both are looked at when it ends.
        if not self._controller.is_running:
            self._rest.start()

    @property
    def _told_of(self) -> int:
        """The object that plot and notes are about: the selected one; the newest while each click is on a new one."""
        selected, known = self._layers.selected, self._controller.results.object_ids
        return selected if selected in (*self._objects.names, *known) or not known else max(known)

    def close(self) -> None:
        """Show nothing any more."""
        # Called when the dock is closed and when the widget is destroyed, possibly both.
        if not self._is_closed:
            self._is_closed = True
            self._layers.prompts_changed.disconnect(self._prompted)

    def catch_up(self) -> None:
        """Put the scores beside the labels, into their layer, and say how much memory tracking takes; not in a run."""
        self._rest.stop()
        if self._controller.is_running:
            return
        if self._layers.labels is not None:
            threshold = self._panel.threshold.value()
            _write_tables(self._layers.labels, self._controller.results, self._objects.names, threshold)
        self._show_memory()

    def show_rows(self) -> None:
        """List the frames."""
        threshold = self._panel.threshold.value()
        self._panel.frame_table.refresh(self._controller.results, self._told_of, threshold)

    def show_lineage(self) -> None:
        """Draw the tracks and who was born of whom."""
        plot, results, labels = self._panel.lineage_plot, self._controller.results, self._layers.labels
        if not plot.isVisible():
            return
        lives = {i: life for i in results.object_ids if (life := results.life(i)) is not None}
        proposed = [(one.frame, one.mother, i) for one in results.open_divisions for i in one.daughters]
        plot.show_rows(
            family_rows(lives, results.state.parents), results.n_frames,
            colours={i: colour_of(labels, i) for i in lives}, proposed=proposed,
        )  # fmt: skip
        plot.show_selected(self._layers.selected)

    def show_frame(self) -> None:
        """Say which frame is on show, and how the selected object is doing on it."""
        layers, results = self._layers, self._controller.results
        self._panel.track_box.set_frame(layers.frame)
        self._panel.score_plot.show_frame(layers.frame)
        self._panel.lineage_plot.show_frame(layers.frame)
        self.show_accepted()
        told_of = self._told_of
        row, name = results.table.get(layers.frame, told_of), self._objects.name_of(told_of)
        if row is None and results.is_any and not results.n_known(told_of):
            text = f"{name} has no prompt yet: choose another in the table to see how it went"
        elif row is None:
            text = f"Nothing known of {name} here yet"
        else:
            seen = "hidden" if row.object_score < self._panel.threshold.value() else "seen"
            text = f"{name} {seen}: confidence {row.object_score:.2f}, shape quality {row.predicted_iou:.2f}"
        if self._doubt is not None and self._doubt.frame == layers.frame:
            text += f" · doubtful: {self._doubt.reason}"
        if self._not_found:
            text += f" · no frame of {name}: {self._not_found}"
        if results.is_locked(layers.frame, told_of):
            text += " · accepted, locked"
        if layers.frame in results.stale_frames():
            text += " · out of date: Update (U)"
        elif self._controller.edits.prompts.pending and not self._controller.edits.live:
            text += " · new prompts: Track (K) or Update (U)"
        self._panel.frame_note.setText(text)
        division = results.division_on(layers.frame, layers.selected)
        names = {i: self._objects.name_of(i) for i in results.object_ids} if division is not None else {}
        self.reader.division = "" if division is None else question(division, names)
        self.show_state()

    def next_doubt(self) -> Doubt | None:
        """Go on to the next frame that deserves a look: proposed divisions, then by what the user chose."""
        self._not_found = ""
        if (division := self._next_division()) is not None:
            return Doubt(division.frame, "divides", 1.0, division.mother)
        results, kind = self._controller.results, self._panel.doubt.currentData()
        self.reader.looked_at = 0, 0.0
        if kind == WORTH and not results.n_planes:
            found = next_correction(results)
            if found is None:
                self.reader.looked_at = results.review.n_frames, results.review.seconds_a_frame
            return found
        doubts = find_doubts(results, self._told_of, MIXED if kind == WORTH else kind)
        if not doubts:
            self._not_found = DOUBT_KINDS[kind]
            return None
        self._doubt_at = (self._doubt_at + 1) % len(doubts)
        doubt = doubts[self._doubt_at]
        return replace(doubt, reason=f"{doubt.reason} ({self._doubt_at + 1} of {len(doubts)})")

    def show_doubt(self, doubt: Doubt | None) -> None:
        """Say why the frame on show was gone to."""
        self._doubt = doubt
        self.show_frame()

    def _next_division(self) -> DivisionProposal | None:
        kind, results = self._panel.doubt.currentData(), self._controller.results
        if kind not in (WORTH, MIXED, "division") or self._controller.is_running:
            return None
        results.find_divisions()
        proposed = results.divisions
        # The user is led around once before the doubts of the selected object, and again and again by divisions alone.
        found = proposed.next(results.open_divisions)
        return found or (proposed.next(results.open_divisions) if kind == "division" else None)

    def restart_doubts(self) -> None:
        """Begin with the most doubtful frame the next time."""
        self._doubt, self._doubt_at, self._not_found = None, -1, ""

    def show_state(self) -> None:
        """Say what the next click means, and what can be done."""
        state = self.reader.read(
            self._tools.tool,
            one_object_per_click=self._panel.one_object_per_click.isChecked(),
            missing_model=self._panel.model_box.missing,
        )
        tools = self._tools
        self._panel.show_state(replace(state, obstacle=tools.obstacle, hidden_result=tools.hidden_result))

    def show_candidates(self, n_masks: int, at: int) -> None:
        """Say which of the proposed masks is on show."""
        self.reader.candidates = n_masks, at
        self.show_state()

    def show_proposals(self, n_proposals: int, n_taken: int) -> None:
        """Say how many objects were found and wait, and how many of them would be taken."""
        self.reader.proposals = n_proposals, n_taken
        self.show_undo()

    def show_daughters(self, n_daughters: int) -> None:
        """Say whom the next click is about while the daughters of an object are clicked on."""
        self.reader.n_daughters = n_daughters
        self.show_frame()

    def say(self, problem: str) -> bool:
        """Say what went wrong, until the user does something else; without a problem, that all is well.

        Returns whether it was not said already.
        """
        is_news = self.reader.say(problem)
        self.show_state()
        return is_news

    def show_missing(self) -> None:
        """Say that the model that was chosen is not on this machine, where another is in use."""
        missing, in_use = self._panel.model_box.missing, self._controller.model_name
        self.say(not_here(missing, in_use) if missing and in_use else "")

    def _prompted(self) -> None:
        self.reader.say("")
        # It is no change of the session's that tells of these.
        self.reader.count_outside()
        self._looking.start()

    def show_accepted(self) -> None:
        """Say which frames are accepted."""
        results = self._controller.results
        self._panel.score_plot.show_accepted(results.marks(results.accepted.frames_done))
        here = results.is_accepted(self._layers.frame)
        self._panel.teach_box.show_accepted(*self._teaching.n_accepted, here=here)

    def show_undo(self) -> None:
        """Say what there is to undo, and what has to wait for a run to end."""
        self._show_busy()
        self.show_state()

    def _show_busy(self) -> None:
        busy = self._controller.is_busy
        self._panel.track_box.show_waiting(busy and not self._controller.is_running)
        if not busy:
            self._panel.track_box.show_resumable(self._controller.can_resume)
        self._panel.teach_box.show_busy(busy)

    def _show_memory(self) -> None:
        controller, space = self._controller, self._layers.space
        text, offer = "", False
        if space is not None and space in controller.workspace.engines:
            budget = budget_of(controller, space, self._layers.labels)
            text, offer = budget.text, budget.labels_are_large
        self._panel.track_box.show_memory(text, offer_disk=offer)

    def _show_region(self) -> None:
        region = None if self._layers.space is None else self._layers.space.selection.crop
        text = "whole frames"
        if region is not None:
            y0, x0, y1, x1 = region
            text = f"{y1 - y0} x {x1 - x0} px at y {y0}, x {x0}"
        self._panel.region_note.setText(text)
        self._panel.buttons["whole_frame"].setVisible(region is not None)

    def show_window(self) -> None:
        """Say which pixel values the model sees as black and white."""
        image, space, window = self._layers.image, self._layers.space, self._controller.window
        looks = () if space is None else self._controller.workspace.looks.get(space, ())
        self._panel.window_row.setVisible(window is not None or bool(looks))
        if image is None:
            return
        # The button is there only where the session sees the image in another way than the user.
        looks_now = self._controller.looks_of(image)
        is_same = are_alike(looks, looks_now) and (bool(looks) or model_window(image) == window)
        self._panel.buttons["take_window"].setVisible(not is_same)
        if looks:
            self._panel.window_note.setText(f"model sees {len(looks)} layers in colour")
        elif window is not None:
            self._panel.window_note.setText(f"model sees {window[0]:.5g} to {window[1]:.5g}")


def _write_tables(layer: Labels, results: ResultStore, names: Mapping[int, str], threshold: float) -> None:
    """Put a row per label into the layer's features, and one per frame and label into its metadata."""
    import pandas as pd

    rows: list[dict[str, Any]] = [{"index": 0, "name": "background"}]
    for object_id in results.object_ids:
        summary = results.summary(object_id, threshold)
        rows.append({"index": object_id, "name": names.get(object_id, f"object {object_id}"), **summary})
    layer.features = pd.DataFrame(rows)
    layer.metadata[SCORES_KEY] = results.scores()
    layer.metadata[STALE_KEY] = len(results.stale_frames())

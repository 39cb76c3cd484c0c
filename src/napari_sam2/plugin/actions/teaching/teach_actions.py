"""What the buttons of the Teach section do: accept frames, teach, and decide what becomes of the taught model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog

from napari_sam2.plugin.panel.activity import Activity

from .settings_trial import SettingsTrial

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2.plugin.controller import Controller
    from napari_sam2.plugin.panel.panel import Panel
    from napari_sam2.training.finetune.finetuner import TeachProgress
    from napari_sam2.training.finetune.try_settings import TrialProgress

    from .finetuning import Teaching

_CHECKPOINTS = "Checkpoints (*.safetensors *.pt *.pth)"


class TeachActions(QObject):
    """Connects the buttons with the teaching, and shows how it goes."""

    # Teaching has begun or ended: what has to wait for it is to be shown anew.
    busy_changed = Signal()

    def __init__(self, controller: Controller, teaching: Teaching, panel: Panel) -> None:
        super().__init__()
        self._controller = controller
        self._teaching = teaching
        self._box = panel.teach_box
        self._track_box = panel.track_box
        self._activity = Activity("SAM 2: teaching")
        self._trial = SettingsTrial(controller, teaching, panel.model_box)
        slots: dict[str, Callable[[], None]] = {
            "accept": self.accept,
            "accept_up_to": self._accept_up_to,
            "stop_teaching": self._stop,
            "try_settings": self._try,
            "use_best": self._use_best,
            "use_taught": self._use,
            "keep_old": self._keep_old,
            "save_taught": self._save,
        }
        for name, slot in slots.items():
            self._box.buttons[name].clicked.connect(lambda _=False, slot=slot: slot())
        # The button that starts passes on minutes; the rest tells how teaching goes, from the worker's steps.
        self._box.asked.connect(self._teach)
        teaching.progressed.connect(self._progressed)
        teaching.taught.connect(self._box.show_taught)
        teaching.ended.connect(self._ended)
        self._trial.progressed.connect(self._tried_so_far)
        self._trial.tried.connect(self._box.show_tried)
        self._trial.ended.connect(self._ended)
        teaching.saved.connect(lambda path: show_info(f"Written to {path}; choose it under Model as own checkpoint."))

    def accept(self) -> None:
        """Accept the labels on the frame on show, or take that back."""
        frame = self._controller.layers.frame
        if self._controller.results.is_accepted(frame):
            self._teaching.release(frame)
        elif not self._teaching.accept([frame]):
            show_warning(f"Nothing is known of frame {frame} yet: track it first.")
            self._teaching.accepted_changed.emit()

    def _accept_up_to(self) -> None:
        if not self._teaching.accept(range(self._controller.layers.frame + 1)):
            show_warning("There is no result up to this frame yet: track first.")

    def _teach(self, minutes: float) -> None:
        self._teaching.start(minutes)
        # A tracking run that was stopped gives way to teaching: the worker has one run.
        if self._teaching.is_running:
            self._box.show_running()
            self._track_box.show_idle(can_resume=False)
        self.busy_changed.emit()

    def _try(self) -> None:
        self._trial.start()
        if self._trial.is_running:
            self._box.show_running("Tracking with the settings at hand…")
            self._track_box.show_idle(can_resume=False)
        self.busy_changed.emit()

    def _stop(self) -> None:
        self._teaching.stop()
        self._trial.stop()

    def _use_best(self) -> None:
        self._trial.use_best()
        self._box.show_idle("The best settings are chosen under Model.")

    def _tried_so_far(self, progress: TrialProgress) -> None:
        self._box.show_trying(progress)
        self._activity.show(round(100 * progress.share_done), 100)

    def close(self) -> None:
        """Show nothing any more."""
        self._activity.end()

    def _progressed(self, progress: TeachProgress) -> None:
        self._box.show_progress(progress)
        self._activity.show(round(100 * progress.share_done), 100)

    def _ended(self, complete: bool) -> None:
        self._activity.end()
        if not complete:
            self._box.show_idle("Stopped; all is as it was.")
        self.busy_changed.emit()

    def _use(self) -> None:
        self._teaching.use()
        self._box.show_idle("The taught model is in use.")

    def _keep_old(self) -> None:
        self._teaching.forget()
        self._box.show_idle("The model is as it was.")

    def _save(self) -> None:
        title = "Save the taught model"
        path, _ = QFileDialog.getSaveFileName(self._box, title, "taught.safetensors", _CHECKPOINTS)
        if path:
            self._teaching.save(path)

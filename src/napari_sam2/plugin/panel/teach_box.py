"""The Teach section: accepting frames, progress of fine-tuning, and whether it helped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QLabel, QProgressBar, QWidget

from napari_sam2.wording import counted

from .arrange import column, make_buttons, row
from .track_box import in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam2.training.finetune.finetuner import Taught, TeachProgress
    from napari_sam2.training.finetune.try_settings import TrialProgress, TriedSettings

_BUTTONS = {
    "accept": (
        "Accept frame",
        "All labels on this frame are right: they are locked, and the model may learn from them",
    ),
    "accept_up_to": ("All up to here", "Accept every tracked frame from the first one to this one"),
    "teach": ("Teach", "Fine-tune a copy of the model on the accepted frames of all images"),
    "try_settings": (
        "Try settings",
        "Track into accepted frames with these settings, then with other models, presets, zooms and memories",
    ),
    "stop_teaching": ("Stop", "Give up; all stays as it was"),
    "use_taught": ("Use the new one", "Go on with the taught model; prompts stay, Update tracks again"),
    "keep_old": ("Keep the old one", "Throw the taught model away"),
    "use_best": ("Use the best", "Choose the best settings under Model; prompts stay, Update tracks again"),
    "save_taught": ("Save the new one…", "Write the taught model into a file, to be chosen later as own checkpoint"),
}
_LEAST_FRAMES = 3
# Smaller changes of J&F count as none.
_NO_DIFFERENCE = 0.002


class TeachBox(QWidget):
    """Controls of teaching."""

    # With the minutes that it may take.
    asked = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.buttons = make_buttons(_BUTTONS)
        self.buttons["accept"].setCheckable(True)
        self.minutes, self.progress = QDoubleSpinBox(), QProgressBar()
        self.accepted, self.status = QLabel(), QLabel()
        for name in ("minutes", "progress", "accepted", "status"):
            getattr(self, name).setObjectName(f"teach_{name}")
        self.minutes.setRange(0.1, 600)
        self.minutes.setDecimals(1)
        self.minutes.setValue(10)
        self.minutes.setSuffix(" min")
        self.minutes.setToolTip("Time for teaching; measuring before and after comes on top")
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(8)
        self.progress.setToolTip("How far teaching is")
        self.accepted.setToolTip("Accepted frames, over all images; the last of each stack are kept to measure on")
        self.status.setToolTip("J&F: how well masks and outlines fit the accepted labels, 0 to 1")
        for label in (self.accepted, self.status):
            label.setWordWrap(True)
        self._n_accepted, self._busy = 0, False
        self._lay_out()
        self.buttons["teach"].clicked.connect(lambda _=False: self.asked.emit(self.minutes.value()))
        self.show_accepted(0, 0, here=False)
        self.show_idle("")

    def show_accepted(self, frames: int, stacks: int, *, here: bool) -> None:
        """Say how many frames are accepted, on how many stacks, and whether the one on show is."""
        self._n_accepted = frames
        where = f" in {stacks} stacks" if stacks > 1 else ""
        missing = max(_LEAST_FRAMES - frames, 0)
        text = f"{counted(frames, 'frame')} accepted{where}"
        self.accepted.setText(f"{text}; {missing} more to teach" if missing else text)
        self.buttons["accept"].setChecked(here)
        self.buttons["accept"].setText("Accepted" if here else "Accept frame")
        self._enable()

    def show_busy(self, busy: bool) -> None:
        """Say whether tracking or teaching is under way."""
        self._busy = busy
        self._enable()

    def show_running(self, text: str = "Measuring how good the model is now…") -> None:
        """Show that teaching or trying is under way."""
        self.progress.setValue(0)
        self._show_parts(running=True, outcome=False)
        self.status.setText(text)

    def show_trying(self, progress: TrialProgress) -> None:
        """Show how far trying is, and what came of it so far."""
        self.progress.setValue(round(1000 * progress.share_done))
        self.status.setText(_table(progress.tried, f"Now {progress.current}"))

    def show_tried(self, tried: Sequence[TriedSettings]) -> None:
        """Show what came of all settings, and ask whether to use the best."""
        from napari_sam2.training.finetune.try_settings import best_of

        best = best_of(tried)
        is_better = best is not tried[0]
        said = "The best is in bold." if is_better else "The settings at hand are best."
        self.progress.setValue(self.progress.maximum())
        self._show_parts(running=False, outcome=False)
        self.buttons["use_best"].setVisible(is_better)
        self.status.setText(_table(tried, said, best))

    def show_progress(self, progress: TeachProgress) -> None:
        """Show how far teaching is, and how long it will take."""
        self.progress.setValue(round(1000 * progress.share_done))
        # Loss and time are not known in every stage.
        words = [progress.stage.capitalize()]
        if progress.loss is not None:
            words.append(f"step {progress.step}, loss {progress.loss:.2f}")
        if progress.seconds_left is not None:
            words.append(f"{in_words(progress.seconds_left)} left")
        self.status.setText(" · ".join(words))

    def show_taught(self, taught: Taught) -> None:
        """Show whether teaching helped, and ask what to do with the new model."""
        self.progress.setValue(self.progress.maximum())
        self.status.setText(_verdict(taught))
        self._show_parts(running=False, outcome=True)

    def show_idle(self, text: str) -> None:
        """Show that nothing is taught, and nothing waits for an answer."""
        self._show_parts(running=False, outcome=False)
        self.status.setText(text)

    def _show_parts(self, *, running: bool, outcome: bool) -> None:
        self.progress.setVisible(running)
        self.buttons["stop_teaching"].setVisible(running)
        for name in ("teach", "try_settings"):
            self.buttons[name].setVisible(not running)
        self.buttons["use_best"].setVisible(False)
        self.minutes.setEnabled(not running)
        for name in ("use_taught", "keep_old", "save_taught"):
            self.buttons[name].setVisible(outcome)

    def _enable(self) -> None:
        for name in ("teach", "try_settings"):
            self.buttons[name].setEnabled(self._n_accepted >= _LEAST_FRAMES and not self._busy)

    def _lay_out(self) -> None:
        column(
            row(self.buttons["accept"], self.buttons["accept_up_to"]),
            self.accepted,
            row(self.minutes, self.buttons["teach"], self.buttons["stop_teaching"]),
            self.buttons["try_settings"],
            self.progress,
            self.status,
            self.buttons["use_best"],
            row(self.buttons["use_taught"], self.buttons["keep_old"]),
            self.buttons["save_taught"],
            into=self,
        )


def _table(tried: Sequence[TriedSettings], text: str, best: TriedSettings | None = None) -> str:
    """A row for each of the settings that were tried, and a line below."""
    cells = [(f"{one.figures['J&F']:.3f}", escape(str(one.settings)), one is best) for one in tried]
    marked = [[f"<b>{cell}</b>" if bold else cell for cell in (figure, name)] for figure, name, bold in cells]
    rows = "".join(f"<tr><td>{figure}&nbsp;</td><td>{name}</td></tr>" for figure, name in marked)
    head = "<tr><td>J&amp;F</td><td>settings</td></tr>" if rows else ""
    return f"<table>{head}{rows}</table>{escape(text)}"


def _verdict(taught: Taught) -> str:
    if taught.before is None or taught.after is None:
        return "Taught, with too few frames to measure whether it helped."
    # Measured on frames that were left out of teaching: on the others any model gets better.
    count = sum(len(frames) for frames in taught.held_out_frames)
    before, after = taught.before["J&F"], taught.after["J&F"]
    frames = f"{counted(count, 'frame')} it did not learn from"
    verdict = "It helped" if taught.helped else "It did not help"
    if abs(after - before) < _NO_DIFFERENCE:
        verdict = "It made no difference"
    return f"{verdict}: J&F {before:.3f} → {after:.3f} on {frames}."

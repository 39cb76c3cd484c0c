"""The Track section: buttons that start and stop tracking, progress, and a note about memory."""

from __future__ import annotations

import time

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QProgressBar, QSpinBox, QWidget

from napari_sam2.plugin.commands import tip
from napari_sam2.plugin.worker.messages import TrackingRequest
from napari_sam2.wording import counted

from .arrange import column, make_buttons, row

_BUTTONS = {
    "track_both": ("⟷  Track both ways", "Track all objects over the whole stack, from their prompts both ways"),
    "track_backward": ("⟵  Back", "Track from the frame on show back to the first one"),
    "track_forward": ("Forward  ⟶", "Track from the frame on show to the last one"),
    "track_range": ("Range", "Track the frames of the range only"),
    "update": ("Update", "Track again only what an edit has put out of date"),
    "update_both_ways": (
        "Update both ways",
        "Track frames between two prompts of an object from both: a correction mends the frames before it, too",
    ),
    "cancel": ("Cancel", "Stop after this frame; what is done stays"),
    "labels_on_disk": ("Keep labels on disk…", "Keep the Labels layer in a new zarr folder instead of in memory"),
    "resume": ("Continue", "Go on where tracking was stopped, with the memory it had"),
}

# Frames a second, from which on down seconds a frame are easier to grasp.
_SLOW = 0.2
_WAIT = "Wait for the run under way, or cancel it"


class TrackBox(QWidget):
    """Asks for tracking runs and shows one under way."""

    # With a `TrackingRequest`.
    asked = Signal(object)
    cancelled = Signal()
    resumed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._frame = 0
        # When this run was started or continued, and how many frames it had then: the rate is measured from there.
        self._started = 0.0
        self._done_before = 0
        self._has_stale = False
        self._has_one_sided = False
        self._running = False
        self._waiting = False
        # By the name of a button, why it cannot be pressed whatever goes on.
        self._reasons: dict[str, str] = {}
        self.buttons = make_buttons(_BUTTONS)
        self.first, self.last = QSpinBox(), QSpinBox()
        self.first.setObjectName("range_first")
        self.last.setObjectName("range_last")
        for box, end in ((self.first, "First"), (self.last, "Last")):
            box.setToolTip(f"{end} frame of the range")
        self.find_new = QCheckBox("Find new objects while tracking")
        self.find_new.setObjectName("find_new")
        self.find_new.setToolTip("Track both ways also looks, every ten frames, for objects that none covers")
        self.progress, self.status = QProgressBar(), QLabel()
        self.progress.setObjectName("progress")
        self.progress.setToolTip("Frames tracked")
        self.progress.setRange(0, 1)
        self.progress.setTextVisible(False)
        self.status.setObjectName("track_status")
        # Of the stack, for a section of their own.
        self.parts = QWidget()
        self.memory_note = QLabel()
        self.memory_note.setObjectName("memory_note")
        self.memory_note.setToolTip("An estimate; see Memory in the documentation")
        for label in (self.status, self.memory_note):
            label.setWordWrap(True)
        self._lay_out()
        self._connect()
        self.show_idle(can_resume=False)

    def set_frames(self, n_frames: int) -> None:
        """Say how many frames there are; the range becomes all of them."""
        for box in (self.first, self.last):
            box.setRange(0, n_frames - 1)
        self.first.setValue(0)
        self.last.setValue(n_frames - 1)

    def set_frame(self, frame: int) -> None:
        """Say which frame is on show."""
        self._frame = frame

    def show_running(self) -> None:
        """Show that a run is under way."""
        self._started, self._done_before = time.monotonic(), self.progress.value()
        self._show_buttons(running=True, can_resume=False)
        self.status.setText("Tracking…")

    def show_idle(self, *, can_resume: bool, text: str = "") -> None:
        """Show that nothing is being tracked."""
        self._show_buttons(running=False, can_resume=can_resume)
        self.status.setText(text)

    def show_resumable(self, can_resume: bool) -> None:
        """Offer to go on with a run, or do not."""
        self._show_buttons(running=False, can_resume=can_resume)

    @property
    def can_update(self) -> bool:
        """Whether there is something to track again."""
        return self._has_stale

    @property
    def can_update_both_ways(self) -> bool:
        """Whether that differs from an update, or from nothing."""
        return self._has_one_sided

    def show_progress(self, done: int, total: int) -> None:
        """Show how far a run is, how fast and how long it will take."""
        # A new run counts from the start; one that is continued counts on, so its rate is that of the frames since.
        if done <= self._done_before:
            self._done_before = 0
        self.progress.setRange(0, total)
        self.progress.setValue(done)
        if not done:
            self.status.setText("Looking for objects…")
            return
        rate = (done - self._done_before) / max(time.monotonic() - self._started, 1e-6)
        left = (total - done) / rate
        self.status.setText(f"{done} of {total} frames · {speed(rate)} · {in_words(left)} left")

    def show_complete(self) -> None:
        """Fill the bar."""
        self.progress.setValue(self.progress.maximum())

    def restart_progress(self) -> None:
        """Set the bar back for a new run."""
        self.progress.setValue(0)

    def show_stale(self, frames: int, *, others: bool = False) -> None:
        """Show how many frames are out of date, and whether others may be that nobody has counted yet."""
        self._has_stale = frames > 0 or others
        self.buttons["update"].setText(f"Update {counted(frames, 'frame')}" if frames else "Update")
        self._enable()

    def show_one_sided(self, frames: int) -> None:
        """Show how many frames between two prompts came from one side only."""
        self._has_one_sided = frames > 0
        self._enable()

    def show_find_new(self, *, offered: bool) -> None:
        """Offer to look for new objects, or do not."""
        self.find_new.setVisible(offered)

    def show_memory(self, text: str, *, offer_disk: bool) -> None:
        """Show how much memory tracking takes; no text where there is plenty."""
        self.memory_note.setText(text)
        self.memory_note.setVisible(bool(text))
        self.buttons["labels_on_disk"].setVisible(offer_disk)

    def show_impossible(self, why: str) -> None:
        """Say why there is nothing to track."""
        for name in ("track_both", "track_forward", "track_backward", "track_range"):
            self.buttons[name].setEnabled(False)
            self.buttons[name].setToolTip(why)

    def show_reasons(self, reasons: dict[str, str]) -> None:
        """Say which of the buttons cannot be of use on these frames, and why."""
        if reasons != self._reasons:
            self._reasons = reasons
            self._enable()

    def show_waiting(self, waiting: bool) -> None:
        """Say whether tracking has to wait for something else to end."""
        self._waiting = waiting
        self._enable()

    def _show_buttons(self, *, running: bool, can_resume: bool) -> None:
        self._running = running
        self.buttons["cancel"].setEnabled(running)
        self.buttons["cancel"].setVisible(running)
        self.buttons["resume"].setVisible(can_resume)
        for part in (self.progress, self.status):
            part.setVisible(running or can_resume)
        self._enable()

    def _enable(self) -> None:
        free = not (self._running or self._waiting)
        for name in ("track_both", "track_forward", "track_backward", "track_range"):
            why = self._reasons.get(name) or ("" if free else _WAIT)
            self.buttons[name].setEnabled(not why)
            self.buttons[name].setToolTip(why or tip(name, _BUTTONS[name][1]))
        # They stand where they are of use, and nothing else does.
        for name, of_use in (("update", self._has_stale), ("update_both_ways", self._has_one_sided)):
            self.buttons[name].setEnabled(free and of_use)
            self.buttons[name].setVisible(of_use and not self._running)

    def _lay_out(self) -> None:
        self.progress.setFixedHeight(8)
        column(
            row(self.buttons["track_backward"], self.buttons["track_forward"]),
            row(self.buttons["track_range"], self.first, QLabel("to"), self.last),
            into=self.parts,
        )
        column(
            self.buttons["track_both"],
            self.find_new,
            self.buttons["update"],
            self.buttons["update_both_ways"],
            row(self.buttons["resume"], self.buttons["cancel"]),
            self.progress,
            self.status,
            self.memory_note,
            self.buttons["labels_on_disk"],
            into=self,
        )
        self.show_memory("", offer_disk=False)

    def _connect(self) -> None:
        kinds = {"track_both": "both", "track_forward": "forward", "track_backward": "backward"}
        kinds |= {"track_range": "range", "update": "update", "update_both_ways": "update_both_ways"}
        for name, kind in kinds.items():
            self.buttons[name].clicked.connect(lambda _=False, kind=kind: self.ask(kind))
        self.buttons["cancel"].clicked.connect(lambda _=False: self.cancelled.emit())
        self.buttons["resume"].clicked.connect(lambda _=False: self.resumed.emit())

    def ask(self, kind: str) -> None:
        """Ask for a run, as its button does."""
        if kind == "both" and self.find_new.isChecked() and not self.find_new.isHidden():
            kind = "find_new"
        self.asked.emit(TrackingRequest(kind, self._frame, self.first.value(), self.last.value()))


def speed(frames_per_second: float) -> str:
    """Say how fast a run is: frames a second, or seconds a frame where that is slow."""
    if frames_per_second > _SLOW:
        return f"{frames_per_second:.1f} frames/s"
    return f"{1 / max(frames_per_second, 1e-6):.1f} s a frame"


def in_words(seconds: float) -> str:
    """Say a time as people do: seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

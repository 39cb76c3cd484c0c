"""Buttons that save, open and export, progress, and unsaved work to bring back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLabel, QMenu, QProgressBar, QSizePolicy, QWidget

from napari_sam2.plugin.state.export_choice import VIDEO_EDITS

from .arrange import column, make_buttons, row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_sam2.plugin.state.export_choice import Caution, ExportChoice

_BUTTONS = {
    "save_session": ("Save session…", "Keep all work on this stack in a folder, now and from now on as you work"),
    "open_session": ("Open session…", "Bring the work in a session folder back and go on with it"),
    "export": ("Export…", "Write the results of this stack as a file for another program"),
    "cancel_export": ("Cancel", "Write nothing after all; an older file of this name stays as it was"),
    "bring_back": ("Bring back", "Open the work that was not saved"),
    "discard": ("Discard", "Delete that work for good"),
}
# In which order formats are listed, the usual one first; those that are not named here come last.
_GROUPS = {
    "Labels": (
        "tiff",
        "ome-tiff",
        "ome-zarr",
        "ome-zarr-0.4",
        "nifti",
        "dicom-seg",
        "ctc",
        "coco",
        "sav",
        "provenance",
    ),
    "Tracks": ("tracks-layer", "tracks", "geff", "trackmate"),
    "Tables": ("csv", "measurements", "prompts"),
    "Pictures": ("png", "gif", "mp4", *VIDEO_EDITS),
    "Data sets": ("yolo", "nnunet"),
}
_PLACES = {name: (group, place) for place, (group, name) in enumerate((g, n) for g in _GROUPS for n in _GROUPS[g])}


class FilesBox(QWidget):
    """Save and Export, which stay in sight; what is seldom needed is in `more`, unsaved work in `recovery`."""

    # With the `ExportChoice`.
    export_asked = Signal(object)
    # With the folder of the unsaved work that is chosen.
    recovery_asked = Signal(str)
    discard_asked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.buttons = make_buttons(_BUTTONS)
        self.formats = QMenu(self)
        self.formats.setObjectName("export_formats")
        self.formats.setToolTipsVisible(True)
        self.buttons["export"].setMenu(self.formats)
        self.where, self.exporting, self.unsaved = QLabel(), QLabel(), QLabel()
        self.progress, self.found = QProgressBar(), QComboBox()
        self._name_and_explain()
        self._lay_out()
        self.buttons["bring_back"].clicked.connect(lambda _=False: self.recovery_asked.emit(self.found.currentData()))
        self.buttons["discard"].clicked.connect(lambda _=False: self.discard_asked.emit(self.found.currentData()))
        # As it is before anything is saved, written or found.
        self.show_folder(None)
        self.show_export("", 0, 0)
        self.show_recoveries([])

    def offer(self, choices: Callable[[], Iterable[ExportChoice]], caution: Callable[[], Caution | None]) -> None:
        """List formats, found anew whenever the list is opened, below what is to be known of the results."""
        self.formats.aboutToShow.connect(lambda: self.list_formats(choices(), caution()))

    def list_formats(self, choices: Iterable[ExportChoice], caution: Caution | None = None) -> None:
        """List formats; those that cannot be chosen are grey and say why."""
        self.formats.clear()
        if caution is not None:
            said = self.formats.addAction(caution.beforehand)
            said.setObjectName("export_caution")
            said.setEnabled(False)
            self.formats.addSeparator()
        for choice in sorted(choices, key=lambda choice: _PLACES.get(choice.name, ("", len(_PLACES)))[1]):
            group, _ = _PLACES.get(choice.name, ("Others", 0))
            file = f" ({choice.filename})" if choice.filename else ""
            action = self.formats.addAction(f"{group}: {choice.title}{file}")
            action.setObjectName(f"export_{choice.name}")
            lost = f"Does not hold: {choice.lost}" if choice.lost else choice.title
            action.setToolTip(choice.reason[:1].upper() + choice.reason[1:] or lost)
            action.setEnabled(not choice.reason)
            action.triggered.connect(lambda _=False, choice=choice: self.export_asked.emit(choice))

    def show_folder(self, name: str | None, *, unsaved: bool = False) -> None:
        """Show the name of the folder that the session is saved in; None where the user has chosen none."""
        if name is not None:
            text = f"Saved as you work, in {name}"
        else:
            text = "Not saved in a folder of yours yet" if unsaved else "Nothing to save yet"
        self.where.setText(text)

    def show_export(self, name: str, frame: int, n_frames: int) -> None:
        """Show which frame is being written to a file; nothing is being written where there is no name."""
        self._writing.setVisible(bool(name))
        self.buttons["export"].setEnabled(not name)
        self.exporting.setText(f"Writing {name}…")
        self.progress.setRange(0, n_frames)
        self.progress.setValue(frame)

    def show_recoveries(self, found: Iterable[tuple[str, str]]) -> None:
        """Offer work that was not saved, (text, folder) each."""
        self.found.clear()
        for text, folder in found:
            self.found.addItem(text, folder)
        self.recovery.setVisible(self.found.count() > 0)

    def _name_and_explain(self) -> None:
        names = {"where": "session_folder", "exporting": "export_status", "unsaved": "unsaved_note"}
        names |= {"progress": "export_progress", "found": "recoveries"}
        for name, text in names.items():
            getattr(self, name).setObjectName(text)
        self.where.setToolTip("Where the work on this stack is kept")
        self.progress.setToolTip("The frame that is being written")
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(8)
        self.found.setToolTip("Work that was not saved when the window was closed, the latest first")
        self.found.setMinimumContentsLength(8)
        self.found.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.found.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.unsaved.setText("Work that was not saved can be brought back:")
        for label in (self.where, self.exporting, self.unsaved):
            label.setWordWrap(True)

    def _lay_out(self) -> None:
        self.recovery = column(self.unsaved, self.found, row(self.buttons["bring_back"], self.buttons["discard"]))
        self._writing = column(row(self.exporting, self.buttons["cancel_export"]), self.progress)
        self.more = column(self.buttons["open_session"])
        column(row(self.buttons["save_session"], self.buttons["export"]), self.where, self._writing, into=self)

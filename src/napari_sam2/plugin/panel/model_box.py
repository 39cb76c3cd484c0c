"""The Model section: model, device, preset, backend, zoom and memory, and the download of models."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path

from napari.qt.threading import thread_worker
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from napari_sam2.plugin.preferences import remember, remembered
from napari_sam2.plugin.worker.messages import ModelChoice
from napari_sam2.weights.backends import is_address
from napari_sam2.weights.catalog import BUNDLED_NAME, CATALOG, format_size, is_available

from .combos.device_combo import DeviceCombo
from .combos.model_detail import DetailBeside

# What `Session` takes, by what the setting remembers, with what the user reads.
ZOOMS: dict[str, tuple[str | float, str]] = {
    "auto": ("auto", "automatic zoom"),
    "off": ("off", "off"),
    "2": (2.0, "2 times larger"),
    "4": (4.0, "4 times larger"),
}
# What `load_model` takes, with what the user reads and what it costs.
PRESETS = {
    "balanced": ("balanced", "Full detail, in the arithmetic that the device is good at"),
    "fast": ("fast", "Smaller input and shorter memory: some times faster, less exact on small objects"),
    "exact": ("exact", "The arithmetic of the reference: slowest, same masks on every machine"),
}
BACKENDS = {
    "torch": ("PyTorch", "Runs everywhere, with every model"),
    "openvino": (
        "OpenVINO",
        "Looks at new frames a little faster with large models on some processors; not for graphics cards",
    ),
}
# What `Session` takes, with what the user reads and what it is for.
MEMORIES = {
    "auto": ("automatic", "The rule that measures best"),
    "standard": ("the last frames", "As in SAM 2"),
    "gated": (
        "frames seen well",
        "The last frames on which the object was seen well: for objects that are hidden at times",
    ),
    "distractor": ("look-alikes", "Frames on which something like the object was told apart from it, too"),
    "motion": ("motion", "Follows how the object moves, and prefers the mask that agrees with it"),
    "pathways": (
        "several paths",
        "Follows three masks where it is in doubt, and decides up to 64 frames later: slow, for runs left alone",
    ),
}
_OWN_FILE = "own checkpoint file…"

# The list shows more than the closed combo has room for.
_POPUP_WIDTH = 360


class ModelBox(QWidget):
    """Combos for the model and how it runs; a download with progress where it is not on this machine."""

    # Another model is to be loaded, or the same in another way.
    chosen = Signal()
    # The zoom or the memory.
    session_settings_changed = Signal()
    # With the exception of a download.
    failed = Signal(object)
    # Bytes so far and in all, from the download's thread.
    _downloaded = Signal(int, object)

    def __init__(self) -> None:
        super().__init__()
        # Set on the GUI thread and looked at by the download's; the name is that of the model being fetched.
        self._cancel = threading.Event()
        self._fetching: str | None = None
        # The model that is chosen and not on this machine; empty where it is, and for a file of the user's. Looked up
        # when another is chosen or fetched, as it is asked for at every click.
        self.missing = ""
        self._make_controls()
        self._lay_out()
        self._fill()
        # Connected after filling, which is no choice. All but zoom and memory need the model to be loaded anew.
        self.model.currentIndexChanged.connect(self._model_changed)
        self.device.chosen.connect(self._model_changed)
        for combo in (self.preset, self.backend):
            combo.currentIndexChanged.connect(lambda _index: self.chosen.emit())
        for setting in ("zoom", "memory"):
            getattr(self, setting).currentIndexChanged.connect(lambda _index, name=setting: self._setting_changed(name))
        self.checkpoint.editingFinished.connect(self._model_changed)
        self._browse.clicked.connect(self._ask_for_file)
        self.download.clicked.connect(self.start_download)
        self.cancel_download.clicked.connect(self._cancel.set)
        self._downloaded.connect(self._show_download)
        self._show_state()

    @property
    def choice(self) -> ModelChoice | None:
        """What to load; None where it is not on this machine."""
        name = self.model.currentData()
        how = self.device.device, self.preset.currentData(), self.backend.currentData()
        if name is not None:
            return ModelChoice(name, None, *how) if self._is_there(name) else None
        path = self.checkpoint.text().strip()
        return ModelChoice(None, path, *how) if path else None

    @property
    def zoom_factor(self) -> str | float:
        """How small objects are tracked, as `Session` takes it."""
        return ZOOMS[self.zoom.currentData()][0]

    def set_checkpoint(self, path: str | Path) -> None:
        """Choose a checkpoint file of the user's own."""
        self.checkpoint.setText(str(path))
        index = self.model.findText(_OWN_FILE)
        if self.model.currentIndex() == index:
            self._model_changed()
        self.model.setCurrentIndex(index)

    def show_model(self, name: str | None, path: Path, preset: str) -> None:
        """Show a model that is in use already, by its name in the catalogue or else its file."""
        # Signals are blocked: the model is loaded already, and the user's settings stay what they were.
        parts = (self.model, self.checkpoint, self.preset)
        for part in parts:
            part.blockSignals(True)
        self.preset.setCurrentIndex(max(self.preset.findData(preset), 0))
        if name is None:
            self.checkpoint.setText(str(path))
        self.model.setCurrentIndex(self.model.findText(_OWN_FILE) if name is None else self.model.findData(name))
        for part in parts:
            part.blockSignals(False)
        status = self.status.text()
        self._show_state()
        self.status.setText(status)

    def model_loaded(self, choice: ModelChoice | None) -> None:
        """Remember how the model in use was chosen, so that the next window starts with it."""
        # Only what has been loaded is remembered: whatever else is chosen may not work, now or the next time.
        if choice is not None:
            for setting in ("device", "preset", "backend"):
                remember("model", setting, getattr(choice, setting))
            if choice.name is not None:
                remember("model", "name", choice.name)

    def show_zoom(self, zoom: str | float) -> None:
        """Show a zoom that is in use already."""
        for name, (value, _) in ZOOMS.items():
            if value == zoom:
                self.zoom.blockSignals(True)
                self.zoom.setCurrentIndex(self.zoom.findData(name))
                self.zoom.blockSignals(False)

    def show_memory(self, memory: str) -> None:
        """Show a rule of memory that is in use already; one that is not listed is shown by its name."""
        self.memory.blockSignals(True)
        if self.memory.findData(memory) < 0:
            self.memory.addItem(memory, memory)
        self.memory.setCurrentIndex(self.memory.findData(memory))
        self.memory.blockSignals(False)

    def show_status(self, text: str) -> None:
        """Say how the model is doing."""
        self.status.setText(text)

    def start_download(self) -> None:
        """Fetch the chosen model, after its terms have been agreed to where they restrict."""
        name = self.model.currentData()
        notice = CATALOG[name].notice
        if notice is None:
            self._fetch()
            return
        # Asked each time: agreeing is the user's, and is not remembered for the next.
        self._question = QMessageBox(
            QMessageBox.Icon.Information,
            f"Terms of {name}",
            f"{notice}\n\nLicence: {CATALOG[name].licence}",
            QMessageBox.StandardButton.Ok | QMessageBox.StandardButton.Cancel,
            self,
        )
        self._question.setObjectName("licence")
        self._question.button(QMessageBox.StandardButton.Ok).setText("I agree: download")
        self._question.accepted.connect(self._fetch)
        self._question.open()

    def close_down(self) -> None:
        """Stop a download; what there is of it is kept for the next time."""
        self._cancel.set()

    def _make_controls(self) -> None:
        self.model, self.device, self.zoom, self.memory = QComboBox(), DeviceCombo(), QComboBox(), QComboBox()
        self.preset, self.backend = QComboBox(), QComboBox()
        self.checkpoint, self._browse = QLineEdit(), QToolButton()
        self.download, self.cancel_download = QPushButton("Download"), QPushButton("Cancel")
        self.progress, self.status = QProgressBar(), QLabel()
        self.status.setWordWrap(True)
        self._browse.setText("…")
        self.checkpoint.setPlaceholderText("path of a .pt or .safetensors file")
        for name in ("model", "device", "preset", "backend", "zoom", "memory", "checkpoint", "download"):
            getattr(self, name).setObjectName(name)
        self.cancel_download.setObjectName("cancel_download")
        self.progress.setObjectName("download_progress")
        self.status.setObjectName("model_status")
        for combo in (self.model, self.device, self.preset, self.backend, self.zoom, self.memory):
            combo.setMinimumContentsLength(8)
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.model.setToolTip("The SAM 2 model: larger ones are better and slower")
        self.preset.setToolTip(_explained("How exact and how fast the model runs", PRESETS))
        self.backend.setToolTip(_explained("The library that does the arithmetic", BACKENDS))
        self.memory.setToolTip(_explained("Which earlier frames a frame is compared with", MEMORIES))
        self.zoom.setToolTip(
            "Small objects are tracked in a window that goes with them: of the size they need (automatic), or 2 or 4 "
            "times smaller than the frame. Off: the model sees whole frames"
        )
        self.checkpoint.setToolTip("A SAM 2 checkpoint of your own: official layout or safetensors")
        self._browse.setToolTip("Look for the file")
        self.download.setToolTip("Fetch the model's weights; they are checked and kept for the next time")
        self.progress.setToolTip("How much of the file has come")
        self.cancel_download.setToolTip("Stop the download; the next one goes on from here")

    def _lay_out(self) -> None:
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow("model", self.model)
        self._file_row = QWidget()
        row = QHBoxLayout(self._file_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.checkpoint)
        row.addWidget(self._browse)
        form.addRow(self._file_row)
        form.addRow("device", self.device)
        form.addRow("preset", self.preset)
        form.addRow("backend", self.backend)
        form.setRowVisible(self.backend, has_openvino())
        form.addRow("small objects", self.zoom)
        form.addRow("memory", self.memory)
        form.addRow(self.download)
        self._progress_row = QWidget()
        row = QHBoxLayout(self._progress_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.progress)
        row.addWidget(self.cancel_download)
        form.addRow(self._progress_row)
        form.addRow(self.status)

    def _fill(self) -> None:
        self._fill_models()
        self.device.show_device(remembered("model", "device", "auto"))
        name = remembered("model", "name", BUNDLED_NAME)
        # Its file may have gone since, or come from another machine with the settings: there must be one to start with.
        if name not in CATALOG or not self._is_there(name):
            name = BUNDLED_NAME
        self.model.setCurrentIndex(max(self.model.findData(name), 0))
        for name, (_, text) in ZOOMS.items():
            self.zoom.addItem(text, name)
        self.zoom.setCurrentIndex(max(self.zoom.findData(remembered("model", "zoom", "auto")), 0))
        missing = set() if has_openvino() else {"openvino"}
        explained = (
            (self.preset, PRESETS, "preset"),
            (self.backend, BACKENDS, "backend"),
            (self.memory, MEMORIES, "memory"),
        )
        for combo, kinds, setting in explained:
            for name, (text, what) in kinds.items():
                if name not in missing:
                    combo.addItem(text, name)
                    combo.setItemData(combo.count() - 1, what, Qt.ItemDataRole.ToolTipRole)
            combo.setCurrentIndex(max(combo.findData(remembered("model", setting, "")), 0))

    def _fill_models(self) -> None:
        # The bundled one needs no heading; a heading cannot be chosen.
        group = ""
        for name, entry in CATALOG.items():
            kind = "general" if entry.notice is None else "medical, research only"
            if not entry.bundled and kind != group:
                group = kind
                self.model.addItem(group)
                self.model.model().item(self.model.count() - 1).setFlags(Qt.ItemFlag.NoItemFlags)
            self.model.addItem(name, name)
            self.model.setItemData(self.model.count() - 1, f"{entry.description}\n{entry.licence}", 3)
        self.model.addItem(_OWN_FILE, None)
        self.model.setItemDelegate(DetailBeside(self.model))
        self.model.view().setMinimumWidth(_POPUP_WIDTH)

    def _is_there(self, name: str) -> bool:
        # What a cluster has it says when it is asked.
        return is_address(self.device.device) or is_available(name)

    def _model_changed(self) -> None:
        self._show_state()
        self.chosen.emit()

    def _setting_changed(self, name: str) -> None:
        remember("model", name, getattr(self, name).currentData())
        self.session_settings_changed.emit()

    def _ask_for_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "SAM 2 checkpoint", "", "Checkpoints (*.pt *.pth *.safetensors)")
        if path:
            self.set_checkpoint(path)

    def _show_state(self) -> None:
        name = self.model.currentData()
        self._file_row.setVisible(name is None)
        missing = name is not None and not self._is_there(name)
        self.missing = name if missing else ""
        fetching = self._fetching is not None
        self.download.setVisible(missing and not fetching and not CATALOG[name].bundled)
        self._progress_row.setVisible(fetching)
        if name is None:
            self.status.setText("" if self.checkpoint.text() else "Choose a checkpoint file.")
        elif missing and CATALOG[name].bundled:
            self.status.setText("The bundled weights are missing: reinstall the package, or choose another model.")
        elif missing:
            size = format_size(CATALOG[name].size_bytes)
            self.download.setText(f"Download ({size})")
            self.status.setText("Not on this machine yet: download it, or choose another. The model in use stays.")
        else:
            self.status.setText("")

    def _fetch(self) -> None:
        name = self._fetching = str(self.model.currentData())
        self._cancel.clear()
        self._show_download(0, None)
        self._show_state()

        # A thread of its own, as the worker must stay free for the model in use. The next three methods get its news
        # through the event loop.
        @thread_worker(  # type: ignore[untyped-decorator]
            connect={"returned": self._fetched, "errored": self._fetch_failed}, start_thread=False
        )
        def fetch() -> str | None:
            # Brings the network libraries with it, which the window's opening need not wait for.
            from napari_sam2.weights.download import download
            from napari_sam2.weights.transfer import DownloadCancelled

            try:
                download(name, progress=self._downloaded.emit, cancelled=self._cancel.is_set)
            except DownloadCancelled:
                return None
            return name

        fetch().start()

    def _fetched(self, name: str | None) -> None:
        self._fetching = None
        self._show_state()
        # The user may have chosen another model during the download.
        if name is not None and name == self.model.currentData():
            self.chosen.emit()

    def _fetch_failed(self, error: Exception) -> None:
        self._fetching = None
        self._show_state()
        self.failed.emit(error)

    def _show_download(self, done: int, total: int | None) -> None:
        # Qt counts in 32 bits, so kilobytes.
        self.progress.setRange(0, 0 if total is None else total // 1000)
        self.progress.setValue(done // 1000)


def has_openvino() -> bool:
    """Whether the package is installed."""
    return importlib.util.find_spec("openvino") is not None


def _explained(what: str, kinds: dict[str, tuple[str, str]]) -> str:
    return "\n".join((f"{what}.", *(f"{text}: {costs}" for text, costs in kinds.values())))

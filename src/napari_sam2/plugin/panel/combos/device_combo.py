"""A combo box of what a model can run on: this computer's devices, or a cluster, whose address is typed in."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox

from napari_sam2.weights.backends import is_address

_DEVICES = ("auto", "cpu", "cuda", "mps")
_CLUSTER = "on a cluster…"


class DeviceCombo(QComboBox):
    """Lists devices; *on a cluster…* makes room for an address."""

    # Another device, or a whole address.
    chosen = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.addItems([*_DEVICES, _CLUSTER])
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setToolTip(
            "What the model runs on; auto takes a GPU where there is one. On a cluster: a GPU elsewhere, at the "
            "address that 'napari-sam2 serve' prints there, such as tcp://127.0.0.1:8786"
        )
        # As `load_model` takes it; the one before stays until an address is whole.
        self.device = _DEVICES[0]
        self.currentIndexChanged.connect(self._index_changed)
        self.editTextChanged.connect(self._edited)

    def show_device(self, device: str) -> None:
        """Choose a device or an address."""
        if is_address(device):
            self.setCurrentText(_CLUSTER)
            self.setEditText(device)
            self._take(device)
        else:
            self.setCurrentText(device)

    def _index_changed(self, index: int) -> None:
        if self.itemText(index) != _CLUSTER:
            self.setEditable(False)
            self._take(self.itemText(index))
            return
        self.setEditable(True)
        line = self.lineEdit()
        if line is not None:
            line.setObjectName("cluster_address")
            line.setPlaceholderText("tcp://host:8786")
            line.clear()
            line.editingFinished.connect(self._typed)
            line.setFocus()

    def _edited(self, text: str) -> None:
        # In the place of an address, the name of a device here.
        if text in _DEVICES:
            self.setCurrentIndex(self.findText(text))

    def _typed(self) -> None:
        address = self.currentText().strip()
        if is_address(address):
            self._take(address)

    def _take(self, device: str) -> None:
        if device and device != self.device:
            self.device = device
            self.chosen.emit()

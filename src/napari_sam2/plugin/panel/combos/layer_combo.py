"""A combo box that lists the viewer's layers of one kind, and follows changes of the layer list."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

_NONE = "none"
_REFUSED = "\nNot offered: "


class LayerCombo(QComboBox):
    """Follows the layer list: layers that come, go, move or get another name."""

    layer_changed = Signal(object)
    # With a line that says why a layer that was to be chosen cannot be.
    refused = Signal(str)

    def __init__(
        self,
        viewer: ViewerModel,
        kind: type[Layer],
        *,
        refusal: Callable[[Any], str] = lambda _layer: "",
        optional: bool = True,
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._kind = kind
        # Says in a line why a layer cannot be chosen; empty where it can.
        self._refusal = refusal
        self._optional = optional
        self._layers: list[Any] = []
        # Names of layers that cannot be chosen, and why.
        self._refused: list[tuple[str, str]] = []
        self._chosen: Any = None
        self.setMinimumContentsLength(8)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        for event in ("inserted", "removed", "reordered", "renamed"):
            getattr(viewer.layers.events, event).connect(self.refresh)
        self.activated.connect(self._user_chose)
        self.currentIndexChanged.connect(self._user_chose)
        self.refresh()

    @property
    def layer(self) -> Any:
        """The chosen layer, or None."""
        return self._chosen

    def offers(self, layer: Layer) -> bool:
        """Whether a layer can be chosen."""
        return any(layer is known for known in self._layers)

    def choose(self, layer: Layer | None) -> None:
        """Choose a layer of the viewer."""
        if layer is not None and not self.offers(layer):
            self.refresh()
        if layer is not None and not self.offers(layer):
            self.refused.emit(self._refusal(layer) or f"{layer.name} is not in the list of layers")
            return
        self._show(layer)
        self._set(layer)

    def refresh(self, _event: object = None) -> None:
        """Read the layer list again."""
        refusals = [(x, self._refusal(x)) for x in self._viewer.layers if isinstance(x, self._kind)]
        self._layers = [x for x, reason in refusals if not reason]
        self._refused = [(x.name, reason) for x, reason in refusals if reason]
        # Why a layer is not in the list can be read in the tip, below what the combo is for.
        purpose = self.toolTip().partition(_REFUSED)[0]
        self.setToolTip(purpose + "".join(f"{_REFUSED}{reason}" for _, reason in refusals if reason))
        # Called by napari for every change of the list, and when what is accepted has changed. A combo that must not be
        # empty takes the topmost layer.
        gone = self._chosen is not None and all(x is not self._chosen for x in self._layers)
        chosen = None if gone else self._chosen
        if chosen is None and not self._optional and self._layers:
            chosen = self._layers[-1]
        self._show(chosen)
        self._set(chosen)

    def showPopup(self) -> None:
        """List those that cannot be chosen, too, greyed and with the reason as their tip."""
        self._drop_refused()
        for name, reason in self._refused:
            self.addItem(name)
            item = self.model().item(self.count() - 1)
            item.setEnabled(False)
            item.setToolTip(reason)
        super().showPopup()

    def hidePopup(self) -> None:
        """Keep to those that can be chosen: whoever goes through them with the keys finds no others."""
        super().hidePopup()
        self._drop_refused()

    def _drop_refused(self) -> None:
        for index in reversed(range(self.count())):
            if not self.model().item(index).isEnabled():
                self.removeItem(index)

    def disconnect_viewer(self) -> None:
        """Stop following the viewer."""
        for event in ("inserted", "removed", "reordered", "renamed"):
            getattr(self._viewer.layers.events, event).disconnect(self.refresh)

    def _show(self, layer: Layer | None) -> None:
        # Filling the combo is not choosing; `_set` says afterwards what is chosen.
        self.blockSignals(True)
        self.clear()
        if self._optional or not self._layers:
            self.addItem(_NONE, None)
        for known in self._layers:
            self.addItem(known.name, known.unique_id)
        index = -1 if layer is None else self.findData(layer.unique_id)
        self.setCurrentIndex(max(index, 0))
        self.blockSignals(False)

    def _user_chose(self, index: int) -> None:
        key = self.itemData(index)
        self._set(next((x for x in self._layers if x.unique_id == key), None))

    def _set(self, layer: Layer | None) -> None:
        if layer is not self._chosen:
            self._chosen = layer
            self.layer_changed.emit(layer)

"""Lets the eraser rub out the selected object only, by way of napari's own setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.layers import Labels

_EVENTS = ("mode", "selected_label")


class Eraser:
    """Ticks *preserve labels* of a Labels layer as long as it erases; what the user makes of it then, is kept.

    Painting and erasing each have the setting for themselves: a brush that corrects a border goes over the neighbour,
    while an eraser that is too large must not take pixels of objects that nobody looks at.
    """

    def __init__(self, layer: Labels) -> None:
        self._layer = layer
        self._erases = False
        self._preserves = {False: layer.preserve_labels, True: True}
        for event in _EVENTS:
            getattr(layer.events, event).connect(self._switch)
        self._switch()

    def release(self) -> None:
        """Leave the layer as it is for the brush."""
        for event in _EVENTS:
            getattr(self._layer.events, event).disconnect(self._switch)
        self._turn(False)

    def _switch(self, _event: object = None) -> None:
        # A brush or a fill with the background's label erases, too.
        background = self._layer.selected_label == self._layer.colormap.background_value
        self._turn(background or str(self._layer.mode) == "erase")

    def _turn(self, erases: bool) -> None:
        if erases != self._erases:
            self._preserves[self._erases] = self._layer.preserve_labels
            self._erases = erases
            self._layer.preserve_labels = self._preserves[erases]

"""The choice whether the model sees one layer, or the colours of all layers in sight that lie on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QObject, QTimer

from napari_sam2.plugin.layers.layer_events import connect, disconnect
from napari_sam2.plugin.layers.shown_colours import Looks, are_alike, lie_on, looks_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_sam2.plugin.controller import Controller
    from napari_sam2.plugin.panel.panel import Panel

# What of a layer changes the colours on the screen, or the place of its pixels.
_EVENTS = ("visible", "contrast_limits", "gamma", "colormap", "opacity", "data", "scale", "translate", "affine")
# A slider that is being dragged passes limits nobody wants.
_REST_MS = 300


class ColourChoice(QObject):
    """Offers the choice where layers lie on each other, and follows how they are shown."""

    def __init__(self, viewer: ViewerModel, controller: Controller, *, panel: Panel, changed: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._controller = controller
        self._panel = panel
        # The signal that another image is on show, or it is seen in another way.
        self._image_changed = changed
        # By unique id, the images that are to be seen with all that lies on them.
        self._together: set[str] = set()
        self._followed: list[Any] = []
        self._rest = QTimer(self, singleShot=True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._settle)
        controller.looks_of = self._looks_of
        panel.colours.addItem("this layer", False)
        panel.colours.addItem("all shown layers", True)
        panel.colours.currentIndexChanged.connect(self._chosen)
        changed.connect(self._show)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self._follow)
        self._follow()

    def close(self) -> None:
        """Stop following the viewer."""
        self._rest.stop()
        for event in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            event.disconnect(self._follow)
        self._listen_to([])

    def show(self, image: Image, looks: Looks) -> None:
        """Show what a session that was brought back sees."""
        self._together.discard(str(image.unique_id))
        if looks:
            self._together.add(str(image.unique_id))
        self._show()

    def _looks_of(self, image: Image) -> Looks:
        return looks_of(image, self._viewer.layers) if str(image.unique_id) in self._together else ()

    def _is_seen(self, image: Image) -> bool:
        """Whether the session on show sees the layers as they are shown."""
        space, looks = self._controller.layers.space, self._controller.workspace.looks
        return space is None or are_alike(self._looks_of(image), looks.get(space, ()))

    def _listen_to(self, layers: list[Any]) -> None:
        handlers = dict.fromkeys(_EVENTS, self._changed)
        for layer in self._followed:
            disconnect(layer, handlers)
        for layer in layers:
            connect(layer, handlers)
        self._followed = layers

    def _follow(self, _event: Any = None) -> None:
        # Called by napari when a layer comes or goes.
        self._listen_to([layer for layer in self._viewer.layers if isinstance(layer, Image)])
        self._changed()

    def _changed(self, _event: Any = None) -> None:
        self._show_choice()
        self._rest.start()

    def _show(self) -> None:
        self._show_choice()
        image, combo = self._controller.layers.image, self._panel.colours
        # Showing is no choice.
        combo.blockSignals(True)
        combo.setCurrentIndex(int(image is not None and str(image.unique_id) in self._together))
        combo.blockSignals(False)

    def _show_choice(self) -> None:
        image = self._controller.layers.image
        is_of_use = image is not None and (
            len(lie_on(image, self._viewer.layers)) > 1 or str(image.unique_id) in self._together
        )
        for part in (self._panel.colours, self._panel.colours_label):
            part.setVisible(is_of_use)

    def _chosen(self, _index: int) -> None:
        image = self._controller.layers.image
        if image is None:
            return
        key = str(image.unique_id)
        self._together = self._together | {key} if self._panel.colours.currentData() else self._together - {key}
        if not self._is_seen(image):
            self._controller.reopen()
        self._image_changed.emit()

    def _settle(self) -> None:
        # Prompts and tracks were made with the colours of then; before there are any, they follow the eye.
        controller, image = self._controller, self._controller.layers.image
        if image is None or controller.engine is None or self._is_seen(image):
            return
        if not controller.has_work:
            controller.reopen()
        self._image_changed.emit()

"""Follows the image, axis, region and layers chosen in the Data section, and the viewer's sliders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_warning
from qtpy.QtCore import QObject, Qt, QTimer, Signal

from napari_sam2.data.images.geometry import Geometry
from napari_sam2.plugin.layers.layer_events import connect, disconnect
from napari_sam2.plugin.layers.layer_frames import (
    axis_across,
    choosable_axes,
    frame_kind,
    is_made_for,
    is_own,
    layer_shape,
    name_axis,
)
from napari_sam2.plugin.layers.layer_geometry import lay_on
from napari_sam2.plugin.layers.session_layers import MOVES
from napari_sam2.plugin.layers.viewing.patient_view import face_patient
from napari_sam2.plugin.layers.viewing.sliders import current_frame, current_space, go_to_frame, go_to_space, turn_view

from .colour_choice import ColourChoice
from .removed_images import RemovedImages

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel

    from napari_sam2.data.images.selection import Box
    from napari_sam2.plugin.controller import Controller
    from napari_sam2.plugin.layers.layer_frames import LayerFrames
    from napari_sam2.plugin.panel.combos.layer_combo import LayerCombo
    from napari_sam2.plugin.panel.panel import Panel
    from napari_sam2.plugin.state.object_names import ObjectNames

# A slider that is being dragged passes frames nobody wants encoded.
_REST_MS = 150


class ImageFollower(QObject):
    """Follows the image that is chosen, the sliders, and the contrast limits."""

    # Another frame of the same stack is on show.
    frame_changed = Signal()
    # Another image, region or stack is, or the contrast limits have changed.
    image_changed = Signal()
    # Delivered from the event loop.
    _replaced = Signal()

    def __init__(self, viewer: ViewerModel, controller: Controller, *, panel: Panel, objects: ObjectNames) -> None:
        super().__init__()
        self._viewer = viewer
        self._controller = controller
        self._layers = controller.layers
        self._panel = panel
        self._objects = objects
        # By image, and the axis of frames across its own planes, the layers that clicks, shapes and results were in.
        self._companions: dict[tuple[str, int | None], tuple[Any, ...]] = {}
        # Whether the view was turned here, to planes across the image's own.
        self._is_turned = False
        # By image, the part of its planes that is looked at by itself.
        self._regions: dict[str, Box] = {}
        # Axes that had no name, by image and index: the user may change what they are said to be.
        self._unnamed: set[tuple[str, int]] = set()
        # Both timers start anew with every move, and act when all has come to rest.
        self._rest = self._timer(_REST_MS, controller.prepare)
        self._window_rest = self._timer(2 * _REST_MS, self._window_settled)
        # What can change the stack: the image, the axis, and the sliders. A layer that was made is chosen in its combo.
        panel.image_layer.layer_changed.connect(self.open)
        panel.axis.currentIndexChanged.connect(self._axis_chosen)
        # Chosen once more, it turns the view back.
        panel.axis.activated.connect(self._turn_view)
        panel.frames_are.currentIndexChanged.connect(self._kind_chosen)
        self._layers.layer_added.connect(self._layer_added)
        self._layers.moved.connect(self._choose_again)
        self._replaced.connect(self._open_replaced, Qt.ConnectionType.QueuedConnection)
        viewer.dims.events.current_step.connect(self._slider_moved)
        self.removed = RemovedImages(viewer, controller, objects)
        self.colours = ColourChoice(viewer, controller, panel=panel, changed=self.image_changed)

    def open(self, image: Any, *, keep_axis: bool = False) -> None:
        """Turn to another image, or to frames across its planes; what is left keeps its session, layers and names."""
        layers = self._layers
        # Called by the combo of images, also when the chosen one was deleted, and once at the start. The order: part
        # with images that are gone, while all of them is at hand, leave the old image, set frames and selection, choose
        # the layers, and open the session last, because it reads its prompts from those layers.
        known = self.removed.look()
        left = self._leave()
        # No frames while layers change, so that no handler takes one image's prompts for another's.
        face_patient(self._viewer.scene.camera, layers.image, image)
        layers.image, layers.space = image, None
        self._companions = {key: kept for key, kept in self._companions.items() if key[0] in known}
        self._show_axes(keep=keep_axis)
        if image is not None:
            connect(image, self._events)
            layers.space = self._current_space(image, self._panel.axis.currentData())
            layers.frame = current_frame(image, layers.space, self._viewer)
            self._show_frames()
        layers.select(self._objects.open("" if image is None else str(image.unique_id), layers.selected))
        self._turn_view()
        self._choose_companions(image)
        active = self._viewer.layers.selection.active
        if active in left and active not in (layers.points, layers.shapes, layers.labels):
            # A tool would go on to draw on the image that was left.
            self._viewer.layers.selection.active = image
        self._show_kind()
        self._controller.open_image()
        self.image_changed.emit()

    def show(self, image: Any, space: LayerFrames, *, frame: int) -> None:
        """Turn to some frames of an image, with no layers chosen; those of the widget that were are hidden."""
        # Called for a session that was brought back: first region, sliders, image and axis, then the layers.
        if space.selection.crop is None:
            self._regions.pop(space.image, None)
        else:
            self._regions[space.image] = space.selection.crop
        go_to_space(image, space, self._viewer, frame=frame)
        self._panel.image_layer.choose(image)
        self._panel.axis.setCurrentIndex(max(self._panel.axis.findData(space.choice), 0))
        for combo in self._panel.combos[1:4]:
            if combo.layer is not None and is_own(combo.layer):
                combo.layer.visible = False
            combo.choose(None)
        self._turn_view()
        self._space_changed()
        self.image_changed.emit()

    @property
    def region(self) -> Box | None:
        """(y0, x0, y1, x1) in pixels that is looked at by itself; None for whole planes."""
        image = self._layers.image
        return None if image is None else self._regions.get(str(image.unique_id))

    def set_region(self, region: Box | None) -> None:
        """Look at a part of the planes by itself, or at whole planes again."""
        image = self._layers.image
        if image is not None and region is not None:
            height, width = layer_shape(image)[-2:]
            # Raises where the region does not lie in the planes, before anything is changed.
            Geometry.of((1, height, width)).part(region)
        if image is None or region == self.region:
            return
        # A region is a stack of its own, with its own session; the results of both are kept.
        if region is None:
            del self._regions[str(image.unique_id)]
        else:
            self._regions[str(image.unique_id)] = region
        self._space_changed()
        self.image_changed.emit()

    def make(self, need: Callable[[], Any]) -> None:
        """Make a new layer that fits the image."""
        if self._layers.image is None:
            show_warning("Open an image first: the new layer must fit it.")
            return
        # Choosing none makes the layers forget the one they have, and then a new one is made on demand.
        combo = {"need_points": "points_layer", "need_shapes": "shapes_layer"}.get(need.__name__, "labels_layer")
        getattr(self._panel, combo).choose(None)
        need()

    def go_to(self, frame: int) -> None:
        """Move the slider to a frame."""
        if self._layers.image is not None and self._layers.space is not None:
            go_to_frame(self._layers.image, self._layers.space, self._viewer, frame=frame)

    def close(self) -> None:
        """Stop following the viewer."""
        self._rest.stop()
        self._window_rest.stop()
        self._viewer.dims.events.current_step.disconnect(self._slider_moved)
        self.removed.close()
        self.colours.close()
        disconnect(self._layers.image, self._events)
        for combo in self._panel.combos:
            combo.disconnect_viewer()

    def _timer(self, interval: int, slot: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(interval)
        timer.timeout.connect(slot)
        return timer

    def _current_space(self, image: Any, axis: int | None) -> LayerFrames:
        return current_space(image, axis, self._viewer, self._regions.get(str(image.unique_id)))

    # Layers

    @property
    def _events(self) -> dict[str, Callable[..., None]]:
        moves = dict.fromkeys(MOVES, self._image_moved)
        own = {"contrast_limits": self._contrast_changed, "axis_labels": self._axes_named, "data": self._data_replaced}
        return own | moves

    def _data_replaced(self, _event: Any = None) -> None:
        # Not within napari's event: opening the image anew takes its handlers off and puts them on again.
        self._replaced.emit()

    def _open_replaced(self) -> None:
        image, space = self._layers.image, self._layers.space
        if image is None or space is None:
            return
        key, shape = str(image.unique_id), layer_shape(image)
        region = self._regions.get(key)
        if region is not None and (region[2] > shape[-2] or region[3] > shape[-1]):
            del self._regions[key]
        self._controller.replace_image(key)
        kept = "its prompts stay, and what was tracked is out of date"
        lost = f"its shape is {shape} now, and results go into a new layer"
        show_warning(f"The data of {image.name} were replaced: {kept if shape == space.layer_shape else lost}.")
        self.open(image, keep_axis=True)

    def _image_moved(self, _event: Any = None) -> None:
        # Called by napari when the user moves, scales or calibrates the image: layers that were made for it go along,
        # and others now lie elsewhere on it.
        image = self._layers.image
        for layer in self._viewer.layers:
            if image is not None and is_made_for(layer, image) and layer.ndim == image.ndim:
                lay_on(layer, image)
        self._choose_again()
        self._layers.notice_move()
        self.image_changed.emit()

    def _choose_again(self) -> None:
        # A layer that does not fit the image any more is given up.
        for combo in self._panel.combos[1:]:
            combo.refresh()

    def _leave(self) -> tuple[Any, ...]:
        """Let go of the image's layers, and return them."""
        layers, combos = self._layers, self._panel.combos[1:4]
        left = tuple(combo.layer for combo in combos if combo.layer is not None)
        # The layers in use are remembered before the combos are emptied, which makes the layers let go of them.
        if layers.image is not None:
            disconnect(layers.image, self._events)
            self._companions[self._companion_key] = tuple(combo.layer for combo in combos)
        for combo in combos:
            combo.choose(None)
        return left

    @property
    def _companion_key(self) -> tuple[str, int | None]:
        image, space = self._layers.image, self._layers.space
        return str(image.unique_id if image else ""), space.layer_axis if space is not None and space.order else None

    def _choose_companions(self, image: Any) -> None:
        # What fits has changed with the image, so the combos read the layer list again.
        self._choose_again()
        if image is None:
            return
        kept = self._companions.get(self._companion_key, (None, None, None))
        for combo, layer in zip(self._panel.combos[1:4], kept, strict=True):
            if layer is not None and combo.offers(layer):
                combo.choose(layer)
            else:
                self._choose_own(combo, image)

    def _choose_own(self, combo: LayerCombo, image: Any) -> None:
        """Choose a layer that was made for this image; any other stays the user's own until chosen by hand."""
        _, axis = self._companion_key
        for layer in self._viewer.layers:
            if combo.offers(layer) and is_made_for(layer, image) and axis_across(layer) == axis:
                combo.choose(layer)

    def _layer_added(self, layer: Any) -> None:
        combos = {"Points": self._panel.points_layer, "Shapes": self._panel.shapes_layer}
        combos.get(type(layer).__name__, self._panel.labels_layer).choose(layer)

    # Frames

    def say_kind(self, kind: str) -> None:
        """Say whether the frames are time (``"t"``) or depth (``"z"``), where the image does not."""
        image, space = self._layers.image, self._layers.space
        if image is None or space is None or space.layer_axis is None or space.order or space.n_planes:
            return
        for layer in self._viewer.layers:
            if layer is image or (is_made_for(layer, image) and layer.ndim == image.ndim):
                name_axis(layer, space.layer_axis, kind)
        # What was tracked stays as it is; a session with nothing in it may as well know.
        if not self._controller.has_work:
            self._controller.close_space(space)
            self._controller.open_space()

    def _kind_chosen(self, _index: int = 0) -> None:
        kind = self._panel.frames_are.currentData()
        if kind:
            self.say_kind(kind)

    def _axes_named(self, _event: Any = None) -> None:
        self._show_axes(keep=True)
        # Along Y and X only a volume is tracked.
        if self._layers.space is not None and self._panel.axis.currentData() != self._layers.space.choice:
            self._axis_chosen()
        self._show_kind()

    def _show_kind(self) -> None:
        """Show what the frames are said to be, where the image has no name for them."""
        image, axis = self._layers.image, self._panel.axis.currentData()
        kind = None if image is None else frame_kind(image, axis)
        self._controller.axis, self._controller.is_axis_known = kind or "t", kind is not None or axis is None
        if image is not None and not self._controller.is_axis_known:
            self._unnamed.add((str(image.unique_id), axis))
        combo = self._panel.frames_are
        combo.blockSignals(True)
        combo.setCurrentIndex(combo.findData(kind or ""))
        combo.blockSignals(False)
        for part in (combo, self._panel.frames_are_label):
            part.setVisible(image is not None and (str(image.unique_id), axis) in self._unnamed)

    def _show_axes(self, *, keep: bool = False) -> None:
        axes = [] if self._layers.image is None else choosable_axes(self._layers.image)
        combo = self._panel.axis
        chosen = combo.currentData()
        # Filling the combo is no choice of the user's: the space is set by whoever called this.
        combo.blockSignals(True)
        combo.clear()
        for axis, name in axes:
            combo.addItem(name, axis)
        if keep:
            combo.setCurrentIndex(max(combo.findData(chosen), 0))
        combo.blockSignals(False)
        for part in (combo, self._panel.axis_label):
            part.setVisible(len(axes) > 1)

    def _show_frames(self) -> None:
        if self._layers.space is not None:
            self._panel.track_box.set_frames(self._layers.space.n_frames)
            self._panel.track_box.set_frame(self._layers.frame)

    def _axis_chosen(self, _index: int = 0) -> None:
        image, space = self._layers.image, self._layers.space
        if image is None or space is None:
            return
        axis = self._panel.axis.currentData()
        if self._current_space(image, axis).order == space.order:
            self._space_changed()
            return
        # Results across each other would overwrite each other: they have layers of their own, of which one set is seen.
        before = [combo.layer for combo in self._panel.combos[1:4]]
        self.open(image, keep_axis=True)
        for layers, visible in ((before, False), ([combo.layer for combo in self._panel.combos[1:4]], True)):
            for layer in layers:
                if layer is not None and is_own(layer):
                    layer.visible = visible

    def _turn_view(self, _index: int = 0) -> None:
        """Show the planes that are frames, where others were asked for here; what the user rolled stays."""
        if (space := self._layers.space) is None:
            return
        if space.order or self._is_turned:
            turn_view(space, self._viewer)
        self._is_turned = bool(space.order)

    def _space_changed(self) -> None:
        """Look at other frames: along another axis, or at another place on the axes that stand still."""
        image = self._layers.image
        if image is None:
            return
        self._layers.space = self._current_space(image, self._panel.axis.currentData())
        self._layers.frame = current_frame(image, self._layers.space, self._viewer)
        self._show_kind()
        self._show_frames()
        self._controller.open_space()

    def _slider_moved(self, _event: Any = None) -> None:
        # Called by napari with every step of every slider. Those of other axes lead to another stack; the tracked one's
        # to another frame, which is encoded only where the slider stays.
        image, space = self._layers.image, self._layers.space
        if image is None or space is None:
            return
        if self._current_space(image, space.choice) != space:
            self._space_changed()
            return
        self._layers.frame = current_frame(image, space, self._viewer)
        self.frame_changed.emit()
        self._rest.start()

    # Contrast limits

    def _contrast_changed(self, _event: Any = None) -> None:
        self._window_rest.start()

    def _window_settled(self) -> None:
        # Prompts and tracks were made with the window of then; before there are any, it follows the eye.
        if not self._controller.has_work and self._controller.engine is not None:
            self._controller.reopen()
        self.image_changed.emit()

"""The layers of the image in use: reads the prompts in them, reports changes, and makes layers where one is missing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points, Shapes
from qtpy.QtCore import QObject, Qt, Signal

from napari_sam2.data.prompts.drawing import Drawing, DrawnPoint, DrawnShape, PromptKey

from .eraser import Eraser
from .labels_layer import fits, holds, labels_on_plane, new_labels_layer, painted_frames, reaches_further, widen
from .labels_on_disk import is_in_memory, wider_labels
from .layer_events import connect, disconnect
from .layer_frames import is_made_for, is_region, mark_as_across
from .placement import Placement, UnrelatedError, check_worlds
from .points_and_shapes import (
    POSITIVE,
    adopt,
    are_alike,
    last_row,
    new_points_layer,
    new_shapes_layer,
    next_sign,
    read_points,
    read_shapes,
    set_next,
    show_points,
    show_shapes,
)
from .unusable_prompts import word_about, wrong_planes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari.components import ViewerModel
    from napari.layers import Image, Labels
    from numpy.typing import NDArray

    from .layer_frames import LayerFrames

_SETTLED = ("added", "changed", "removed")
_READERS: dict[str, Callable[..., dict[PromptKey, Drawing]]] = {"points": read_points, "shapes": read_shapes}
_WRITERS: dict[str, Callable[..., None]] = {"points": show_points, "shapes": show_shapes}
# What moves a layer in the world.
MOVES = ("scale", "translate", "rotate", "shear", "affine", "units")


class SessionLayers(QObject):
    """Image, Points, Shapes and Labels layers in use, with the stack, frame and object on show."""

    # With a layer, and how many points or shapes were added to it; before `prompts_changed`.
    drawn = Signal(object, int)
    # Once for all changes at a time.
    prompts_changed = Signal()
    # With the (Y, X) labels of the frames that the user painted on, by index.
    painted = Signal(object)
    # With the object that the user chose in the Labels layer.
    label_selected = Signal(int)
    # Says what has become of a Labels layer that had no room for an object.
    labels_left = Signal(str)
    # Says why prompts that were added mean nothing.
    unusable = Signal(str)
    # A layer of prompts or results was moved, turned or scaled.
    moved = Signal()
    # With a layer that was made here, which is to be chosen in its combo.
    layer_added = Signal(object)
    # With a method that is to be called from the event loop.
    _noticed = Signal(object)

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = viewer
        self.image: Image | None = None
        self.space: LayerFrames | None = None
        self.points: Points | None = None
        self.shapes: Shapes | None = None
        self.labels: Labels | None = None
        self.selected = 1
        self.frame = 0
        self._eraser: Eraser | None = None
        self._dragging = False
        # Points and shapes added since the last report, by layer.
        self._added: dict[Points | Shapes, int] = {}
        # What the Points and the Shapes layer held when they were last read or written; None before that.
        self._read: dict[str, dict[PromptKey, Drawing] | None] = {}
        # Frames that the user has painted on and that are not reported yet.
        self._painted_on: set[int] = set()
        # Reports that are collected and not made yet.
        self._collected: set[Callable[[], None]] = set()
        # napari sends several events for one click. They are collected until control is back in the event loop, then
        # reported once, before Qt paints, which takes long where there is no GPU.
        self._noticed.connect(self._tell, Qt.ConnectionType.QueuedConnection)

    # Which layers

    def set_points(self, layer: Points | None) -> None:
        """Use another Points layer; prompts in the one before stay the session's."""
        self._set("points", layer)

    def set_shapes(self, layer: Shapes | None) -> None:
        """Use another Shapes layer; prompts in the one before stay the session's."""
        self._set("shapes", layer)

    def _set(self, name: str, layer: Any) -> None:
        # Called by the combo when a layer is chosen, made, or deleted.
        disconnect(getattr(self, name), self._points_events)
        setattr(self, name, layer)
        self._read[name] = None
        if layer is not None:
            adopt(layer, object_id=self.selected)
            connect(layer, self._points_events)
        self._notice(self._tell_prompts)

    def set_labels(self, layer: Labels | None) -> None:
        """Use another Labels layer."""
        disconnect(self.labels, self._labels_events)
        if self._eraser is not None:
            self._eraser.release()
        self.labels = layer
        self._eraser = None if layer is None else Eraser(layer)
        if layer is None:
            return
        if holds(layer, self.selected):
            layer.selected_label = self.selected
        else:
            # Not at once: another layer may take the place of this one, which is being chosen.
            self._notice(self._select_label)
        connect(layer, self._labels_events)

    def need_points(self) -> Points:
        """Return the Points layer, a new one where there is none."""
        return self.points or self._add(new_points_layer(self._image, object_id=self.selected))

    def need_shapes(self) -> Shapes:
        """Return the Shapes layer, a new one where there is none."""
        return self.shapes or self._add(new_shapes_layer(self._image, object_id=self.selected))

    def need_labels(self, object_id: int = 0) -> Labels:
        """Return the Labels layer, a new one where there is none, or none on disk with room for an object."""
        # Called with the largest object of every result, in the middle of tracking too: there must be room, at once.
        labels = self.labels
        if labels is not None and not holds(labels, object_id) and is_in_memory(labels):
            widen(labels, object_id)
        if labels is not None and holds(labels, object_id):
            return labels
        assert self.space is not None
        if labels is None:
            new = new_labels_layer(self._image, self.space, object_id=max(object_id, self.selected))
        else:
            new, text = wider_labels(labels, self._image, self.space, object_id=object_id)
            labels.visible = False
            self.labels_left.emit(text)
        return self._add(new, above_image=True)

    def put_labels(self, layer: Labels) -> None:
        """Write results into a new layer from now on."""
        self._add(layer, above_image=True)

    def select(self, object_id: int) -> None:
        """Make an object the one that prompts are about."""
        self.selected = object_id
        for layer in (self.points, self.shapes):
            if layer is not None:
                set_next(layer, object_id)
        self._select_label()

    def notice_move(self) -> None:
        """Read the prompts again, because the image lies elsewhere."""
        self._notice(self._tell_prompts)

    def close(self) -> None:
        """Let go of the layers."""
        self.set_points(None)
        self.set_shapes(None)
        self.set_labels(None)
        self._collected.clear()

    @property
    def displayed(self) -> tuple[int, ...]:
        """Axes that the viewer shows: two, or three in its volume view."""
        return tuple(self._viewer.dims.displayed)

    @property
    def wrong_planes(self) -> tuple[str, str] | None:
        """Axes that the viewer shows and those of the frames, in words, where these are others."""
        return None if self.space is None else wrong_planes(self._image, self.space, self._viewer)

    @property
    def next_is_positive(self) -> bool:
        """Whether the next click is on the object, and not off it."""
        return self.points is None or next_sign(self.points) == POSITIVE

    @property
    def is_settled(self) -> bool:
        """Whether all changes in the layers have been reported."""
        return not self._collected

    def refusal(self, layer: Any) -> str:
        """Say in a line why a layer cannot go with the image; empty where it can."""
        if self.image is None or self.space is None:
            return "there is no image for it"
        if is_region(layer):
            return f"{layer.name} shows the region"
        try:
            placement = Placement.of(layer, self.image)
        except UnrelatedError as error:
            return str(error)
        if isinstance(layer, Points):
            return ""
        if isinstance(layer, Shapes):
            turned = f"{layer.name} is turned out of the planes of {self.image.name}: its shapes lie on no one frame"
            return "" if placement.keeps_planes(self.space.plane_axes) else turned
        if not fits(layer, self.space):
            return f"results cannot go into {layer.name}: it takes an array of {self.space.layer_shape} whole numbers"
        elsewhere = f"{layer.name} does not lie on {self.image.name}: its scale, translation or turn is another"
        return "" if placement.is_same_grid(self.space.layer_shape) else elsewhere

    def source_refusal(self, layer: Any) -> str:
        """Say in a line why labels cannot be taken from a Labels layer; empty where they can."""
        # Labels on any grid are taken as they are seen on the frame on show.
        if self.image is None or self.space is None:
            return "there is no image for it"
        try:
            check_worlds(layer, self.image)
        except UnrelatedError as error:
            return str(error)
        return ""

    def drawn_on(self, frame: int) -> NDArray[Any]:
        """(Y, X) labels of the result layer on a frame; zeros where there is no such layer."""
        assert self.space is not None
        if self.labels is None:
            return np.zeros(self.space.stack_shape[1:], np.uint16)
        return np.asarray(self.labels.data[self.space.index(frame)])

    def source_plane(self, source: Labels) -> NDArray[Any]:
        """(Y, X) labels of any Labels layer as they are seen on the frame on show."""
        assert self.space is not None
        point = tuple(self._viewer.dims.point)
        return labels_on_plane(source, self._image, self.space, frame=self.frame, point=point)

    # Prompts in them

    def read_anew(self) -> None:
        """Take all prompts in the layers for new ones the next time, as another stack is on show."""
        self._read = {}

    def changes(self, drawings: Mapping[PromptKey, Drawing]) -> dict[PromptKey, Drawing]:
        """Find what has changed in the layers since they were last read: new drawings in place of some of these.

        What a layer that was just chosen holds is added; empty drawings take a prompt away.
        """
        changed: dict[PromptKey, Drawing] = {}
        for name, _, now in self._shown_now():
            before, self._read[name] = self._read.get(name), now
            for key in {**(before or {}), **now}:
                known = changed.get(key, drawings.get(key, Drawing()))
                old, new = (before or {}).get(key, Drawing()), now.get(key, Drawing())
                drawing = known.joined(new) if before is None else known.changed(old, new)
                # Where image and layer were moved together, coordinates are the same but for rounding.
                if drawing != known and not (before is not None and old.is_like(new)):
                    changed[key] = drawing
        return changed

    def show(self, drawings: Mapping[PromptKey, Drawing]) -> None:
        """Make the layers hold these drawings; layers of the user's own are left as they are."""
        for name, layer, now in self._shown_now():
            if self._dragging or now != self._read.get(name):
                # The user is at it: what is new there is read first.
                continue
            wanted = {key: part for key, drawing in drawings.items() if not (part := drawing.part(name)).is_empty}
            if is_made_for(layer, self._image) and not are_alike(now, wanted):
                assert self.space is not None
                _WRITERS[name](layer, wanted, self.space, self._placement(layer))
                self._read[name] = _READERS[name](layer, self.space, self._placement(layer))

    def fill(self, drawings: Mapping[PromptKey, Drawing]) -> None:
        """Make the layers that some drawings need, empty."""
        for need, part in ((self.need_points, "points"), (self.need_shapes, "shapes")):
            if any(not drawing.part(part).is_empty for drawing in drawings.values()):
                need()

    def last_drawn(self, layer: Points | Shapes) -> tuple[PromptKey | None, DrawnPoint | DrawnShape]:
        """Read the point or shape that was added last to a layer."""
        assert self.space is not None
        return last_row(layer, self.space, self._placement(layer))

    def _shown_now(self) -> Iterator[tuple[str, Any, dict[PromptKey, Drawing]]]:
        """Read the Points and the Shapes layer, where there are any."""
        for name, layer in (("points", self.points), ("shapes", self.shapes)):
            if layer is not None and self.space is not None and self.image is not None:
                # One that has no place on the image was moved a moment ago, and its combo is about to give it up.
                with suppress(UnrelatedError):
                    yield name, layer, _READERS[name](layer, self.space, self._placement(layer))

    # What happens in them

    @property
    def _image(self) -> Image:
        assert self.image is not None
        return self.image

    def _notice(self, news: Callable[[], None]) -> None:
        # Called by handlers of napari's events, within whatever caused them.
        if news not in self._collected:
            self._collected.add(news)
            self._noticed.emit(news)

    def _tell(self, news: Callable[[], None]) -> None:
        # From the event loop. `close` may have emptied the set since: then nothing is reported any more.
        if news in self._collected:
            self._collected.discard(news)
            news()

    @property
    def _points_events(self) -> dict[str, Any]:
        return {"data": self._data_changed, "features": self._features_changed, **self._moves}

    @property
    def _labels_events(self) -> dict[str, Any]:
        return {"paint": self._paint_happened, "selected_label": self._label_selected, **self._moves}

    @property
    def _moves(self) -> dict[str, Any]:
        return dict.fromkeys(MOVES, self._layer_moved)

    def _data_changed(self, event: Any) -> None:
        # A point that is being dragged sends an event of its features at every step; only where it is dropped counts.
        self._dragging = str(event.action) == "changing"
        if str(event.action) == "added":
            self._added[event.source] = self._added.get(event.source, 0) + len(event.data_indices)
            layer, image, space = event.source, self.image, self.space
            if image is not None and (word := word_about(layer, event.data_indices, image, self._viewer, space=space)):
                self.unusable.emit(word)
        if str(event.action) in _SETTLED:
            self._notice(self._tell_prompts)

    def _features_changed(self, _event: Any) -> None:
        if not self._dragging:
            self._notice(self._tell_prompts)

    def _layer_moved(self, _event: Any = None) -> None:
        self._notice(self._tell_moved)

    def _paint_happened(self, event: Any) -> None:
        if self.labels is not None and self.space is not None:
            self._painted_on |= painted_frames(self.space, event.value) or {self.frame}
            if reaches_further(self.labels, self.space, event.value):
                self.labels_left.emit(
                    "The brush has reached beyond the stack on show, where it makes no prompts: paint there again, or "
                    "let it edit fewer dimensions."
                )
        self._notice(self._tell_painted)

    def _tell_prompts(self) -> None:
        added, self._added = self._added, {}
        for layer, n_rows in added.items():
            self.drawn.emit(layer, n_rows)
        self.prompts_changed.emit()

    def _tell_moved(self) -> None:
        self.moved.emit()
        self.prompts_changed.emit()

    def _tell_painted(self) -> None:
        if self.labels is not None and self.space is not None:
            # Copies, since the user goes on painting while the worker compares them.
            self.painted.emit({frame: self.drawn_on(frame).copy() for frame in sorted(self._painted_on)})
        self._painted_on.clear()

    def _label_selected(self, _event: Any) -> None:
        if self.labels is not None and self.labels.selected_label > 0:
            self.label_selected.emit(int(self.labels.selected_label))

    def _select_label(self) -> None:
        if self.labels is not None and self.labels.selected_label != self.selected:
            self.need_labels(self.selected).selected_label = self.selected

    def _placement(self, layer: Any) -> Placement:
        return Placement.of(layer, self._image)

    def _add(self, layer: Any, *, above_image: bool = False) -> Any:
        """Add a layer to the viewer and leave the active one active."""
        mark_as_across(layer, self._image, self.space)
        active = self._viewer.layers.selection.active
        self._viewer.add_layer(layer)
        if above_image:
            place = self._viewer.layers.index(self._image) + 1
            self._viewer.layers.move(len(self._viewer.layers) - 1, place)
        if active is not None:
            self._viewer.layers.selection.active = active
        # Last, so that the layer is in its place when its combo chooses it and results are drawn into it.
        self.layer_added.emit(layer)
        return layer

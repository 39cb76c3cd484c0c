"""The layers of the image in use: reads the prompts in them, reports changes, and makes layers where one is missing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points, Shapes
from qtpy.QtCore import QObject, Qt, Signal

from .eraser import Eraser
from .labels_layer import (
    holds,
    labels_on_plane,
    leaves_region,
    new_labels_layer,
    painted_frames,
    reaches_further,
    widen,
)
from .labels_on_disk import is_in_memory, wider_labels
from .layer_events import connect, disconnect
from .layer_frames import is_for_prompts, is_made_for, is_own, mark_as_across
from .placement import Placement, Placements, UnrelatedError
from .points_and_shapes import POSITIVE, new_points_layer, new_shapes_layer, next_sign, set_next
from .prompt_layer import PromptLayer
from .unusable_prompts import BRUSH_BEYOND, BRUSH_OUTSIDE, why_no_source, why_unfit, word_about, wrong_planes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari.components import ViewerModel
    from napari.layers import Image, Labels
    from numpy.typing import NDArray

    from napari_sam2.data.prompts.drawing import Drawing, DrawnPoint, DrawnShape, PromptKey

    from .layer_frames import LayerFrames

_SETTLED = ("added", "changed", "removed")
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
        self._parts = {part: PromptLayer(part) for part in ("points", "shapes")}
        self._places = Placements()
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
        self._places.forget()
        disconnect(getattr(self, name), self._points_events)
        setattr(self, name, layer)
        self._parts[name].choose(layer, image=self.image, space=self.space, object_id=self.selected)
        if layer is not None:
            self.set_next()
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
        """Return the widget's Points layer for the image, a new one where none is chosen."""
        return self._own("points") or self._add(new_points_layer(self._image, object_id=self.selected))

    def need_shapes(self) -> Shapes:
        """Return the widget's Shapes layer for the image, a new one where none is chosen."""
        return self._own("shapes") or self._add(new_shapes_layer(self._image, object_id=self.selected))

    def _own(self, name: str) -> Any:
        layer = getattr(self, name)
        if layer is None or is_made_for(layer, self._image):
            return layer
        # One of the user's own is not drawn in by the tools: what was taken from it shows in the widget's.
        alike = (x for x in self._viewer.layers if type(x) is type(layer))
        own = next((x for x in alike if is_for_prompts(x, self._image, self.space)), None)
        if own is not None:
            self.layer_added.emit(own)
        return own

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
            if is_own(labels):
                labels.visible = False
            self.labels_left.emit(text)
        return self._add(new, above_image=True)

    def put_labels(self, layer: Labels) -> None:
        """Write results into a new layer from now on."""
        self._add(layer, above_image=True)

    def select(self, object_id: int) -> None:
        """Make an object the one that prompts are about."""
        self.selected = object_id
        self.set_next()
        self._select_label()

    def set_next(self, sign: str | None = None) -> None:
        """Have the next points and shapes be about the selected object, and on or off it."""
        for layer in (self.points, self.shapes):
            if layer is not None and is_own(layer):
                set_next(layer, self.selected, sign)

    def give_last(self, layer: Points | Shapes, object_id: int) -> bool:
        """Give what was drawn last in a layer to another object; False where the user's own layer says whose it is."""
        return self._part(layer).give_last(object_id)

    def notice_move(self) -> None:
        """Read the prompts again, because the image lies elsewhere."""
        self._places.forget()
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
        return why_unfit(layer, self.image, self.space)

    def source_refusal(self, layer: Any) -> str:
        """Say in a line why labels cannot be taken from a Labels layer; empty where they can."""
        return "there is no image for it" if self.image is None else why_no_source(layer, self.image)

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

    def come_back(self, *, anew: bool = False) -> None:
        """Turn to another stack: what the layers held when it was left is no news, unless all is to be read anew."""
        self._places.forget()
        for part in self._parts.values():
            part.come_back(self.space, anew=anew)

    def changes(self, drawings: Mapping[PromptKey, Drawing]) -> dict[PromptKey, Drawing]:
        """Find what has changed in the layers since they were last read: new drawings in place of some of these.

        What a layer that was just chosen holds is added; empty drawings take a prompt away.
        """
        changed: dict[PromptKey, Drawing] = {}
        for part, space, placement in self._placed():
            now = part.read(space, placement, object_id=self.selected)
            part.take_changes(now, space, drawings, changed)
        return changed

    def outside(self, known: Mapping[PromptKey, Drawing]) -> Iterator[PromptKey]:
        """Say whose the rows are that wait outside the region; ``known`` is what whole frames have already."""
        if self.space is not None and not self.space.is_whole:
            for part, space, placement in self._placed():
                yield from part.outside(space, placement, known, object_id=self.selected)

    def show(self, drawings: Mapping[PromptKey, Drawing]) -> None:
        """Make the layers hold these drawings; layers of the user's own are left as they are."""
        for part, space, placement in self._placed():
            # While the user is at it, what is new there is read first.
            if not self._dragging and is_made_for(part.layer, self._image):
                part.show(part.read(space, placement, object_id=self.selected), space, placement, drawings)

    def fill(self, drawings: Mapping[PromptKey, Drawing]) -> None:
        """Make the layers that some drawings need, empty."""
        for need, part in ((self.need_points, "points"), (self.need_shapes, "shapes")):
            if any(not drawing.part(part).is_empty for drawing in drawings.values()):
                need()

    def last_drawn(self, layer: Points | Shapes) -> tuple[PromptKey | None, DrawnPoint | DrawnShape]:
        """Read the point or shape that was added last to a layer."""
        assert self.space is not None
        return self._part(layer).last_drawn(self.space, self._places.of(layer, self._image), object_id=self.selected)

    def _part(self, layer: Points | Shapes) -> PromptLayer:
        return self._parts["points" if isinstance(layer, Points) else "shapes"]

    def _placed(self) -> Iterator[tuple[PromptLayer, LayerFrames, Placement]]:
        """List the layers of prompts that there are, and how they lie on the image."""
        for part in self._parts.values():
            if part.layer is not None and self.space is not None and self.image is not None:
                # One that has no place on the image was moved a moment ago, and its combo is about to give it up.
                with suppress(UnrelatedError):
                    yield part, self.space, self._places.of(part.layer, self.image)

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
        action, layer, rows = str(event.action), event.source, event.data_indices
        self._dragging = action == "changing"
        if action == "removed":
            self._part(layer).rows_removed(rows)
        if action in _SETTLED:
            self._notice(self._tell_prompts)
        if action == "added":
            self._added[layer] = self._added.get(layer, 0) + len(rows)
            # Told after the prompts, which end what was said before.
            if self.image is not None and (why := word_about(layer, rows, self.image, self._viewer, space=self.space)):
                self._notice(partial(self.unusable.emit, why))

    def _features_changed(self, _event: Any) -> None:
        if not self._dragging:
            self._notice(self._tell_prompts)

    def _layer_moved(self, _event: Any = None) -> None:
        self._places.forget()
        self._notice(self._tell_moved)

    def _paint_happened(self, event: Any) -> None:
        if self.labels is not None and self.space is not None:
            self._painted_on |= painted_frames(self.space, event.value) or {self.frame}
            if reaches_further(self.labels, self.space, event.value):
                self.unusable.emit(BRUSH_BEYOND)
            if leaves_region(self.space, event.value):
                self.unusable.emit(BRUSH_OUTSIDE)
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

    def _add(self, layer: Any, *, above_image: bool = False) -> Any:
        """Add a layer to the viewer and leave the active one active."""
        mark_as_across(layer, self._image, self.space)
        active = self._viewer.layers.selection.active
        self._viewer.add_layer(layer)
        if above_image:
            self._viewer.layers.move(len(self._viewer.layers) - 1, self._viewer.layers.index(self._image) + 1)
        if active is not None:
            self._viewer.layers.selection.active = active
        # Last, so that the layer is in its place when its combo chooses it and results are drawn into it.
        self.layer_added.emit(layer)
        return layer

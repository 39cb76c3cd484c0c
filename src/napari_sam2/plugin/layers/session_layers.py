"""The layers of the image in use: reads the prompts in them, reports changes, and makes layers where one is missing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points, Shapes
from qtpy.QtCore import QObject, Qt, Signal

from .eraser import Eraser
from .labels_layer import fits, holds, labels_on_plane, new_labels_layer, painted_frames, widen
from .labels_on_disk import is_in_memory, wider_labels
from .layer_frames import is_made_for, is_region
from .placement import Placement, UnrelatedError, check_worlds
from .points_and_shapes import (
    LayerContent,
    adopt,
    content_of,
    drop,
    new_points_layer,
    new_shapes_layer,
    nothing_like,
    on_image,
    on_this_stack,
    put_back,
    read_points,
    read_shapes,
    set_next,
)
from .prompt_spec import PromptKey, PromptSpec, PromptSpecs, merge

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from napari.components import ViewerModel
    from napari.layers import Image, Labels
    from numpy.typing import NDArray

    from .layer_frames import LayerFrames

_SETTLED = ("added", "changed", "removed")
# What moves a layer in the world.
MOVES = ("scale", "translate", "rotate", "shear", "affine", "units")


@dataclass(frozen=True, eq=False)
class LayersContent:
    """All prompts as they stood at one moment."""

    # What the layers held; None where there was none.
    points: LayerContent | None
    shapes: LayerContent | None
    # Masks by stack, and by object and frame.
    painted: dict[tuple[LayerFrames, PromptKey], PromptSpec]


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
        # Masks that no layer holds: painted ones, taken labels, and prompts of layers that were deleted.
        self._masks: dict[tuple[LayerFrames, PromptKey], PromptSpec] = {}
        # Frames that the user has painted on and that are not reported yet.
        self._painted_on: set[int] = set()
        # Reports that are collected and not made yet.
        self._untold: set[Callable[[], None]] = set()
        # napari sends several events for one click. They are collected until control is back in the event loop, then
        # reported once, before Qt paints, which takes long where there is no GPU.
        self._noticed.connect(self._tell, Qt.ConnectionType.QueuedConnection)

    # Which layers

    def set_points(self, layer: Points | None) -> None:
        """Use another Points layer; the prompts of one that was deleted are kept."""
        # Called by the combo when a layer is chosen, made, or deleted. One that is only not chosen any more takes its
        # prompts with it.
        self._leave(self.points, self._points_events)
        if self.points is not None and self._is_deleted(self.points) and self.space is not None:
            self._keep_said(read_points(self._on_image(self.points), self.space))
        self.points = layer
        if layer is not None:
            adopt(layer, object_id=self.selected)
            self._join(layer, self._points_events)
        self._notice(self._tell_prompts)

    def set_shapes(self, layer: Shapes | None) -> None:
        """Use another Shapes layer; the prompts of one that was deleted are kept."""
        self._leave(self.shapes, self._points_events)
        if self.shapes is not None and self._is_deleted(self.shapes) and self.space is not None:
            self._keep_said(read_shapes(self._on_image(self.shapes), self.space))
        self.shapes = layer
        if layer is not None:
            adopt(layer, object_id=self.selected)
            self._join(layer, self._points_events)
        self._notice(self._tell_prompts)

    def set_labels(self, layer: Labels | None) -> None:
        """Use another Labels layer."""
        self._leave(self.labels, self._labels_events)
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
        self._join(layer, self._labels_events)

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
        self._untold.clear()

    @property
    def displayed(self) -> tuple[int, ...]:
        """Axes that the viewer shows: two, or three in its volume view."""
        return tuple(self._viewer.dims.displayed)

    @property
    def is_settled(self) -> bool:
        """Whether all changes in the layers have been reported."""
        return not self._untold

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
            return "" if placement.keeps_planes else turned
        if not fits(layer, self.space):
            return f"results cannot go into {layer.name}: it takes an array of {self.space.shape} whole numbers"
        elsewhere = f"{layer.name} does not lie on {self.image.name}: its scale, translation or turn is another"
        return "" if placement.is_same_grid(self.space.shape) else elsewhere

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

    def source_plane(self, source: Labels) -> NDArray[Any]:
        """(Y, X) labels of any Labels layer as they are seen on the frame on show."""
        assert self.space is not None
        point = tuple(self._viewer.dims.point)
        return labels_on_plane(source, self._image, self.space, frame=self.frame, point=point)

    # Prompts in them

    @property
    def on_image(self) -> tuple[Any, Any]:
        """What the Points and the Shapes layer hold, in data coordinates of the image; None where there is none."""
        points, shapes = (None if one is None else self._on_image(one) for one in (self.points, self.shapes))
        return points, shapes

    def wishes(self, space: LayerFrames) -> dict[PromptKey, PromptSpec]:
        """Read all prompts on a stack's frames."""
        parts: list[PromptSpecs] = [{place: wish for (where, place), wish in self._masks.items() if where == space}]
        points, shapes = self.on_image
        if points is not None:
            parts.append(read_points(points, space))
        if shapes is not None:
            parts.append(read_shapes(shapes, space))
        return merge(parts)

    def keep(self, wishes: PromptSpecs, space: LayerFrames) -> None:
        """Keep masks in place of all other prompts about the same objects on the same frames."""
        for place, wish in wishes.items():
            self._drop_shown(space, place=place)
            self._masks[space, place] = wish

    def forget(self, space: LayerFrames, *, place: PromptKey | None = None, object_id: int | None = None) -> None:
        """Drop the prompts at a place, or all of an object's."""
        self._drop_shown(space, place=place, object_id=object_id)
        self._masks = {
            key: wish
            for key, wish in self._masks.items()
            if key[0] != space or (key[1] != place and key[1].object_id != object_id)
        }

    def forget_images(self, known: Collection[str]) -> None:
        """Forget the masks on images that are not there any more; ``known`` are the unique ids of those that are."""
        self._masks = {key: wish for key, wish in self._masks.items() if key[0].image in known}

    def content(self) -> LayersContent:
        """Copy all prompts."""
        points = None if self.points is None else content_of(self.points)
        shapes = None if self.shapes is None else content_of(self.shapes)
        return LayersContent(points, shapes, dict(self._masks))

    def put_back(self, content: LayersContent) -> None:
        """Restore the prompts on the stack on show; those on other stacks stay as they are."""
        space = self.space
        assert space is not None
        for layer, held in ((self.points, content.points), (self.shapes, content.shapes)):
            # Where it was not there yet, a layer of the user's own is not emptied.
            if layer is not None and (held is not None or is_made_for(layer, self._image)):
                put_back(layer, on_this_stack(layer, held or nothing_like(layer), space, self._placement(layer)))
        elsewhere = {key: wish for key, wish in self._masks.items() if key[0] != space}
        self._masks = elsewhere | {key: wish for key, wish in content.painted.items() if key[0] == space}

    def fill(self, contents: Sequence[LayersContent], *, keep: bool = False) -> None:
        """Make the layers that some contents need, and fill them with the first; the others are for undo.

        ``keep`` leaves layers as they are that are there already.
        """
        there = {part: keep and getattr(self, part) is not None for part in ("points", "shapes")}
        for need, part in ((self.need_points, "points"), (self.need_shapes, "shapes")):
            if any(len(getattr(content, part).data) for content in contents):
                need()
        now = self.content()
        self.put_back(
            replace(contents[0], **{part: getattr(now, part) for part, is_there in there.items() if is_there})
        )

    # What happens in them

    @property
    def _image(self) -> Image:
        assert self.image is not None
        return self.image

    def _notice(self, news: Callable[[], None]) -> None:
        # Called by handlers of napari's events, within whatever caused them.
        if news not in self._untold:
            self._untold.add(news)
            self._noticed.emit(news)

    def _tell(self, news: Callable[[], None]) -> None:
        # From the event loop. `close` may have emptied the set since: then nothing is reported any more.
        if news in self._untold:
            self._untold.discard(news)
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

    def _join(self, layer: Any, events: dict[str, Any]) -> None:
        for name, handler in events.items():
            getattr(layer.events, name).connect(handler)

    def _leave(self, layer: Any, events: dict[str, Any]) -> None:
        if layer is not None:
            for name, handler in events.items():
                getattr(layer.events, name).disconnect(handler)

    def _data_changed(self, event: Any) -> None:
        # A point that is being dragged sends an event of its features at every step; only where it is dropped counts.
        self._dragging = str(event.action) == "changing"
        if str(event.action) == "added":
            self._added[event.source] = self._added.get(event.source, 0) + len(event.data_indices)
        if str(event.action) in _SETTLED:
            self._notice(self._tell_prompts)

    def _features_changed(self, _event: Any) -> None:
        if not self._dragging:
            self._notice(self._tell_prompts)

    def _layer_moved(self, _event: Any = None) -> None:
        self._notice(self._tell_moved)

    def _paint_happened(self, event: Any) -> None:
        if self.labels is not None and self.space is not None:
            self._painted_on |= painted_frames(self.labels, self.space, event.value) or {self.frame}
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
            frames, space = sorted(self._painted_on), self.space
            self.painted.emit({frame: np.array(self.labels.data[space.index(frame)]) for frame in frames})
        self._painted_on.clear()

    def _label_selected(self, _event: Any) -> None:
        if self.labels is not None and self.labels.selected_label > 0:
            self.label_selected.emit(int(self.labels.selected_label))

    def _select_label(self) -> None:
        if self.labels is not None and self.labels.selected_label != self.selected:
            self.need_labels(self.selected).selected_label = self.selected

    def _drop_shown(self, space: LayerFrames, *, place: PromptKey | None = None, object_id: int | None = None) -> None:
        for layer in (self.points, self.shapes):
            if layer is not None:
                drop(layer, space, self._placement(layer), place=place, object_id=object_id)

    def _placement(self, layer: Any) -> Placement:
        return Placement.of(layer, self._image)

    def _on_image(self, layer: Any) -> Any:
        try:
            return on_image(layer, self._placement(layer))
        except UnrelatedError:
            # It was moved a moment ago, and its combo is about to give it up.
            return nothing_like(layer)

    def _is_deleted(self, layer: Any) -> bool:
        return all(layer is not known for known in self._viewer.layers)

    def _keep_said(self, wishes: PromptSpecs) -> None:
        assert self.space is not None
        for place, wish in wishes.items():
            self._masks[self.space, place] = self._masks.get((self.space, place), PromptSpec()).joined(wish)

    def _add(self, layer: Any, *, above_image: bool = False) -> Any:
        """Add a layer to the viewer and leave the active one active."""
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

"""The Points or the Shapes layer in use, as drawings: what has changed in it, and what it is made to show.

A layer of the widget's says itself whose its rows are, and shows what the session has. One of the user's own is read
and never written to; whose its rows are is kept here, where it does not say so.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from napari_sam2.data.prompts.drawing import Drawing, PromptKey

from .layer_frames import is_made_for, is_own
from .points_and_shapes import (
    OBJECT,
    are_alike,
    give_last_row,
    last_row,
    read_points,
    read_shapes,
    rows_of_points,
    rows_of_shapes,
    show_points,
    show_shapes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from napari.layers import Image

    from napari_sam2.data.prompts.drawing import DrawnPoint, DrawnShape

    from .layer_frames import LayerFrames
    from .placement import Placement

    Drawings = Mapping[PromptKey, Drawing]

_READERS: dict[str, Callable[..., Drawings]] = {"points": read_points, "shapes": read_shapes}
_ROWS: dict[str, Callable[..., Any]] = {"points": rows_of_points, "shapes": rows_of_shapes}
_WRITERS: dict[str, Callable[..., None]] = {"points": show_points, "shapes": show_shapes}


class PromptLayer:
    """A layer of prompts that is in use, another one after it; ``part`` is what drawings call what is in it."""

    def __init__(self, part: str) -> None:
        self.part = part
        self.layer: Any = None
        # What the layer held when it was last read or written; None before that.
        self._known: Drawings | None = None
        # Objects of its rows, which count where the layer names none.
        self._owners: list[int] = []
        # Both, by stack and layer: what was there when a stack was left is no news later.
        self._left: dict[tuple[LayerFrames, str], tuple[Drawings, list[int]]] = {}

    def choose(self, layer: Any, *, image: Image | None, space: LayerFrames | None, object_id: int) -> None:
        """Use another layer. All that is in one of the user's own is new, and is about an object."""
        self.layer, self._known = layer, None
        self._owners = [] if layer is None else [object_id] * len(layer.data)
        if layer is not None and image is not None and is_made_for(layer, image):
            self.come_back(space)

    def come_back(self, space: LayerFrames | None, *, anew: bool = False) -> None:
        """Go on with what the layer held when a stack was left, or forget that."""
        self._known = None
        if anew:
            self._left = {key: left for key, left in self._left.items() if key[0] != space}
        if self.layer is not None and space is not None and (key := self._key(space)) in self._left:
            self._known, self._owners = self._left[key]

    def read(self, space: LayerFrames, placement: Placement, *, object_id: int) -> Drawings:
        """Read what the layer holds; rows that came since the last time are about an object."""
        self._extend(object_id)
        return _READERS[self.part](self.layer, space, placement, owners=self._owners)

    def outside(
        self, space: LayerFrames, placement: Placement, known: Drawings, *, object_id: int
    ) -> Iterator[PromptKey]:
        """Say whose the rows outside a region are that whole frames, which have the known ones, have yet to take."""
        self._extend(object_id)
        rows = [_ROWS[self.part](self.layer, one, placement, self._owners) for one in (space, space.whole)]
        n_seen = Counter[PromptKey]()
        for (here, _), (there, _) in zip(*rows, strict=True):
            if there is not None:
                n_seen[there] += 1
                n_known = len(getattr(known[there], self.part)) if there in known else 0
                if here is None and n_seen[there] > n_known:
                    yield there

    def last_drawn(
        self, space: LayerFrames, placement: Placement, *, object_id: int
    ) -> tuple[PromptKey | None, DrawnPoint | DrawnShape]:
        """Read the point or shape that was added last."""
        self._extend(object_id)
        return last_row(self.layer, space, placement, owners=self._owners)

    def give_last(self, object_id: int) -> bool:
        """Give the last row to an object; False where the user's own layer says that it is another's."""
        if is_own(self.layer):
            give_last_row(self.layer, object_id)
        elif OBJECT in self.layer.features:
            return False
        self._owners[-1] = object_id
        return True

    def rows_removed(self, rows: Collection[int]) -> None:
        """Forget whose some rows were, which have been removed."""
        # napari names all rows where data were replaced by fewer.
        if len(self._owners) - len(rows) == len(self.layer.data):
            self._owners = [owner for row, owner in enumerate(self._owners) if row not in rows]

    def take_changes(
        self, now: Drawings, space: LayerFrames, drawings: Drawings, changed: dict[PromptKey, Drawing]
    ) -> None:
        """Find what has changed since the last time, and add to what has: new drawings in place of those known."""
        before = self._known
        self._know(now, space)
        for key in {**(before or {}), **now}:
            known = changed.get(key, drawings.get(key, Drawing()))
            old, new = (before or {}).get(key, Drawing()), now.get(key, Drawing())
            drawing = known.joined(new) if before is None else known.changed(old, new)
            # Where image and layer were moved together, coordinates are the same but for rounding.
            if drawing != known and not (before is not None and old.is_like(new)):
                changed[key] = drawing

    def show(self, now: Drawings, space: LayerFrames, placement: Placement, drawings: Drawings) -> None:
        """Make a layer of the widget's hold some drawings, unless something new in it is to be read first."""
        wanted = {key: part for key, drawing in drawings.items() if not (part := drawing.part(self.part)).is_empty}
        if now == self._known and not are_alike(now, wanted):
            _WRITERS[self.part](self.layer, wanted, space, placement, owners=self._owners)
            self._know(_READERS[self.part](self.layer, space, placement, owners=self._owners), space)

    def _extend(self, object_id: int) -> None:
        n_rows = len(self.layer.data)
        self._owners = [*self._owners, *[object_id] * (n_rows - len(self._owners))][:n_rows]

    def _know(self, now: Drawings, space: LayerFrames) -> None:
        self._known = now
        self._left[self._key(space)] = now, self._owners

    def _key(self, space: LayerFrames) -> tuple[LayerFrames, str]:
        return space, str(self.layer.unique_id)

"""Names of the objects, and which of them are hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .object_table import ObjectRow
from .result_layers import colour_of, hide_labels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Labels

    from .results import Results
    from .wishes import Place


class ObjectList:
    """What the user calls the objects, and which are drawn; the session knows nothing of either."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.hidden: set[int] = set()
        self._own_colormap: Any = None
        self._applied: object = None
        self._known: list[int] = []

    def name_of(self, object_id: int) -> str:
        """Name of an object."""
        return self.names.get(object_id, f"object {object_id}")

    def add(self, object_id: int) -> None:
        """Give an object a name, if it has none."""
        self.names.setdefault(object_id, self.name_of(object_id))

    def rename(self, object_id: int, name: str) -> None:
        """Give an object a name; an empty one brings back the first."""
        self.names[object_id] = name or f"object {object_id}"

    def remove(self, object_id: int) -> None:
        """Forget an object."""
        self.names.pop(object_id, None)
        self.hidden.discard(object_id)

    def clear(self) -> None:
        """Forget all objects."""
        self.names.clear()
        self.hidden.clear()
        self._own_colormap = None

    def next_id(self) -> int:
        """Return the id of the next new object."""
        return max((*self.names, *self._known), default=0) + 1

    def show(self, object_id: int, shown: bool, labels: Labels | None) -> None:
        """Draw an object in the Labels layer, or do not."""
        if shown:
            self.hidden.discard(object_id)
        else:
            self.hidden.add(object_id)
        if labels is not None:
            self.apply(labels)

    def apply(self, labels: Labels) -> None:
        """Give a Labels layer the colours it had, with hidden objects left out."""
        wanted = (labels.unique_id, frozenset(self.hidden), frozenset(self._known) if self.hidden else frozenset())
        if wanted == self._applied or (not self.hidden and self._own_colormap is None):
            return
        self._applied = wanted
        if not self.hidden:
            labels.colormap, self._own_colormap = self._own_colormap, None
            return
        if self._own_colormap is None:
            self._own_colormap = labels.colormap
        colours = {object_id: self._own_colormap.map(object_id) for object_id in self._known}
        hide_labels(labels, self.hidden, colours)

    def rows(
        self, results: Results, *, prompts: Iterable[Place], threshold: float, labels: Labels | None
    ) -> list[ObjectRow]:
        """Describe every object that was named, prompted or tracked."""
        places = set(prompts)
        self._known = sorted({*self.names, *results.object_ids, *(place.object_id for place in places)})
        rows = []
        for object_id in self._known:
            summary = results.summary(object_id, threshold)
            lowest = summary["lowest_score"]
            rows.append(
                ObjectRow(
                    object_id=object_id,
                    name=self.name_of(object_id),
                    prompts=sum(place.object_id == object_id for place in places),
                    seen=summary["frames_seen"],
                    # NaN is the one number that is not itself.
                    lowest=lowest if lowest == lowest else None,
                    shown=object_id not in self.hidden,
                    colour=colour_of(labels, object_id),
                )
            )
        return rows

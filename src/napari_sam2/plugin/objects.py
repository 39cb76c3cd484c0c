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

    def add(self, object_id: int) -> None:
        """Give an object a name, if it has none."""
        self.names.setdefault(object_id, f"object {object_id}")

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

    def next_id(self, taken: Iterable[int]) -> int:
        """Return the id of the next new object."""
        return max((*taken, *self.names), default=0) + 1

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
        if not self.hidden:
            if self._own_colormap is not None:
                labels.colormap = self._own_colormap
                self._own_colormap = None
            return
        if self._own_colormap is None:
            self._own_colormap = labels.colormap
        colours = {object_id: self._own_colormap.map(object_id) for object_id in self.names}
        hide_labels(labels, self.hidden, colours)

    def rows(
        self, results: Results, *, prompts: Iterable[Place], threshold: float, labels: Labels | None
    ) -> list[ObjectRow]:
        """Describe every object that was named, prompted or tracked."""
        places = set(prompts)
        for object_id in (*results.object_ids, *(place.object_id for place in places)):
            self.add(object_id)
        rows = []
        for object_id in sorted(self.names):
            summary = results.summary(object_id, threshold)
            lowest = summary["lowest_score"]
            rows.append(
                ObjectRow(
                    object_id=object_id,
                    name=self.names[object_id],
                    prompts=sum(place.object_id == object_id for place in places),
                    seen=summary["frames_seen"],
                    # NaN is the one number that is not itself.
                    lowest=lowest if lowest == lowest else None,
                    shown=object_id not in self.hidden,
                    colour=colour_of(labels, object_id),
                )
            )
        return rows

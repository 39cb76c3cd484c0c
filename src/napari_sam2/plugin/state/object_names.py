"""Names, visibility and colours of the objects of each image."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_sam2.plugin.layers.labels_layer import class_colours, colour_of, kin_colours, list_colours
from napari_sam2.plugin.state.object_row import ObjectRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from napari.layers import Labels

    from napari_sam2.data.prompts.drawing import PromptKey

    from .result_store import ResultStore


@dataclass
class _Objects:
    # By object id.
    names: dict[int, str] = field(default_factory=dict)
    # Names of objects that are gone, for those that undo brings back.
    former: dict[int, str] = field(default_factory=dict)
    hidden: set[int] = field(default_factory=set)
    # The Labels layer's colours from before objects were hidden or had mothers; None where it still has them.
    own_colormap: Any = None
    # The object that was selected when the image was left.
    selected: int = 1


class ObjectNames:
    """What the user calls the objects of each image, and which are drawn; the session knows nothing of either."""

    def __init__(self) -> None:
        self._images: dict[str, _Objects] = {}
        self._here = _Objects()
        # What `apply` was last called with: setting a colormap draws the whole layer anew.
        self._applied: object = None
        # All objects that `rows` has listed last, whom they were born of, and their classes.
        self._known: list[int] = []
        self._parents: Mapping[int, int] = {}
        self._classes: Mapping[int, str] = {}
        # Whether objects of one class have one colour.
        self.by_class = False

    def open(self, image: str, selected: int) -> int:
        """Turn to another image, by its unique id."""
        self._here.selected = selected
        self._here = self._images.setdefault(image, _Objects())
        self._applied = None
        return self._here.selected

    def forget_images(self, known: Collection[str]) -> None:
        """Forget images that are not there any more; ``known`` are the unique ids of those that are."""
        self._images = {image: objects for image, objects in self._images.items() if image in known}

    @property
    def names(self) -> dict[int, str]:
        """Names by object id."""
        return self._here.names

    @property
    def hidden(self) -> set[int]:
        """Objects that are not drawn."""
        return self._here.hidden

    def bring_back(self, names: Mapping[int, str], hidden: Iterable[int]) -> None:
        """Take over what another window knew of this image's objects."""
        self._here.names, self._here.hidden = dict(names), set(hidden)
        self._here.own_colormap, self._applied = None, None

    def name_of(self, object_id: int) -> str:
        """Name of an object."""
        return self.names.get(object_id) or self.default_name(object_id)

    @staticmethod
    def default_name(object_id: int) -> str:
        """Name of an object that was given none."""
        return f"object {object_id}"

    def add(self, object_id: int) -> None:
        """Give an object a name, if it has none."""
        self.names.setdefault(object_id, self.name_of(object_id))

    def rename(self, object_id: int, name: str) -> None:
        """Give an object a name; an empty one brings back the first."""
        self.names[object_id] = name or self.default_name(object_id)

    def remove(self, object_id: int) -> None:
        """Forget an object, unless undo brings it back."""
        if object_id in self.names:
            self._here.former[object_id] = self.names.pop(object_id)
        self.hidden.discard(object_id)

    def next_id(self) -> int:
        """Return the id of the next new object."""
        new = max((*self.names, *self._known), default=0) + 1
        # It is another object than one that had the number before.
        self._here.former.pop(new, None)
        return new

    def show(self, object_id: int, shown: bool, labels: Labels | None) -> None:
        """Draw an object in the Labels layer, or do not."""
        if shown:
            self.hidden.discard(object_id)
        else:
            self.hidden.add(object_id)
        if labels is not None:
            self.apply(labels)

    def apply(self, labels: Labels) -> None:
        """Give a Labels layer the colours it had, daughters some near their mother's; leave out what is hidden.

        With `by_class`, objects of one class have one colour instead.
        """
        classes = self._classes if self.by_class else {}
        is_own = not (self.hidden or self._parents or classes)
        wanted = (labels.unique_id, frozenset(self.hidden), self._parents, classes, () if is_own else self._known)
        if wanted == self._applied or (is_own and self._here.own_colormap is None):
            return
        self._applied = wanted
        if is_own:
            labels.colormap, self._here.own_colormap = self._here.own_colormap, None
            return
        if self._here.own_colormap is None:
            self._here.own_colormap = labels.colormap
        colours = {object_id: self._here.own_colormap.map(object_id) for object_id in self._known}
        colours = class_colours(colours, classes) if classes else kin_colours(colours, self._parents)
        list_colours(labels, colours, hidden=self.hidden)

    def rows(
        self, results: ResultStore, *, prompts: Iterable[PromptKey], threshold: float, labels: Labels | None
    ) -> list[ObjectRow]:
        """Describe every object that was named, prompted or tracked."""
        n_prompts = Counter(place.object_id for place in set(prompts))
        for object_id in ({*results.object_ids, *n_prompts} - {*self._known}) & self._here.former.keys():
            self.names.setdefault(object_id, self._here.former.pop(object_id))
        self._known = sorted({*self.names, *results.object_ids, *n_prompts})
        self._parents, self._classes = results.state.parents, results.state.classes
        # The table shows the colours that the layer has.
        if labels is not None:
            self.apply(labels)
        rows = []
        for object_id in self._known:
            summary = results.summary(object_id, threshold)
            lowest = summary["lowest_score"]
            rows.append(
                ObjectRow(
                    object_id=object_id,
                    name=self.name_of(object_id),
                    prompts=n_prompts[object_id],
                    seen=summary["frames_seen"],
                    # NaN is the one number that is not itself.
                    lowest=lowest if lowest == lowest else None,
                    shown=object_id not in self.hidden,
                    colour=colour_of(labels, object_id),
                    class_name=self._classes.get(object_id, ""),
                )
            )
        return rows

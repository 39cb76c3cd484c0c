"""Tracks as a graph: where each object is on each frame, and what follows what, through divisions too."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_sam2.data.formats.tables import tracks_array

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from napari_sam2.data.formats.export_data import Results


class Descent(NamedTuple):
    """Where an object stands in its family."""

    # Its mother; 0 for none.
    mother: int
    # First object of its line without divisions, and of its whole family.
    tracklet: int
    family: int
    # How many divisions lie before it.
    generation: int


@dataclass(frozen=True, eq=False)
class TrackGraph:
    """A spot for every object on every frame that shows it, in the order of objects, then frames."""

    # Object of each spot, its frame, and its centre: (y, x) or (z, y, x) in pixels.
    objects: NDArray[np.int64]
    frames: NDArray[np.int64]
    centres: NDArray[np.float64]
    # (E, 2) from spot to spot.
    edges: NDArray[np.int64]
    # By object.
    descents: Mapping[int, Descent]

    @classmethod
    def of(cls, results: Results) -> TrackGraph:
        """Make the graph of results; without a lineage every object is a family of its own."""
        rows = tracks_array(results)
        objects, frames = rows[:, :2].astype(np.int64).T
        labels = np.unique(objects)
        first = dict(zip(labels.tolist(), np.searchsorted(objects, labels).tolist(), strict=True))
        last = dict(zip(labels.tolist(), (np.searchsorted(objects, labels, side="right") - 1).tolist(), strict=True))
        descents = descents_of(first, results)
        within = [(spot, spot + 1) for label in first for spot in range(first[label], last[label])]
        born = [(last[one.mother], first[label]) for label, one in descents.items() if one.mother]
        # Labels that were painted over may show a mother once more after her daughters began.
        forward = [(mother, child) for mother, child in born if frames[mother] < frames[child]]
        edges = np.array(sorted(within + forward), np.int64).reshape(-1, 2)
        return cls(objects, frames, rows[:, 2:], edges, descents)


def descents_of(labels: Iterable[int], results: Results) -> dict[int, Descent]:
    """Find out where objects stand in their families; a mother that has no pixels counts as none."""
    tracks = {} if results.lineage is None else results.lineage.by_label
    known = set(labels)
    mothers = {label: parent for label, parent in results.parents.items() if {label, parent} <= known}
    n_children = Counter(mothers.values())
    found: dict[int, Descent] = {}
    # Mothers end before their daughters begin, so in the order of beginnings each mother comes first.
    for label in sorted(known, key=lambda one: (tracks[one].begin if one in tracks else -1, one)):
        above = found.get(mothers.get(label, 0))
        if above is None:
            found[label] = Descent(0, label, label, 0)
        else:
            # An only child goes on with the line of her mother.
            is_born = n_children[mothers[label]] > 1
            tracklet = label if is_born else above.tracklet
            found[label] = Descent(mothers[label], tracklet, above.family, above.generation + is_born)
    return {label: found[label] for label in sorted(known)}

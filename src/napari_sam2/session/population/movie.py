"""All objects of a whole movie without prompts: found on every frame, and chosen and linked jointly.

Nothing drifts where every frame is looked at anew, and a division needs no more than two daughters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from napari_sam2.data.labels.label_stack import LabelStack, label_dtype
from napari_sam2.data.labels.label_storage import LabelRuns
from napari_sam2.data.labels.lineage import Lineage, Track
from napari_sam2.data.labels.provenance import Maker, Provenance
from napari_sam2.data.labels.scores import Measures, ScoreRow, ScoreTable, measure

from .choose import Node, choose_objects
from .finder import LEAST_SCORE, FindOptions, ObjectFinder
from .late_daughters import with_late_daughters
from .proposals.candidates import Candidate
from .tracklets import Tracklet, close_gaps, lineage_of, make_tracklets, rooted, without_strays

# Frames that are decided on at a time, and frames beyond them that are looked at for it.
_STRETCH, _AHEAD = 6, 2
# Candidates that are less sure than this are not looked at: nothing comes of them even where all else fits.
_LEAST_CANDIDATE = 0.02


@dataclass(frozen=True)
class MovieOptions:
    """What is looked for in a movie."""

    # Whether objects may begin after the first frame, and whether they may divide.
    find_new: bool = True
    divisions: bool = True
    find: FindOptions = field(default_factory=lambda: FindOptions(min_score=_LEAST_CANDIDATE))


@dataclass(frozen=True, eq=False)
class TrackedMovie:
    """The objects of a movie."""

    labels: LabelStack
    scores: ScoreTable
    lineage: Lineage


class MovieTracker:
    """Finds and links the objects of all frames; `run` it to the end, then ask for the `result`.

    ``maker``: noted with every mask.
    """

    def __init__(self, finder: ObjectFinder, options: MovieOptions, maker: Maker | None = None) -> None:
        self.encoder = finder.encoder
        self._made = Provenance("found", maker)
        self._finder = finder
        self._options = options
        self._n_frames = finder.encoder.stack.n_frames
        self._size = finder.frame_size
        # What was decided so far.
        self._objects: dict[Node, Candidate] = {}
        self._next_of: dict[Node, tuple[Node, ...]] = {}

    def run(self) -> Iterator[int]:
        """Yield each frame when it has been looked at; what was found until then is kept if this is closed."""
        waiting: list[Sequence[Candidate]] = []
        first, chosen = 0, None
        for frame in range(self._n_frames):
            waiting.append(self._finder.candidates(frame, self._options.find))
            yield frame
            if len(waiting) == _STRETCH + _AHEAD + 1 and frame < self._n_frames - 1:
                chosen = self._decide(waiting, first, chosen, keep=_STRETCH + 1)
                first += _STRETCH
                waiting = waiting[_STRETCH:]
        self._decide(waiting, first, chosen, keep=len(waiting))

    def _decide(
        self, frames: Sequence[Sequence[Candidate]], first: int, chosen: Sequence[int] | None, *, keep: int
    ) -> tuple[int, ...]:
        """Decide on the first frames of those given; returns the objects of the last one decided on."""
        choice = choose_objects(frames, self._size, chosen=chosen, dividing=self._options.divisions)
        for offset, objects in enumerate(choice.objects[:keep]):
            self._objects |= {(first + offset, index): frames[offset][index] for index in objects}
        for (offset, index), children in choice.next_of.items():
            if all(after < keep for after, _ in children):
                self._next_of[first + offset, index] = tuple((first + after, child) for after, child in children)
        return choice.objects[keep - 1]

    @property
    def result(self) -> TrackedMovie:
        """What was found, as labels, scores and lineage."""
        tracklets = without_strays(
            make_tracklets(self._objects, self._next_of),
            frames=self._n_frames,
            frame_size=self._size,
            least_score=LEAST_SCORE,
        )
        if self._options.divisions:
            tracklets = with_late_daughters(tracklets, self._size)
        if not self._options.find_new:
            tracklets = rooted(tracklets, 0)
        for one in tracklets:
            close_gaps(one)
        return self._painted(list(lineage_of(tracklets)))

    def _painted(self, tracks: Sequence[tuple[Track, Tracklet]]) -> TrackedMovie:
        labels = LabelStack((self._n_frames, *self._size), label_dtype([len(tracks)]))
        scores = ScoreTable()
        for frame in range(self._n_frames):
            here = [(one.masks[frame], track.label) for track, one in tracks if frame in one.masks]
            image = np.zeros(self._size, labels.dtype)
            # The surest is painted last.
            for mask, label in sorted(here, key=lambda each: each[0].weight):
                part = image[mask.area]
                part[mask.mask[: part.shape[0], : part.shape[1]]] = label
            labels.set(frame, image)
            measured = measure(LabelRuns.of(image))
            for mask, label in here:
                row = ScoreRow(frame, label, object_score=mask.score, predicted_iou=mask.score, made=self._made)
                scores.put(row.measured(measured.get(label, Measures())))
        # What was covered all over when it was painted is left out.
        parents = {track.label: track.parent for track, _ in tracks}
        return TrackedMovie(labels, scores, Lineage.of_frames(map(labels.object_ids, range(self._n_frames)), parents))

"""Tracking of one volume of a time-lapse: objects are carried over from a neighbour in time, then tracked in z."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_sam2.data.images.stack import Stack
from napari_sam2.data.images.volume_series import VolumeSeries
from napari_sam2.data.labels.label_stack import LabelStack
from napari_sam2.data.labels.provenance import Provenance
from napari_sam2.data.labels.scores import ScoreRow, ScoreTable
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.session.session import Session

# On how many planes an object is carried to the next time point: more than one, as it may leave a plane.
CARRIED_PLANES = 3
# Probability of being visible above which a mask carried over becomes a prompt.
_THERE = 0.5


@dataclass(frozen=True)
class VolumeVisit:
    """A volume to track."""

    # Its time point.
    time: int
    # 1 when the volume before it in time was tracked earlier, -1 when the one after it was.
    step: int
    # Which objects.
    object_ids: tuple[int, ...]


class KnownVolumes(Protocol):
    """What is known of all volumes before one is tracked, as `VolumeLabels` has it."""

    @property
    def times_done(self) -> list[int]:
        """Time points of volumes with results."""

    def shows(self, time: int, object_id: int) -> bool:
        """Whether an object has pixels in a volume."""

    def volume(self, time: int) -> LabelStack:
        """Fetch the labels of a volume, (Z, Y, X)."""

    def scores_of(self, time: int) -> ScoreTable:
        """Return the scores of a volume, with planes as frames."""


def plan_visits(first: Mapping[int, int], n_times: int) -> list[VolumeVisit]:
    """Plan a run: forward for each object from its first prompted time point to the end, then backward from there."""
    visits = []
    for time in range(min(first.values()), n_times):
        visits.append(VolumeVisit(time, 1, tuple(i for i, start in first.items() if start <= time)))
    for time in range(max(first.values()) - 1, -1, -1):
        visits.append(VolumeVisit(time, -1, tuple(i for i, start in first.items() if start > time)))
    return visits


class VolumePass:
    """Tracks objects in one volume.

    ``labels``: (Z, Y, X): results of `track`, merged with earlier ones of other objects.
    """

    def __init__(
        self,
        visit: VolumeVisit,
        volumes: VolumeSeries,
        known: KnownVolumes,
        make_session: Callable[[Stack], Session],
    ) -> None:
        self._visit = visit
        self._volumes = volumes
        self._known = known
        self._make_session = make_session
        self.labels = LabelStack(volumes.shape[1:])
        self.scores = ScoreTable()

    def track(self, given: Sequence[Prompt]) -> Iterator[int]:
        """Track the objects through the volume."""
        # Objects prompted in this volume start from their prompts, all others from the nearest volume that shows them:
        # that one is not on a plane does not say where it is.
        here = [prompt for prompt in given if prompt.object_id in self._visit.object_ids]
        prompted = {prompt.object_id for prompt in here if not prompt.says_absent}
        carried: list[Prompt] = []
        for (source, plane), members in self._carried([i for i in self._visit.object_ids if i not in prompted]).items():
            carried += self._carry_plane(source, plane, members)
            yield plane
        # Then each is tracked through z, from its prompted or carried planes outward.
        session = self._make_session(self._volumes.volume(self._visit.time))
        there = {prompt.object_id for prompt in carried} | prompted
        for prompt in (*carried, *here):
            # One that is not found and is said not to be on a plane is nowhere in this volume.
            if prompt.object_id in there:
                session.add_prompt(prompt)
        if session.object_ids:
            for result in session.propagate(direction="outward"):
                yield result.frame
        # Results are merged only at the end: a volume closed half-way leaves nothing behind.
        given_here = {(prompt.frame, prompt.object_id) for prompt in here}
        for row in session.outputs.scores:
            # A mask that was carried over is a prompt here, but no person gave it.
            is_carried = row.made is not None and (row.frame, row.object_id) not in given_here
            self.scores.put(replace(row, made=self._tracked_by(session)) if is_carried else row)
        self._merge(session.labels)

    def _carried(self, object_ids: Iterable[int]) -> dict[tuple[int, int], list[int]]:
        """Group objects by the volume and plane they are carried over from: the nearest volume that shows them."""
        by_place: dict[tuple[int, int], list[int]] = {}
        for object_id in object_ids:
            source = self._last_seen(object_id)
            if source is not None:
                for plane in self._large_planes(source, object_id):
                    by_place.setdefault((source, plane), []).append(object_id)
        return by_place

    def _carry_plane(self, source: int, plane: int, object_ids: Iterable[int]) -> Iterator[Prompt]:
        # A two-frame movie of one plane: the object's mask at the earlier time prompts it, tracking finds it at this
        # time.
        session = self._make_session(self._volumes.through_time(plane, (source, self._visit.time)))
        before = self._known.volume(source)[plane]
        for object_id in object_ids:
            session.add_mask(0, object_id, before == object_id)
        for _ in session.propagate():
            pass
        for object_id in object_ids:
            row, mask = session.outputs.scores.get(1, object_id), session.outputs.mask(1, object_id)
            if row is not None and mask is not None and row.object_score > _THERE:
                yield Prompt(plane, object_id, mask=mask)
            elif row is not None:
                # Recorded, so that one can see why an object is missing; replaced where it is found from another plane.
                self.scores.put(ScoreRow(plane, object_id, row.object_score, row.predicted_iou, made=row.made))

    @staticmethod
    def _tracked_by(session: Session) -> Provenance:
        return Provenance("tracked", session.outputs.origins.maker)

    def _last_seen(self, object_id: int) -> int | None:
        time, step = self._visit.time, self._visit.step
        # Only volumes that lie behind in this direction: those ahead are about to be tracked again.
        earlier = (t for t in self._known.times_done if (t - time) * step < 0 and self._known.shows(t, object_id))
        return min(earlier, key=lambda t: abs(t - time), default=None)

    def _large_planes(self, time: int, object_id: int) -> list[int]:
        """Planes that divide an object's pixels in a volume into equal shares, in rising order."""
        labels = self._known.volume(time)
        # Quantiles of the object's pixels over the planes.
        areas = np.array([np.count_nonzero(labels[plane] == object_id) for plane in range(len(labels))])
        shares = (np.arange(CARRIED_PLANES) + 1) / (CARRIED_PLANES + 1)
        planes: NDArray[np.intp] = np.searchsorted(areas.cumsum(), shares * areas.sum())
        return sorted({int(plane) for plane in planes})

    def _merge(self, tracked: LabelStack) -> None:
        """Add earlier results of objects that were not tracked here: they keep their pixels."""
        time = self._visit.time
        earlier = self._known.volume(time)
        self.labels.widen(np.promote_types(tracked.dtype, earlier.dtype))
        for plane in range(len(tracked)):
            image, kept = tracked[plane].astype(self.labels.dtype), earlier[plane]
            # Earlier results win over what was tracked now.
            image[kept > 0] = kept[kept > 0]
            if image.any():
                self.labels.set(plane, image)
        for row in self._known.scores_of(time):
            self.scores.put(row)

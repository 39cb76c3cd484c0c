"""Tracking of a session whose frames are all planes of volumes over time: through each, and from one to the next."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np

from napari_sam2.data.images.stack import Stack
from napari_sam2.data.images.volume_series import VolumeSeries
from napari_sam2.data.labels.label_stack import LabelStack
from napari_sam2.data.labels.scores import ScoreTable
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.session.session import Session

from .volume_pass import VolumePass, VolumeVisit, plan_visits
from .volume_session import VolumeStep


class SessionVolumes:
    """The volumes of a session over `VolumeSeries.planes`, which keeps their prompts and results.

    A `VolumePass` is told here what is known of other volumes: of objects that wait to be tracked again, nothing.
    """

    def __init__(self, session: Session) -> None:
        stack = session.stack
        if stack.n_planes is None:
            raise ValueError("the frames of this session are not the planes of volumes over time")
        self._session = session
        self.n_planes = stack.n_planes
        self._series = VolumeSeries(stack, stack.n_frames // stack.n_planes)
        # By time point, the objects that wait to be tracked there.
        self._due: dict[int, set[int]] = {}

    # The run

    def plan(self, *, only_stale: bool = False) -> list[VolumeVisit]:
        """Plan a run over all volumes, or over those on which something is out of date."""
        first: dict[int, int] = {}
        for object_id in self._session.object_ids:
            mine = [prompt for prompt in self._session.prompts if prompt.object_id == object_id]
            if not mine:
                raise ValueError(f"object {object_id} has no prompts: add one, or remove the object")
            # Where it is said not to be is no place to begin.
            begin = [prompt for prompt in mine if not prompt.says_absent] or mine
            first[object_id] = min(prompt.frame for prompt in begin) // self.n_planes
        if not first:
            raise ValueError("there is nothing to track: no object has a prompt yet")
        stale = {i: {*(frames // self.n_planes).tolist()} for i, frames in self._session.stale_frames().items()}
        spans = self._session.spans
        visits = []
        for visit in plan_visits(first, self._series.n_times):
            ids = [i for i in visit.object_ids if visit.time * self.n_planes in spans[i]]
            ids = [i for i in ids if not only_stale or visit.time in stale.get(i, ())]
            if ids:
                visits.append(replace(visit, object_ids=tuple(ids)))
        return visits

    def track(self, visits: Sequence[VolumeVisit]) -> Generator[VolumeStep, None, None]:
        """Track objects through volumes: a step per plane, and one more when its volume is in the session.

        It can be closed at any step; volumes that were finished by then are kept.
        """
        self._due = {}
        for visit in visits:
            self._due.setdefault(visit.time, set()).update(visit.object_ids)
        for done, visit in enumerate(visits):
            volume = VolumePass(visit, self._series, self, self._inner)
            # What was said meanwhile counts.
            for plane in volume.track(self._given(visit.time)):
                yield VolumeStep(visit.time, plane, done, len(visits))
            self._take(visit, volume)
            yield VolumeStep(visit.time, self.n_planes - 1, done + 1, len(visits))

    def _given(self, time: int) -> list[Prompt]:
        """Prompts on a volume, its planes as frames; what a person has accepted counts as one."""
        session, found = self._session, dict[tuple[int, int], Prompt]()
        for object_id, frames in session.accepted.items():
            for frame in frames:
                found[frame, object_id] = Prompt(frame, object_id, mask=session.labels[frame] == object_id)
        for prompt in session.prompts:
            # As it was answered: a click may have corrected a mask that a run had brought there.
            drawn = session.outputs.mask(prompt.frame, prompt.object_id)
            known = prompt if drawn is None else Prompt(prompt.frame, prompt.object_id, mask=drawn)
            found[prompt.frame, prompt.object_id] = known
        here = [prompt for prompt in found.values() if prompt.frame // self.n_planes == time]
        return [replace(prompt, frame=prompt.frame % self.n_planes) for prompt in here]

    def _take(self, visit: VolumeVisit, volume: VolumePass) -> None:
        for plane in range(self.n_planes):
            frame = visit.time * self.n_planes + plane
            rows = [row.moved(frame) for row in volume.scores.on_frame(plane)]
            self._session.take_tracked(frame, volume.labels[plane], rows, visit.object_ids, step=visit.step)
        self._due[visit.time] -= {*visit.object_ids}
        self._session.keep_tracked()

    def _inner(self, stack: Stack) -> Session:
        session, window = self._session, self._session.encoder.window
        return Session(
            session.model,
            stack,
            contrast_limits=None if window is None else (window.low, window.high),
            fill_hole_area=session.fill_hole_area,
            zoom=session.zoom,
            memory=session.memory,
        )

    # What is known of volumes

    @property
    def times_done(self) -> list[int]:
        """Time points of volumes with results."""
        return sorted({frame // self.n_planes for frame in self._session.labels.frames_done})

    def shows(self, time: int, object_id: int) -> bool:
        """Whether an object has pixels in a volume."""
        labels = self._session.labels
        drawn = any(object_id in labels.object_ids(frame) for frame in self._frames(time))
        return drawn and object_id not in self._due.get(time, ())

    def volume(self, time: int) -> LabelStack:
        """Fetch the labels of a volume, (Z, Y, X)."""
        labels, waiting = self._session.labels, [*self._due.get(time, ())]
        volume = LabelStack(self._series.shape[1:], labels.dtype)
        for plane, frame in enumerate(self._frames(time)):
            if labels.is_set(frame):
                image = labels[frame]
                image[np.isin(image, waiting)] = 0
                volume.set(plane, image)
        return volume

    def scores_of(self, time: int) -> ScoreTable:
        """Return the scores of a volume, with planes as frames."""
        waiting = self._due.get(time, set())
        rows = (row for frame in self._frames(time) for row in self._session.outputs.scores.on_frame(frame))
        return ScoreTable(row.moved(row.frame % self.n_planes) for row in rows if row.object_id not in waiting)

    def _frames(self, time: int) -> range:
        return range(time * self.n_planes, (time + 1) * self.n_planes)

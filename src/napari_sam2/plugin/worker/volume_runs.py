"""Runs through volumes over time. Runs on the worker's thread only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_sam2.session.session import Session
    from napari_sam2.session.volumes.volume_pass import VolumeVisit

    from .run_step import RunStep

_NAMES = {"update": "Update"}


class VolumeRuns:
    """Tracks the objects of a session through its volumes, with edits and previews in between."""

    def __init__(self, session: Session, step: RunStep) -> None:
        self._session = session
        self._step = step
        # Volumes of the last run, and how many of them are behind, for it to go on from there.
        self._visits: Sequence[VolumeVisit] = ()
        self._done = 0

    def track(self, kind: str) -> Iterator[tuple[int, int, int]]:
        """Track through all volumes, those that are out of date, or those that are left of a run: ``"resume"``.

        Yields a frame to draw again, and how many planes are tracked, of how many.
        """
        from napari_sam2.session.volumes.session_volumes import SessionVolumes

        volumes = SessionVolumes(self._session)
        if kind != "resume":
            self._visits, self._done = volumes.plan(only_stale=kind == "update"), 0
        n_planes, before, name = volumes.n_planes, self._done, _NAMES.get(kind, "Track through time and depth")
        total = len(self._visits) * n_planes
        steps = volumes.track(self._visits[before:])
        in_volume = 0
        try:
            while True:
                # Whatever an edit made while the run rested is a step of its own.
                self._step.open(name)
                step = next(steps, None)
                if step is None:
                    return
                first = step.time * n_planes
                if before + step.done == self._done:
                    # A plane may be looked at several times; the volume counts when it is in the session.
                    in_volume = min(in_volume + 1, n_planes - 1)
                    yield first + step.plane, self._done * n_planes + in_volume, total
                    continue
                self._done, in_volume = before + step.done, 0
                for frame in range(first, first + n_planes):
                    yield frame, self._done * n_planes, total
        finally:
            steps.close()
            self._step.end()

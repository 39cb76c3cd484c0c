"""The methods of a session by which a person calls masks right: from then on nothing but a person changes them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from napari_sam2.data.images.frame_index import check_frame
from napari_sam2.data.images.stack import Stack
from napari_sam2.data.labels.label_stack import label_dtype
from napari_sam2.data.labels.provenance import Provenance
from napari_sam2.data.labels.scores import ScoreRow
from napari_sam2.session.results.object_set import SessionObjects

from .steps.step_methods import StepMethods


class Accepting(StepMethods):
    """Accepted masks are locked: runs go round them, and attend to them as to mask prompts."""

    stack: Stack
    _objects: SessionObjects

    @property
    def accepted(self) -> dict[int, tuple[int, ...]]:
        """By object, the frames on which it was accepted, rising."""
        found = {i: tuple(sorted(track.accepted)) for i, track in self._objects.tracks.items()}
        return {object_id: frames for object_id, frames in found.items() if frames}

    def accept(
        self,
        frame: int | Iterable[int],
        object_ids: Iterable[int] | None = None,
        *,
        shown: Mapping[int, ArrayLike] | None = None,
    ) -> int:
        """Call masks right: no run, other model or overlap changes them any more; a new prompt there does.

        Tracking goes round them and attends to the nearest ones as to mask prompts. What was tracked stays up to date.

        Parameters
        ----------
        frame : int or iterable of int
            Where, on one frame or several; those without a result are left out.
        object_ids : iterable of int, optional
            Which objects; all with a result there where not given.
        shown : mapping, optional
            By frame, (Y, X) labels to accept in place of those there are.

        Returns
        -------
        int
            The number of frames with something to accept.

        Raises
        ------
        ValueError
            If a frame or object is not there, or none of the frames has a result; nothing is changed then.
        """
        places = self._places(frame, object_ids, accepted=False)
        known = {i for rows in self._places(frame, object_ids).values() for i in rows}
        if not known:
            raise ValueError("there is no result to accept: track first")
        with self.step(_named("Accept", places)):
            self._recorder.note(sorted(known))
            for t, ids in places.items():
                image = None if shown is None or t not in shown else np.asarray(shown[t])
                self._objects.outputs.accept(t, ids, shown=image)
                for object_id in ids:
                    # Right is right, whatever it was tracked from.
                    self._objects.tracks[object_id].stale.pop(t, None)
                    self._objects.tracks[object_id].fills.pop(t, None)
        return len(places)

    def take_accepted(
        self,
        frame: int,
        labels: ArrayLike,
        scores: Mapping[int, tuple[float, float]],
        *,
        made: Mapping[int, Provenance] | None = None,
    ) -> None:
        """Take over what was accepted in a session that is gone.

        Parameters
        ----------
        frame : int
            Where.
        labels : array-like
            (Y, X) the masks.
        scores : mapping
            Of the objects accepted there, the object score and predicted IoU; those that are not there are left out.
        made : mapping, optional
            How their masks came about, as far as that is known.
        """
        frame = check_frame(frame, self.stack.n_frames)
        ids = [object_id for object_id in scores if object_id in self._objects.tracks]
        with self.step("Take over accepted"):
            self._recorder.note(ids)
            outputs = self._objects.outputs
            outputs.labels.widen(label_dtype(ids))
            outputs.put_rows([ScoreRow(frame, object_id, *scores[object_id]) for object_id in ids])
            outputs.accept(frame, ids, shown=np.asarray(labels))
            rows = [row for row in outputs.scores.on_frame(frame) if row.object_id in ids]
            outputs.put_rows([replace(row, made=(made or {}).get(row.object_id)) for row in rows])

    def release(self, frame: int | Iterable[int], object_ids: Iterable[int] | None = None) -> int:
        """Take an acceptance back; the masks stay until they are tracked again.

        Parameters
        ----------
        frame, object_ids
            As for `accept`.

        Returns
        -------
        int
            The number of frames with something to release.
        """
        places = self._places(frame, object_ids, accepted=True)
        with self.step(_named("Release", places)):
            self._recorder.note(sorted({i for ids in places.values() for i in ids}))
            for t, ids in places.items():
                for object_id in ids:
                    self._unlock(t, object_id)
        return len(places)

    def _unlock(self, frame: int, object_id: int) -> None:
        """Let an object's mask on a frame be changed again; inside a step, after `note`."""
        track = self._objects.tracks[object_id]
        if frame not in track.accepted:
            return
        self._objects.outputs.accept(frame, [object_id], accepted=False)
        # Only a prompt makes a frame one that others attend to for good.
        if frame not in track.prompts:
            track.bank.conditioning.pop(frame, None)
            track.staged.pop(frame, None)

    def _places(
        self, frames: int | Iterable[int], object_ids: Iterable[int] | None, *, accepted: bool | None = None
    ) -> dict[int, list[int]]:
        """By frame, the objects with a result there, accepted or not, or in either case."""
        wanted = None if object_ids is None else {self._objects.known(i).object_id for i in object_ids}
        asked = [frames] if isinstance(frames, int | np.integer) else frames
        places = {}
        for frame in sorted({check_frame(frame, self.stack.n_frames) for frame in asked}):
            rows = self._objects.outputs.scores.on_frame(frame)
            rows = tuple(row for row in rows if row.object_id in self._objects.tracks)
            ids = [r.object_id for r in rows if accepted is None or r.accepted == accepted]
            if found := [i for i in ids if wanted is None or i in wanted]:
                places[frame] = found
        return places


def _named(action: str, places: Collection[int]) -> str:
    """The name of a step, as "Accept frame 3" or "Accept 12 frames"."""
    return f"{action} frame {min(places)}" if len(places) == 1 else f"{action} {len(places)} frames"

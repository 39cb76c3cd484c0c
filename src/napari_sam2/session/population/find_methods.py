"""The methods of a session that find objects without prompts, and take what was found."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Generator, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import label

from napari_sam2.data.images.frame_index import check_frame
from napari_sam2.data.images.pixels.contrast import to_rgb8
from napari_sam2.data.labels.scores import Measures
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.generators import each, finish
from napari_sam2.session.prompt_methods import Prompting
from napari_sam2.session.results.frame_result import FrameResult
from napari_sam2.session.results.object_set import SessionObjects
from napari_sam2.session.results.outputs import SessionOutputs
from napari_sam2.session.steps.step_methods import StepMethods

from .finder import LEAST_SCORE, FindOptions, ObjectFinder
from .found_objects import FoundObject, FoundObjects, paint_objects
from .newcomers import EVERY, birth_frame, newcomers, passing
from .proposals.candidates import of_score
from .proposed_divisions import DivisionProposal, drawn_objects, propose_divisions
from .text.text_detector import LEAST_TEXT_SCORE, TextDetector


class Finding(Prompting, StepMethods):
    """Finds objects."""

    _objects: SessionObjects
    _finder: ObjectFinder

    @property
    @abstractmethod
    def outputs(self) -> SessionOutputs:
        """Labels and scores."""

    @property
    @abstractmethod
    def object_ids(self) -> tuple[int, ...]:
        """Labels of the objects."""

    @abstractmethod
    def propagate(
        self,
        start: int | None = None,
        direction: str = "forward",
        max_frames: int | None = None,
        object_ids: Iterable[int] | None = None,
        *,
        within: tuple[int, int] | None = None,
    ) -> Iterator[FrameResult]:
        """Track objects over frames."""

    @abstractmethod
    def mask_of_box(self, frame: int, box: ArrayLike) -> tuple[tuple[slice, slice], NDArray[np.bool_]] | None:
        """Answer a box, and change nothing."""

    @property
    @abstractmethod
    def parents(self) -> dict[int, int]:
        """The object that each was born of."""

    @abstractmethod
    def divide(self, frame: int, mother: int, daughters: Iterable[int]) -> tuple[int, ...]:
        """Say that an object divides."""

    @abstractmethod
    def split(self, object_id: int, frame: int, parts: Sequence[ArrayLike]) -> tuple[int, ...]:
        """Make several objects of one."""

    @abstractmethod
    def merge(self, keep: int, other: int) -> None:
        """Make two objects one."""

    @abstractmethod
    def remove_object(self, object_id: int) -> None:
        """Remove an object."""

    def find_objects(
        self,
        frame: int,
        *,
        like: int | None = None,
        min_area: float | None = None,
        max_area: float | None = None,
        region: Sequence[float] | None = None,
        min_score: float = LEAST_SCORE,
    ) -> FoundObjects:
        """Find the objects of a frame without a prompt; nothing is added yet.

        Parameters
        ----------
        frame : int
            Index of the frame.
        like : int, optional
            An object of the session as an example: only objects of about its size and looks are found.
        min_area, max_area : float, optional
            Least and greatest area in pixels.
        region : sequence of float, optional
            (y0, x0, y1, x1) in pixels: only objects whose middle is inside are found.
        min_score : float
            Less sure objects are left out, 0 to 1.

        Returns
        -------
        FoundObjects
            A sequence of objects that do not overlap, each with a mask, a score and a box, the surest first.

        Raises
        ------
        ValueError
            If an argument is out of range, or the example is no object of the session or has no mask.
        """
        looking = self.finding_objects(
            frame, like=like, min_area=min_area, max_area=max_area, region=region, min_score=min_score
        )
        return finish(looking)

    def finding_objects(
        self,
        frame: int,
        *,
        like: int | None = None,
        min_area: float | None = None,
        max_area: float | None = None,
        region: Sequence[float] | None = None,
        min_score: float = LEAST_SCORE,
    ) -> Generator[float, None, FoundObjects]:
        """Find objects as `find_objects` does, in steps: yields the share that is done, and can be closed."""
        frame = check_frame(frame, self.stack.n_frames)
        box = None if region is None else (*map(float, region),)
        if box is not None and len(box) != 4:
            raise ValueError(f"region is four numbers (y0, x0, y1, x1), got {region}")
        least, greatest = min_area or 0.0, float("inf") if max_area is None else max_area
        options = FindOptions(min_area=least, max_area=greatest, min_score=min_score, region=box)
        example = None if like is None else self._example(like, frame)
        return (yield from self._finder.finding(frame, options, like=example))

    def find_by_text(
        self, frame: int, text: str, detector: TextDetector, *, min_score: float = LEAST_TEXT_SCORE
    ) -> FoundObjects:
        """Find the objects of a frame that a text names; nothing is added yet.

        Parameters
        ----------
        frame : int
            Index of the frame.
        text : str
            Such as "nucleus"; commas between several.
        detector : TextDetector
            Finds boxes, each of which is answered with a mask: `load_detector`.
        min_score : float
            What the detector is less sure of is left out, 0 to 1.

        Returns
        -------
        FoundObjects
            As from `find_objects`, with the detector's scores.

        Raises
        ------
        ValueError
            If the frame is out of range or the text has no words.
        """
        return finish(self.finding_by_text(frame, text, detector, min_score=min_score))

    def finding_by_text(
        self, frame: int, text: str, detector: TextDetector, *, min_score: float = LEAST_TEXT_SCORE
    ) -> Generator[float, None, FoundObjects]:
        """Find objects as `find_by_text` does, in steps: yields the share that is done, and can be closed."""
        frame = check_frame(frame, self.stack.n_frames)
        yield 0.0
        boxes = detector.find(to_rgb8(self.stack.read(frame), self._finder.encoder.window), text, min_score)
        made = []
        for number, one in enumerate(boxes, 1):
            answer = self.mask_of_box(frame, one.box)
            if answer is not None and answer[1].any():
                made.append(of_score(*answer, one.score))
            yield number / len(boxes)
        return paint_objects(frame, made, (self.stack.height, self.stack.width))

    def add_objects(self, frame: int, proposals: Iterable[FoundObject]) -> tuple[int, ...]:
        """Add what `find_objects` found as new objects, each prompted by its mask; all are one step of undo.

        Parameters
        ----------
        frame : int
            Index of the frame.
        proposals : iterable of FoundObject
            All that was found, or a part of it, chosen by hand or with `take` or `above`.

        Returns
        -------
        tuple of int
            The labels that the objects have got, in their order.
        """
        first, taken = max(self.object_ids, default=0) + 1, list(proposals)
        ids = tuple(range(first, first + len(taken)))
        with self.step(f"{len(taken)} found objects" if len(taken) != 1 else "A found object"):
            for object_id, one in zip(ids, taken, strict=True):
                self.add_prompt(Prompt(frame, object_id, mask=one.mask, is_found=True))
        return ids

    def propagate_finding(self, start: int = 0, *, every: int = EVERY) -> Iterator[FrameResult]:
        """Track forward, and look every few frames for objects that no track covers: these are added and tracked, too.

        A newcomer that is not seen on half of the frames until the next look is removed again. One that lies beside an
        object which has lost about half of its area meanwhile is its daughter: the object divides (`divide`), and the
        newcomer is tracked back to that frame.

        Parameters
        ----------
        start : int
            First frame. Without any object, those found on it are tracked.
        every : int
            Frames from one look to the next.

        Returns
        -------
        iterator of FrameResult
            A result per frame. It can be closed at any frame.

        Raises
        ------
        ValueError
            If `start` is out of range or `every` is less than 1.
        """
        if every < 1:
            raise ValueError(f"every is a number of frames, 1 or more, got {every}")
        steps = self.tracking_and_finding(check_frame(start, self.stack.n_frames), every)
        return (step for step in steps if isinstance(step, FrameResult))

    def tracking_and_finding(
        self, start: int, every: int = EVERY, *, is_looked_at: bool = False, dividing: bool = True
    ) -> Iterator[FrameResult | int]:
        """Do as `propagate_finding` does; also yields each frame that is being looked at or has changed beside it.

        ``is_looked_at``: nothing more is looked for on the first frame. ``dividing``: whether newcomers get mothers;
        without, `propose_divisions` knows of them afterwards.
        """
        last = self.stack.n_frames - 1
        fresh: tuple[int, ...] = ()
        if not is_looked_at:
            fresh = yield from self._adding_newcomers(start)
        for first in range(start, max(last, start + 1), every):
            stop = min(first + every, last)
            if self.object_ids:
                # The first frame of a stretch was the last one of the stretch before.
                for result in self.propagate(start=first, within=(first, stop)):
                    if result.frame > first or first == start:
                        yield result
            labels, ahead = self.outputs.labels, range(first + 1, stop + 1)
            seen = {i: sum(i in labels.object_ids(t) for t in ahead) for i in fresh}
            if gone := passing(seen, len(ahead)):
                for object_id in gone:
                    self._take_back(object_id)
                # One that passes may have been a daughter since the look before.
                yield from range(max(first - every, start), stop + 1)
            if stop < last:
                fresh = yield from self._adding_newcomers(stop)
                if dividing and self._relate(fresh, first, stop):
                    yield from (first, *ahead)

    def _adding_newcomers(self, frame: int) -> Generator[int, None, tuple[int, ...]]:
        found = yield from each(self.finding_objects(frame), lambda _: frame)
        added = self.add_objects(frame, newcomers(found, self.outputs.labels[frame]))
        yield frame
        return added

    def _relate(self, fresh: Sequence[int], first: int, stop: int) -> bool:
        """Find mothers for newcomers of a frame among the objects tracked since the last look; say if there are any."""
        earlier = len(self.parents)
        measured = {i: self._measures(i, range(first, stop + 1)) for i in self.object_ids}
        mothers = [i for i in self.object_ids if i not in fresh]
        for newcomer in fresh:
            here = measured[newcomer].get(stop, Measures())
            births = {i: birth_frame(measured[i], here) for i in mothers}
            near = [(_distance(measured[i][stop], here), i, frame) for i, frame in births.items() if frame is not None]
            if near:
                _, mother, frame = min(near)
                mothers.remove(mother)
                self.take_division(DivisionProposal(frame, mother, (mother, newcomer)))
        return len(self.parents) > earlier

    def propose_divisions(self) -> list[DivisionProposal]:
        """Find divisions that what is drawn suggests and nobody has said, the earliest first."""
        found = propose_divisions(drawn_objects(self.outputs.labels, self.outputs.scores), self.parents)
        refused = self.refused_divisions
        return [one for one in found if one.daughters not in refused.get(one.mother, ())]

    @property
    def refused_divisions(self) -> dict[int, frozenset[tuple[int, ...]]]:
        """By object, the daughters of divisions that a person said no to."""
        return {object_id: track.refused for object_id, track in self._objects.tracks.items() if track.refused}

    def refuse_division(self, division: DivisionProposal) -> None:
        """Say that an object does not divide as `propose_divisions` says: it is not proposed again, on any frame.

        Parameters
        ----------
        division : DivisionProposal
            What was proposed.

        Raises
        ------
        ValueError
            If one of its objects is not there any more.
        """
        track = self._objects.known(division.mother)
        for daughter in division.daughters:
            self._objects.known(daughter)
        if division.daughters in track.refused:
            return
        with self.step(f"Object {division.mother} does not divide"):
            self._recorder.note([division.mother])
            track.refused |= {division.daughters}

    def take_division(self, division: DivisionProposal) -> tuple[int, ...]:
        """Divide an object as `propose_divisions` says; a daughter who was found later is tracked back to her birth.

        Parameters
        ----------
        division : DivisionProposal
            What is proposed.

        Returns
        -------
        tuple of int
            The daughters.

        Raises
        ------
        ValueError
            If the session has changed so that the objects cannot divide so any more.
        """
        frame, mother, daughters = division.frame, division.mother, division.daughters
        with self.step(f"Divide object {mother}"):
            if division.is_in_pieces:
                pieces, count = label(self.outputs.mask(frame, mother), np.ones((3, 3), bool))
                sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
                largest = (1 + np.argsort(-sizes, kind="stable"))[:2]
                daughters = self.split(mother, frame, [pieces == piece for piece in largest])
            born = self.divide(frame, mother, daughters)
            for daughter in born:
                first = min(self.outputs.frames_of(daughter), default=frame)
                if first > frame:
                    for _ in self.propagate(first, "backward", object_ids=[daughter], within=(frame, first)):
                        pass
        return born

    def _take_back(self, object_id: int) -> None:
        """Remove a newcomer that passed; where it was a daughter, her sister goes on as the mother."""
        mother = self.parents.get(object_id)
        self.remove_object(object_id)
        sisters = [child for child, parent in self.parents.items() if parent == mother]
        if mother is not None and len(sisters) == 1:
            self.merge(mother, sisters[0])

    def _measures(self, object_id: int, frames: Iterable[int]) -> dict[int, Measures]:
        rows = {frame: self.outputs.scores.get(frame, object_id) for frame in frames}
        return {t: Measures(row.area, row.centroid, row.bbox) for t, row in rows.items() if row is not None}

    def _example(self, object_id: int, frame: int) -> tuple[int, np.ndarray]:
        # The nearest frame on which it is drawn.
        labels = self.outputs.labels
        drawn = [t for t in labels.frames_done if object_id in labels.object_ids(t)]
        if not drawn:
            raise ValueError(f"object {object_id} has no mask on any frame: it cannot be an example")
        nearest = min(drawn, key=lambda t: abs(t - frame))
        return nearest, labels[nearest] == object_id


def _distance(one: Measures, other: Measures) -> float:
    return math.dist(one.centroid or (), other.centroid or ())

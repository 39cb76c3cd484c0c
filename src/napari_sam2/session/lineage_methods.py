"""The methods of a session about when objects begin and end, and who came from whom; each is a step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import astuple, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sam2.data.images.frame_index import check_frame
from napari_sam2.data.labels.lineage import LifeSpan, Lineage
from napari_sam2.data.prompts.lineage_files import read_lineage_file
from napari_sam2.data.prompts.prompt import check_mask, check_object_id
from napari_sam2.data.prompts.prompt_files import read_prompt_file
from napari_sam2.session.results.object_set import SessionObjects
from napari_sam2.session.tracking.object_track import ObjectTrack

from .prompt_methods import Prompting
from .steps.step_methods import StepMethods
from .track_edits import Piece, Recipe, TrackEditor

if TYPE_CHECKING:
    import os

    import pandas as pd


class LineageMethods(Prompting, StepMethods):
    """Edits of whole tracks. What was tracked stays, and goes to where it belongs."""

    _objects: SessionObjects
    _editor: TrackEditor

    @property
    def lineage(self) -> pd.DataFrame:
        """Table with a row per object: ``object``, ``begin``, ``end`` and ``parent``, missing where nobody said."""
        # pandas takes a second to import, and few need it.
        import pandas as pd

        rows = [(object_id, *astuple(span)) for object_id, span in self.spans.items()]
        return pd.DataFrame(rows, columns=["object", "begin", "end", "parent"]).astype("Int64")

    @property
    def parents(self) -> dict[int, int]:
        """The object that each was born of, of those of which that is known."""
        return {object_id: span.parent for object_id, span in self.spans.items() if span.parent is not None}

    @property
    def spans(self) -> dict[int, LifeSpan]:
        """By object, its begin, end and parent."""
        return {object_id: track.span for object_id, track in self._objects.tracks.items()}

    def take_spans(self, spans: Mapping[int, LifeSpan]) -> None:
        """Take the begins, ends and parents that objects have elsewhere; those of unknown objects are passed over."""
        tracks = self._objects.tracks
        known = {i: span for i, span in spans.items() if i in tracks}
        if known:
            with self.step("Take lineage"):
                self._recorder.note(known)
                for object_id, span in known.items():
                    tracks[object_id].span = span if span.parent in tracks else replace(span, parent=None)

    def take_tracks(self, path: str | os.PathLike[str]) -> tuple[int, ...]:
        """Add the objects of a file of tracks, each prompted wherever it is, with their lineage; all are one step.

        Parameters
        ----------
        path : path-like
            A folder of the Cell Tracking Challenge, a GEFF, or TrackMate's XML. Other files of prompts have no lineage.

        Returns
        -------
        tuple of int
            The objects. Where the session has some already, these get numbers above them.

        Raises
        ------
        ValueError
            If the file cannot be read, or is about another image.
        """
        prompts, spans = read_prompt_file(path, lambda: nullcontext(self.stack)), read_lineage_file(path)
        above = max(self._objects.tracks, default=0)
        with self.step("Take tracks"):
            for prompt in prompts:
                self.add_prompt(replace(prompt, object_id=prompt.object_id + above))
            mothers = {i: None if one.parent is None else one.parent + above for i, one in spans.items()}
            self.take_spans({i + above: replace(one, parent=mothers[i]) for i, one in spans.items()})
        return tuple(sorted({prompt.object_id + above for prompt in prompts}))

    @property
    def drawn_lineage(self) -> Lineage:
        """The first and last frame on which each object is drawn, and its parent, as exports take it."""
        labels = self._objects.outputs.labels
        return Lineage.of_frames(map(labels.object_ids, range(self.stack.n_frames)), self.parents)

    def end(self, object_id: int, frame: int | None) -> None:
        """Say which frame is an object's last: what is known of later ones is removed, and they are not tracked.

        Parameters
        ----------
        object_id : int
            The object.
        frame : int or None
            Its last frame. None opens the end again, for tracking to go on.

        Raises
        ------
        ValueError
            If there is no such object or frame, the object is not there by then, or it has daughters before.
        """
        track = self._known(object_id)
        last = None if frame is None else check_frame(frame, self.stack.n_frames)
        object_id, first = track.object_id, self._editor.first_frame(track.object_id)
        if last is not None and last < first:
            raise ValueError(f"object {object_id} begins on frame {first}: it cannot end on frame {last}")
        born = min((self._span(child).begin or 0 for child in self._children(object_id)), default=None)
        if born is not None and (last is None or last >= born):
            raise ValueError(f"object {object_id} has daughters from frame {born} on: it ends before that")
        with self.step(f"End object {object_id}" if last is not None else f"Object {object_id} goes on"):
            frames = self._frames(0, None if last is None else last + 1)
            self._edit({object_id: Recipe((Piece(object_id, frames),), replace(track.span, end=last))})

    def divide(self, frame: int, mother: int, daughters: Iterable[int]) -> tuple[int, ...]:
        """Say that an object divides: it ends on the frame before, and its daughters begin.

        Parameters
        ----------
        frame : int
            The first frame that shows the daughters.
        mother : int
            The object that divides.
        daughters : iterable of int
            The objects that are born. What is known of them before the frame is removed. The mother herself may be
            among them: what follows of her becomes a new object.

        Returns
        -------
        tuple of int
            The daughters, with the new one in the mother's place.

        Raises
        ------
        ValueError
            If there is no such object or frame, a daughter is named twice, is prompted before the frame or is the
            mother's ancestor, or the mother is not there on the frame before.
        """
        frame, track = check_frame(frame, self.stack.n_frames), self._known(mother)
        born = tuple(self._known(daughter).object_id for daughter in daughters)
        self._check_division(frame, track, born)
        mother = track.object_id
        names = tuple(self._new_id() if daughter == mother else daughter for daughter in born)
        recipes = {mother: Recipe((Piece(mother, self._frames(0, frame)),), replace(track.span, end=frame - 1))}
        for daughter, name in zip(born, names, strict=True):
            span = LifeSpan(frame, self._span(daughter).end, mother)
            recipes[name] = Recipe((Piece(daughter, self._frames(frame)),), span)
        with self.step(f"Divide object {mother}"):
            # Granddaughters go with the part of the mother that lives on.
            self._edit(recipes, heirs={mother: names[born.index(mother)]} if mother in born else {})
        return names

    def merge(self, keep: int, other: int) -> None:
        """Make two objects one: pieces of one track, or two that are one on the same frames.

        Where both are drawn, what they cover together is given as a prompt, and frames after it are out of date.

        Parameters
        ----------
        keep : int
            The object whose label stays.
        other : int
            The one that becomes a part of it.

        Raises
        ------
        ValueError
            If there is no such object, or both are the same.
        """
        one, two = self._two(keep, other)
        # The lines of what comes first and what comes last go on.
        early = min(one, two, key=lambda track: self._editor.first_frame(track.object_id))
        ends = [track.span.end for track in (one, two)]
        end = None if None in ends else max(end for end in ends if end is not None)
        keep, other = one.object_id, two.object_id
        parent = early.span.parent if early.span.parent not in (keep, other) else None
        span = LifeSpan(early.span.begin, end, parent)
        pieces = Piece(keep, self._frames()), Piece(other, self._frames())
        with self.step(f"Merge objects {keep} and {other}"):
            self._edit({keep: Recipe(pieces, span)}, without=(other,), heirs={other: keep})

    def swap(self, a: int, b: int, frame: int) -> None:
        """Exchange two objects from a frame on: where tracking took one for the other.

        Parameters
        ----------
        a, b : int
            The objects.
        frame : int
            The first frame on which they are exchanged.

        Raises
        ------
        ValueError
            If there is no such object or frame, both are the same, or one of them begins later or has ended.
        """
        one, two = self._two(a, b)
        frame = check_frame(frame, self.stack.n_frames)
        for track in (one, two):
            track.span.check(track.object_id, frame)
        a, b = one.object_id, two.object_id
        late = [i for i in (a, b) if self._editor.first_frame(i) >= frame and self._span(i).begin is None]
        if late:
            raise ValueError(f"object {late[0]} is nowhere before frame {frame}: nothing would be left of it there")
        before, after = self._frames(0, frame), self._frames(frame)
        recipes = {
            i: Recipe((Piece(i, before), Piece(j, after)), replace(self._span(i), end=self._span(j).end))
            for i, j in ((a, b), (b, a))
        }
        with self.step(f"Swap objects {a} and {b}"):
            self._edit(recipes, heirs={a: b, b: a})

    def split(self, object_id: int, frame: int, parts: Sequence[ArrayLike]) -> tuple[int, ...]:
        """Make several objects of one from a frame on; they are tracked from there by the next update.

        Parameters
        ----------
        object_id : int
            The object. It keeps the first part.
        frame : int
            The frame on which its parts are given.
        parts : sequence of array-like
            (Y, X) bool masks, or points (y, x): each pixel of the object then goes to the nearest one.

        Returns
        -------
        tuple of int
            The objects, in the order of the parts.

        Raises
        ------
        ValueError
            If there is no such object or frame, it is not drawn there, or there are fewer than two parts that do not
            lie on each other.
        """
        frame, track = check_frame(frame, self.stack.n_frames), self._known(object_id)
        drawn = self._objects.outputs.mask(frame, track.object_id)
        if drawn is None:
            raise ValueError(f"object {track.object_id} is not drawn on frame {frame}: there is nothing to split")
        masks = self._parts(drawn, parts)
        first = self._new_id()
        ids = (track.object_id, *range(first, first + len(masks) - 1))
        span = LifeSpan(frame, track.span.end)
        with self.step(f"Split object {track.object_id}"):
            for one, mask in zip(ids, masks, strict=True):
                self.add_mask(frame, one, mask)
            for one in ids[1:]:
                self._objects.tracks[one].span = span
                self._objects.tracks[one].class_name = track.class_name
        return ids

    def _parts(self, drawn: NDArray[np.bool_], parts: Sequence[ArrayLike]) -> list[NDArray[np.bool_]]:
        if len(parts) < 2:
            raise ValueError(f"an object is split into two parts or more, got {len(parts)}")
        given = [np.asarray(part) for part in parts]
        if all(part.shape == (2,) for part in given):
            pixels = np.argwhere(drawn)
            nearest = np.linalg.norm(pixels[:, None] - np.stack(given).astype(float), axis=2).argmin(axis=1)
            given = []
            for index in range(len(parts)):
                mask = np.zeros_like(drawn)
                mask[tuple(pixels[nearest == index].T)] = True
                given.append(mask)
        masks = [check_mask(part, self._frame_size) for part in given]
        if not all(mask.any() for mask in masks) or np.sum(masks, axis=0).max() > 1:
            raise ValueError("the parts of an object have a pixel each at least, and none in common")
        return masks

    def _check_division(self, frame: int, track: ObjectTrack, daughters: Sequence[int]) -> None:
        mother = track.object_id
        if not daughters or len({*daughters}) < len(daughters):
            raise ValueError(f"object {mother} divides into daughters, each named once, got {list(daughters)}")
        if (first := self._editor.first_frame(mother)) >= frame:
            raise ValueError(f"object {mother} begins on frame {first}: its daughters come later, not on frame {frame}")
        track.span.check(mother, frame - 1)
        line, ancestor = {mother}, track.span.parent
        while ancestor is not None and ancestor not in line:
            line.add(ancestor)
            ancestor = self._span(ancestor).parent
        for daughter in daughters:
            if daughter == mother:
                if not [t for t in self._objects.outputs.frames_of(mother) if t >= frame]:
                    raise ValueError(
                        f"object {mother} is drawn on no frame from {frame} on: it is no daughter of its own"
                    )
                continue
            if daughter in line:
                raise ValueError(f"object {daughter} is an ancestor of object {mother}: it cannot be its daughter")
            if (last := self._span(daughter).end) is not None and last < frame:
                raise ValueError(f"object {daughter} ends on frame {last}: it cannot be born on frame {frame}")
            if (first := min(self._objects.tracks[daughter].prompts, default=frame)) < frame:
                said = f"object {daughter} has a prompt on frame {first}, before frame {frame}"
                raise ValueError(f"{said}: clear it, or divide earlier")

    def _edit(
        self, recipes: Mapping[int, Recipe], *, without: Sequence[int] = (), heirs: Mapping[int, int] | None = None
    ) -> None:
        """Apply an edit; ``heirs``: by object, the one to which its children go."""
        heirs = heirs or {}
        touched = {*recipes, *without}
        children = {child for object_id in touched for child in self._children(object_id)}
        self._recorder.note([*touched, *children])
        # Whose children they were is asked before the edit changes it.
        mothers = {child: self._span(child).parent for child in children}
        self._forget_refusals(without)
        self._editor.apply(recipes, without=without)
        for child, mother in mothers.items():
            if child in self._objects.tracks and mother is not None and self._span(child).parent == mother:
                self._set_parent(child, heirs.get(mother, mother))

    def _forget_refusals(self, gone: Iterable[int]) -> None:
        """Forget refused divisions into objects that go: their ids may be given anew."""
        left = {*gone}
        for object_id, track in self._objects.tracks.items():
            kept = frozenset(daughters for daughters in track.refused if not left & {*daughters})
            if kept != track.refused:
                self._recorder.note([object_id])
                track.refused = kept

    def _set_parent(self, child: int, parent: int) -> None:
        # A child begins when its parent is gone; where an edit has changed that, nobody knows any more.
        track, known = self._objects.tracks[child], self._objects.tracks.get(parent)
        end = None if known is None else known.span.end
        fits = child != parent and end is not None and track.span.begin is not None and end < track.span.begin
        track.span = replace(track.span, parent=parent if fits else None)

    def _children(self, object_id: int) -> list[int]:
        return [child for child, parent in self.parents.items() if parent == object_id]

    def _known(self, object_id: int) -> ObjectTrack:
        return self._objects.known(check_object_id(object_id))

    def _two(self, one: int, other: int) -> tuple[ObjectTrack, ObjectTrack]:
        tracks = self._known(one), self._known(other)
        if tracks[0] is tracks[1]:
            raise ValueError(f"two objects are needed, got object {one} twice")
        return tracks

    def _span(self, object_id: int) -> LifeSpan:
        return self._objects.tracks[object_id].span

    def _new_id(self) -> int:
        return max(self._objects.tracks, default=0) + 1

    def _frames(self, first: int = 0, stop: int | None = None) -> range:
        return range(first, self.stack.n_frames if stop is None else stop)

"""Edits of which frames are which object's: prompts, memories, labels and scores go along, and nothing is tracked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_sam2.data.labels.lineage import LifeSpan
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.session.prompting.predictor import PromptPredictor
from napari_sam2.session.results.compose import contested_frames
from napari_sam2.session.results.object_set import SessionObjects
from napari_sam2.session.tracking.object_track import ObjectState, ObjectTrack


@dataclass(frozen=True)
class Piece:
    """Frames of an object, as it is before an edit."""

    object_id: int
    frames: range


@dataclass(frozen=True)
class Recipe:
    """What an object is made of by an edit; the first of two pieces decides where both are drawn."""

    pieces: tuple[Piece, ...]
    span: LifeSpan


class TrackEditor:
    """Takes the objects of a session apart and puts them together."""

    def __init__(self, objects: SessionObjects, answerer: PromptPredictor) -> None:
        self._objects = objects
        self._answerer = answerer

    def first_frame(self, object_id: int) -> int:
        """The first frame on which an object is said or drawn to be."""
        track = self._objects.known(object_id)
        shown = [frame for frame, prompt in track.prompts.items() if not prompt.says_absent]
        known = [*shown, *self._objects.outputs.frames_of(object_id)]
        return min(known) if track.span.begin is None and known else track.span.begin or 0

    def apply(self, recipes: Mapping[int, Recipe], *, without: Collection[int] = ()) -> None:
        """Make objects anew of pieces of those that there are, and remove others whose pieces went to them."""
        objects = self._objects
        old_ids = {piece.object_id for recipe in recipes.values() for piece in recipe.pieces} | {*recipes, *without}
        before = {object_id: objects.tracks[object_id] for object_id in old_ids if object_id in objects.tracks}
        drawn = {object_id: set(objects.outputs.frames_of(object_id)) for object_id in before}
        # Whatever can fail comes first: the new objects are complete before anything changes.
        made = {object_id: self._made(object_id, recipe, drawn) for object_id, recipe in recipes.items()}
        new_ids = _new_ids(recipes, before, self._answerer.tracker.num_frames)
        lost = {i: sorted(t for t in drawn[i] if new_ids[t][i] == 0) for i in before}
        others = [track for object_id, track in objects.tracks.items() if object_id not in without]
        contested = {t for i, track in before.items() for t in contested_frames(track, others, lost[i])}
        for object_id in without:
            del objects.tracks[object_id]
        objects.tracks.update(made)
        for frame, ids in new_ids.items():
            objects.outputs.relabel(frame, {old: new for old, new in ids.items() if old != new})
        objects.share_memory()
        # Masks that were said anew get their scores, and others the pixels that they had lost.
        said = {t for object_id, track in made.items() for t in track.staged}
        objects.draw_live(sorted(contested | said))

    def _made(self, object_id: int, recipe: Recipe, drawn: Mapping[int, set[int]]) -> ObjectTrack:
        state = ObjectState(object_id)
        # By frame, the objects that are drawn there and become this one.
        parts: dict[int, list[int]] = {}
        begins = []
        for piece in recipe.pieces:
            shown = drawn[piece.object_id] & {*piece.frames}
            added = self._objects.known(piece.object_id).state().only(piece.frames)
            # Where only this piece is drawn, what is known of it counts.
            state = state.only(state.frames - (shown - parts.keys())).joined(added)
            for frame in shown:
                parts.setdefault(frame, []).append(piece.object_id)
            begins += [min(shown)] if shown and piece.object_id != object_id else []
        both = {frame for frame, ids in parts.items() if len(ids) > 1}
        # What is said of it as a whole is that of its first piece.
        whole = self._objects.known(recipe.pieces[0].object_id)
        # The logits of one do not say what both are.
        thinned = {t: memory.thin() if t in both else memory for t, memory in state.recent.items()}
        track = self._objects.new_track(object_id)
        said = replace(state, span=recipe.span, refused=whole.refused, class_name=whole.class_name)
        track.restore(replace(said, recent=thinned))
        joined = both & track.prompts.keys() or ({min(both)} if both else set())
        # Without a prompt where a piece begins, tracking again would lead back to what was before the edit.
        alone = {min(parts)} if parts and not (track.prompts or begins) else set()
        self._say(track, {t: parts[t] for t in sorted(joined | alone | ({*begins} - track.prompts.keys()))})
        for frame in joined:
            track.mark_downstream_stale(frame)
        return track

    def _say(self, track: ObjectTrack, parts: Mapping[int, Sequence[int]]) -> None:
        """Give what is drawn as a prompt, and answer it."""
        for frame, object_ids in parts.items():
            mask = np.isin(self._objects.outputs.labels[frame], object_ids)
            prompt = Prompt(frame, track.object_id, mask=mask)
            track.staged[frame] = self._answerer.predict(track, prompt)
            track.prompts[frame] = prompt
            track.stale.pop(frame, None)


def _new_ids(recipes: Mapping[int, Recipe], before: Collection[int], num_frames: int) -> dict[int, dict[int, int]]:
    """By frame and object before an edit, its id after it; 0 for none."""
    new_ids = {frame: dict.fromkeys(before, 0) for frame in range(num_frames)}
    for object_id, recipe in recipes.items():
        for piece in recipe.pieces:
            for frame in piece.frames:
                new_ids[frame][piece.object_id] = object_id
    return new_ids

"""What the table's context menu does with objects: absent, ended or divided here, merged, swapped, cleaned up."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import binary_fill_holes, label

from napari_sam2.data.prompts.drawing import PromptKey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_sam2.plugin.actions.drawing.draw_tools import DrawTools
    from napari_sam2.plugin.actions.population.division_actions import DivisionActions
    from napari_sam2.plugin.controller import Controller
    from napari_sam2.plugin.panel.object_table import ObjectTable
    from napari_sam2.session.session import Session

    Mask = NDArray[np.bool_]


class ObjectMenu:
    """Does with the selected objects what their menu says; every choice is one step to undo."""

    def __init__(
        self,
        controller: Controller,
        table: ObjectTable,
        *,
        tools: DrawTools,
        divisions: DivisionActions,
        say: Callable[[str], object],
    ) -> None:
        self._controller = controller
        self._tools = tools
        self._divisions = divisions
        self._layers = controller.layers
        self._say = say
        table.asked.connect(self.do)
        table.classified.connect(self.classify)

    @property
    def actions(self) -> dict[str, Callable[[], None]]:
        """What keys do with the selected objects, by name."""
        names = ("not_here", "divides_here", "ends_here", "merge", "split", "swap")
        return {name: partial(self._do_with_selected, name) for name in names}

    def _do_with_selected(self, action: str) -> None:
        self.do(action, self._tools.selected_ids)

    def do(self, action: str, object_ids: Sequence[int]) -> None:
        """Do what was chosen; the first of the objects is the one that clicks are about."""
        if not object_ids or (self._layers.space is None and action != "remove"):
            return
        # What went wrong before has been read.
        self._say("")
        actions: dict[str, Callable[[Sequence[int]], None]] = {
            "remove": lambda _ids: self._tools.remove_object(),
            "not_here": self._not_here,
            "ends_here": self._ends_here,
            "merge": self._merge,
            "divides_here": self._divides_here,
            "swap": self._swap,
            "split": self._split,
            "keep_largest": lambda ids: self._redraw(ids, largest_piece, "Keep largest piece"),
            "fill_holes": lambda ids: self._redraw(ids, binary_fill_holes, "Fill holes"),
        }
        actions[action](object_ids)

    def classify(self, object_ids: Sequence[int], name: str) -> None:
        """Say what kind of object they are; an empty name for none."""

        def classify(session: Session) -> None:
            with session.step("Class of objects"):
                # Those that were named only are not in the session yet.
                for object_id in session.object_ids:
                    if object_id in object_ids:
                        session.set_class(object_id, name)

        self._edit_tracks(classify)

    def _not_here(self, object_ids: Sequence[int]) -> None:
        self._absent([PromptKey(self._layers.frame, object_id) for object_id in object_ids], "Not on this frame")

    @property
    def _begin(self) -> int:
        """The frame from which an edit of whole tracks counts; of volumes over time, the first of the one on show."""
        space, frame = self._layers.space, self._layers.frame
        return frame if space is None or not space.n_planes else frame - frame % space.n_planes

    def _ends_here(self, object_ids: Sequence[int]) -> None:
        frame = self._begin
        if frame == 0:
            self._say("There is nothing before this frame: remove the object instead.")
            return

        def end(session: Session) -> None:
            with session.step("Ends here"):
                for object_id in object_ids:
                    session.end(object_id, frame - 1)

        self._edit_tracks(end)

    def _absent(self, places: Sequence[PromptKey], name: str) -> None:
        space, known = self._layers.space, self._controller.edits.prompts.drawings
        assert space is not None
        # An object that is nowhere is no object: there is nothing left to track.
        for object_id in {place.object_id for place in places}:
            if not any(place.object_id == object_id and place not in places for place in known):
                self._say(f"{object_id} has no prompt on any other frame: remove it instead.")
                return
        nothing = np.zeros(space.stack_shape[1:], bool)
        self._controller.edits.give(dict.fromkeys(places, nothing), name)

    def _merge(self, object_ids: Sequence[int]) -> None:
        keep, *others = object_ids
        if not others:
            self._say("Select two or more objects to merge: Ctrl+click on their rows.")
            return

        def merge(session: Session) -> None:
            with session.step("Merge objects"):
                for other in others:
                    session.merge(keep, other)

        self._tools.forget(others)
        self._edit_tracks(merge)

    def _divides_here(self, object_ids: Sequence[int]) -> None:
        mother, *others = object_ids
        frame = self._layers.frame
        if not others:
            if self._pieces(mother)[1] < 2:
                self._divisions.ask_for_daughters(mother)
            else:
                self._split(object_ids, dividing=True)
            return
        # Where she is still drawn, tracking has gone on with her as with one of her daughters.
        is_drawn = bool((self._layers.drawn_on(frame) == mother).any())
        daughters, begin = [mother, *others] if is_drawn else others, self._begin
        self._edit_tracks(lambda session: session.divide(begin, mother, daughters))

    def _swap(self, object_ids: Sequence[int]) -> None:
        if len(object_ids) != 2:
            self._say("Select two objects to swap: Ctrl+click on their rows.")
            return
        one, other = object_ids
        frame = self._begin
        self._edit_tracks(lambda session: session.swap(one, other, frame))

    def _split(self, object_ids: Sequence[int], *, dividing: bool = False) -> None:
        object_id, frame, space = object_ids[0], self._layers.frame, self._layers.space
        if space is not None and space.n_planes:
            self._say(
                "Through time and depth nothing is split plane by plane: click on the parts as objects of their own."
            )
            return
        pieces, n_pieces = self._pieces(object_id)
        if n_pieces < 2:
            name = f"Object {object_id}"
            self._say(f"{name} is in one piece on this frame: paint its parts as objects, or erase between them.")
            return

        def split(session: Session) -> None:
            with session.step("Divides here" if dividing else "Split"):
                parts = session.split(object_id, frame, [pieces == part for part in range(1, n_pieces + 1)])
                if dividing:
                    session.divide(frame, object_id, parts)

        self._edit_tracks(split)

    def _pieces(self, object_id: int) -> tuple[NDArray[np.int32], int]:
        pieces, n_pieces = label(self._layers.drawn_on(self._layers.frame) == object_id, np.ones((3, 3), bool))
        return pieces, n_pieces

    def _edit_tracks(self, edit: Callable[[Session], object]) -> None:
        self._controller.edits.change(lambda engine: engine.edit_tracks(edit))

    def _redraw(self, object_ids: Sequence[int], change: Callable[[Mask], Mask], name: str) -> None:
        frame = self._layers.frame
        image = self._layers.drawn_on(frame)
        masks = {}
        for object_id in object_ids:
            before = image == object_id
            # Pixels of others stay theirs.
            after = change(before) & ((image == 0) | before)
            if not np.array_equal(before, after):
                masks[PromptKey(frame, object_id)] = after
        if masks:
            self._controller.edits.give(masks, name)
        else:
            self._say(f"{name}: there is nothing of that kind on this frame.")


def largest_piece(mask: Mask) -> Mask:
    """Keep the largest of the parts that a mask has fallen into."""
    parts, n_parts = label(mask, np.ones((3, 3), bool))
    if n_parts < 2:
        return mask
    largest: Mask = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    return largest

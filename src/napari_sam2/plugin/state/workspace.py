"""Sessions, results and prompts of every stack that was looked at, so that the user can come back to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2.data.labels.scores import ScoreTable

from .result_store import ResultStore
from .shown_prompts import ShownPrompts

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_sam2.data.images.stack import Stack
    from napari_sam2.plugin.layers.layer_frames import LayerFrames
    from napari_sam2.plugin.layers.shown_colours import Looks
    from napari_sam2.plugin.state.opened_session import OpenedSession
    from napari_sam2.plugin.worker.engine import Engine


class Workspace:
    """Sessions, results and prompts by stack; only the GUI thread uses it."""

    def __init__(self) -> None:
        self.engines: dict[LayerFrames, Engine] = {}
        # Frames, and the pixel values that the model sees as black and white: a pair, or None.
        self.stacks: dict[LayerFrames, tuple[Stack, tuple[float, float] | None]] = {}
        # How the layers were shown that the frames are the colours of; none where they are one layer.
        self.looks: dict[LayerFrames, Looks] = {}
        # Stacks with results that the Labels layer does not show yet.
        self.unshown: set[LayerFrames] = set()
        self._results: dict[LayerFrames, ResultStore] = {}
        self._prompts: dict[LayerFrames, ShownPrompts] = {}

    def results(self, space: LayerFrames) -> ResultStore:
        """Results on a stack."""
        if space not in self._results:
            self._results[space] = ResultStore(space.stack_shape, space.crop[:2], n_planes=space.n_planes)
        return self._results[space]

    def scores(self, planes: LayerFrames) -> ScoreTable:
        """Copy the scores on whole planes; where a region in them was tracked by itself, those count."""
        spaces = [space for space in self._results if space.whole == planes]
        table = ScoreTable()
        # Whole planes sort first, as they have no region.
        for space in sorted(spaces, key=lambda space: space.selection.crop or ()):
            for row in self._results[space].table:
                table.put(row)
        return table

    def parents(self, planes: LayerFrames) -> dict[int, int]:
        """By object on whole planes or a region in them, the one that it was born of."""
        spaces = [space for space in self._results if space.whole == planes]
        return {child: parent for space in spaces for child, parent in self._results[space].state.parents.items()}

    def classes(self, planes: LayerFrames) -> dict[int, str]:
        """By object on whole planes or a region in them, its class, of those that have one."""
        spaces = [space for space in self._results if space.whole == planes]
        return {i: name for space in spaces for i, name in self._results[space].state.classes.items()}

    def prompts(self, space: LayerFrames) -> ShownPrompts:
        """Prompts on a stack."""
        return self._prompts.setdefault(space, ShownPrompts())

    def expect_no_answers(self) -> None:
        """Do not wait for answers that are on their way."""
        for prompts in self._prompts.values():
            prompts.unanswered = 0

    def put(self, opened: OpenedSession) -> None:
        """Take a session that was brought back in place of what there was; nothing is shown."""
        space = opened.space
        self.engines[space] = opened.engine
        self.stacks[space], self.looks[space] = (opened.stack, opened.window), opened.looks
        self._results[space] = ResultStore(space.stack_shape, space.crop[:2], n_planes=space.n_planes)
        self._results[space].review.in_slices = opened.stack.is_slices
        self._prompts[space] = ShownPrompts(dict(opened.drawings), list(opened.pending))
        self.unshown.add(space)

    def accepted(self) -> list[tuple[LayerFrames, ResultStore]]:
        """Stacks of which some frames are accepted."""
        return [(s, r) for s, r in self._results.items() if s in self.stacks and r.accepted.frames_done]

    def start_over(self, image: str | None = None) -> list[Engine]:
        """Give up all sessions, or those on an image whose data are others now, and return them.

        Their results stay, out of date.
        """
        spaces = [space for space in {*self.engines, *self._results} if image in (None, space.image)]
        # Stacks stay, as teaching still needs the frames that were accepted on them; unless these are gone.
        for space in spaces:
            if space in self._results:
                self._results[space].outdate()
                if image is not None:
                    self._results[space].forget_accepted()
        return [self.engines.pop(space) for space in spaces if space in self.engines]

    def forget_images(self, known: Collection[str]) -> None:
        """Forget images that are not there any more; ``known`` are the unique ids of those that are."""
        gone = {space for space in {*self.stacks, *self._results, *self._prompts} if space.image not in known}
        for space in gone:
            self.engines.pop(space, None)
            self.stacks.pop(space, None)
            self.looks.pop(space, None)
            self._results.pop(space, None)
            self._prompts.pop(space, None)
        self.unshown -= gone

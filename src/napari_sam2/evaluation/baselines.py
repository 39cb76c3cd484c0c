"""Two baselines: the first mask copied to every frame, and warped along optical flow."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from skimage.registration import optical_flow_ilk
from skimage.transform import resize

from napari_sam2.data.images.pixels.contrast import choose_window, to_rgb8

from .labelled_sequences import LabelledSequence

# Flow is computed on frames of at most this side: enough for a baseline, and quick.
FLOW_SIDE, FLOW_RADIUS = 320, 9

Mask = NDArray[np.bool_]


class Baselines:
    """Masks of the baselines on one sequence."""

    def __init__(self, sequence: LabelledSequence, *, flow: bool = True) -> None:
        self.sequence = sequence
        self.names = ("copied", "optical_flow") if flow else ("copied",)
        self._grey: dict[int, NDArray[np.float32]] = {}
        self._flows: dict[tuple[int, int], NDArray[np.float32]] = {}
        self._window = choose_window(sequence.stack)

    def masks(self, name: str, object_id: int) -> dict[int, Mask]:
        """Masks of an object on the frames a tracker is asked about, by frame.

        ``name``: ``"copied"`` or ``"optical_flow"``.
        """
        # In depth the prompt lies in the middle: masks are carried both ways from it.
        first, count = self.sequence.prompt_frame(object_id), len(self.sequence.labels)
        given = self.sequence.truth(first, object_id)
        if name == "copied":
            return dict.fromkeys(range(count), given)
        masks = self._carry(given, range(first, count))
        return masks | self._carry(given, range(first, -1, -1)) if self.sequence.axis == "z" else masks

    def _carry(self, given: Mask, frames: Sequence[int]) -> dict[int, Mask]:
        # Soft masks at the flow's size lose less in repeated resampling.
        masks, soft = {}, given.astype(np.float32)
        if len(frames) > 1:
            soft = resize(soft, self._picture(frames[0]).shape, order=1, anti_aliasing=True).astype(np.float32)
        # Each pixel takes its value from where the flow says it was.
        for before, frame in pairwise(frames):
            flow = self._flow(before, frame)
            rows, columns = np.indices(soft.shape, dtype=np.float32)
            soft = map_coordinates(soft, (rows + flow[0], columns + flow[1]), order=1, mode="nearest")
            masks[frame] = resize(soft, given.shape, order=1) > 0.5
        return masks

    def _flow(self, before: int, frame: int) -> NDArray[np.float32]:
        """For every pixel of a frame, how far off (rows, columns) it was on the frame before."""
        if (before, frame) not in self._flows:
            flow = optical_flow_ilk(self._picture(frame), self._picture(before), radius=FLOW_RADIUS)
            self._flows[before, frame] = np.asarray(flow, np.float32)
        return self._flows[before, frame]

    def _picture(self, frame: int) -> NDArray[np.float32]:
        if frame not in self._grey:
            image = to_rgb8(self.sequence.stack.read(frame), self._window).mean(axis=2, dtype=np.float32) / 255
            scale = min(FLOW_SIDE / max(image.shape), 1.0)
            shape = tuple(max(round(side * scale), 1) for side in image.shape)
            self._grey[frame] = resize(image, shape, order=1, anti_aliasing=True).astype(np.float32)
        return self._grey[frame]

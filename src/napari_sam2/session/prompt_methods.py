"""The methods of a session that take prompts: points, boxes and masks are checked and made a `Prompt`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace as with_values

import numpy as np
from numpy.typing import ArrayLike

from napari_sam2.data.images.frame_index import check_frame
from napari_sam2.data.images.stack import Stack
from napari_sam2.data.prompts.drawing import Drawing
from napari_sam2.data.prompts.prompt import Prompt, check_box, check_mask, check_object_id, check_points
from napari_sam2.session.results.frame_result import FrameResult

# Beginnings of steps' names, by the kind of drawing.
STEP_NAMES = {
    "points": "Click on",
    "box": "Box around",
    "outline": "Outline of",
    "line": "Line on",
    "paint": "Mask of",
}


class Prompting(ABC):
    """Takes points, boxes and masks in data pixels.

    Attributes
    ----------
    stack : Stack
        The frames that prompts are about.
    """

    stack: Stack

    def add_points(
        self,
        frame: int,
        object_id: int,
        points: ArrayLike,
        labels: ArrayLike,
        replace: bool = True,
        *,
        drawing: Drawing | None = None,
    ) -> FrameResult:
        """Click on an object.

        Parameters
        ----------
        frame : int
            Index of the frame.
        object_id : int
            Label of the object, from 1; a new one is added to the session.
        points : array-like
            (N, 2), rows (y, x) in pixels.
        labels : array-like
            (N,): 1 on the object, 0 off it.
        replace : bool
            Whether the points take the place of earlier points and boxes on this frame, or join them. Either way
            they refine the object's present mask here, if it has one; `clear_prompts` gives a fresh start.
        drawing : Drawing, optional
            How a person drew all of this object's prompts on this frame; kept for showing them again.

        Returns
        -------
        FrameResult
            The frame's masks now, for all objects.

        Raises
        ------
        ValueError
            If something is out of range; nothing is changed then.
        """
        # All checks come before anything is changed, here and in the other methods.
        frame, object_id = self._check_place(frame, object_id)
        positions, marks = check_points(points, labels, self._frame_size)
        box = None
        earlier = self._prompt_at(frame, object_id)
        # Joining keeps the box, too: the model takes both together. An earlier mask cannot be joined and is replaced.
        if earlier is not None and not replace:
            box = earlier.box
            if earlier.points is not None and earlier.labels is not None:
                positions = np.concatenate((earlier.points, positions))
                marks = np.concatenate((earlier.labels, marks))
        return self._prompt(Prompt(frame, object_id, points=positions, labels=marks, box=box, drawing=drawing))

    def add_box(
        self,
        frame: int,
        object_id: int,
        box: ArrayLike,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        *,
        drawing: Drawing | None = None,
    ) -> FrameResult:
        """Draw a box around an object, in place of earlier prompts on the frame.

        Parameters
        ----------
        frame, object_id : int
            As for `add_points`.
        box : array-like
            (y0, x0, y1, x1) in pixels.
        points, labels : array-like, optional
            Clicks that go with the box, as for `add_points`.
        drawing : Drawing, optional
            As for `add_points`.

        Returns
        -------
        FrameResult
            The frame's masks now, for all objects.

        Raises
        ------
        ValueError
            If something is out of range; nothing is changed then.
        """
        frame, object_id = self._check_place(frame, object_id)
        corners = check_box(box, self._frame_size)
        # One without the other is most likely a mistake in the caller's code.
        if (points is None) != (labels is None):
            raise ValueError("points and labels go together: one was given without the other")
        positions, marks = None, None
        if points is not None and labels is not None:
            positions, marks = check_points(points, labels, self._frame_size)
        return self._prompt(Prompt(frame, object_id, points=positions, labels=marks, box=corners, drawing=drawing))

    def add_mask(self, frame: int, object_id: int, mask: ArrayLike, *, drawing: Drawing | None = None) -> FrameResult:
        """Give an object's exact pixels on a frame, in place of earlier prompts there.

        Parameters
        ----------
        frame, object_id : int
            As for `add_points`.
        mask : array-like
            (Y, X) bool. The labels on this frame keep it to the pixel. One without any pixel means that the object is
            not there on this frame: nothing is drawn, and it is remembered as hidden.
        drawing : Drawing, optional
            As for `add_points`.

        Returns
        -------
        FrameResult
            The frame's masks now, for all objects.

        Raises
        ------
        ValueError
            If the mask is not binary or of another shape; nothing is changed then.
        """
        frame, object_id = self._check_place(frame, object_id)
        return self._prompt(Prompt(frame, object_id, mask=check_mask(mask, self._frame_size), drawing=drawing))

    def add_prompt(self, prompt: Prompt) -> FrameResult:
        """Add a prompt as read from a prompts file, in place of earlier prompts of the object on the frame.

        Parameters
        ----------
        prompt : Prompt
            Points, a box with or without points, or a mask.

        Returns
        -------
        FrameResult
            The frame's masks now, for all objects.

        Raises
        ------
        ValueError
            If something is out of range or the prompt is empty; nothing is changed then.
        """
        drawing = prompt.drawing
        if prompt.mask is not None:
            self._check_place(prompt.frame, prompt.object_id)
            return self._prompt(with_values(prompt, mask=check_mask(prompt.mask, self._frame_size)))
        if prompt.box is not None:
            return self.add_box(
                prompt.frame, prompt.object_id, prompt.box, prompt.points, prompt.labels, drawing=drawing
            )
        if prompt.points is None or prompt.labels is None:
            raise ValueError(f"the prompt for object {prompt.object_id} on frame {prompt.frame} says nothing")
        return self.add_points(prompt.frame, prompt.object_id, prompt.points, prompt.labels, drawing=drawing)

    @abstractmethod
    def _prompt(self, prompt: Prompt) -> FrameResult:
        """Predict the mask for a checked prompt, and take both into the session."""

    @abstractmethod
    def _prompt_at(self, frame: int, object_id: int) -> Prompt | None:
        """Look up the prompt of an object on a frame."""

    @property
    def _frame_size(self) -> tuple[int, int]:
        return self.stack.height, self.stack.width

    def _check_place(self, frame: int, object_id: int) -> tuple[int, int]:
        return check_frame(frame, self.stack.n_frames), check_object_id(object_id)


def step_name(prompt: Prompt) -> str:
    """Name the step in which a prompt is given."""
    if prompt.says_absent:
        return f"Object {prompt.object_id} is not there"
    kind = "paint" if prompt.mask is not None else "points" if prompt.box is None else "box"
    return f"{STEP_NAMES[kind if prompt.drawing is None else prompt.drawing.kind]} object {prompt.object_id}"

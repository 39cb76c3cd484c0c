"""Check that a prompt lies within its stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2.data.images.frame_index import check_frame

from .prompt import check_box, check_mask, check_points

if TYPE_CHECKING:
    from .prompt import Prompt


def check_prompt(prompt: Prompt, shape: tuple[int, int, int]) -> None:
    """Check that a prompt lies within a stack of shape (T, Y, X); ``ValueError`` names object and frame."""
    size = shape[1:]
    # A prompt has checked itself on creation, but knew no image then.
    try:
        check_frame(prompt.frame, shape[0])
        if prompt.points is not None and prompt.labels is not None:
            check_points(prompt.points, prompt.labels, size)
        if prompt.box is not None:
            check_box(prompt.box, size)
        if prompt.mask is not None:
            check_mask(prompt.mask, size)
    except ValueError as error:
        raise ValueError(f"object {prompt.object_id} on frame {prompt.frame}: {error}") from error

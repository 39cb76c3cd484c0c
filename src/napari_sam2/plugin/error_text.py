"""Turns an exception into a message for the user."""

from __future__ import annotations

from napari_sam2.data.files.out_of_memory import is_out_of_memory


def explain(error: Exception) -> str:
    """Say what went wrong and what to do; the traceback is in the log."""
    text = str(error).strip()
    if is_out_of_memory(error):
        return (
            "SAM 2 ran out of memory. What was tracked is kept. Choose a smaller model, or the device cpu, or close "
            "other programs; then track on from the frame on show."
        )
    # Errors of this package say what to do; others need a hint at where to look.
    if isinstance(error, ValueError | FileNotFoundError) or type(error).__module__.startswith("napari_sam2"):
        return f"SAM 2: {text}"
    return f"SAM 2 stopped on an unexpected error: {type(error).__name__}: {text}. The log has the details."

"""What a user is told about an error."""

from __future__ import annotations

from napari_sam2.data.files.out_of_memory import is_out_of_memory

_MEMORY_ADVICE = "try --preset fast, a smaller --image-size, a smaller model or --device cpu"


def describe_error(error: BaseException) -> str | None:
    """Put an error into one line.

    Parameters
    ----------
    error : BaseException
        What was raised. Notes that were added to it join the line.

    Returns
    -------
    str or None
        The line, or None for an error that a user cannot have caused: that is a bug, whose traceback matters.
    """
    message = _message(error)
    if message is None:
        return None
    return "; ".join(" ".join(part.split()) for part in (message, *getattr(error, "__notes__", ())))


def _message(error: BaseException) -> str | None:
    text = str(error)
    if is_out_of_memory(error):
        return f"out of memory ({text or 'this computer has no more'}): {_MEMORY_ADVICE}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    # Among runtime errors only the package's own, such as a failed download, are written for users.
    own = type(error).__module__.startswith("napari_sam2.")
    return text if own or isinstance(error, ValueError | OSError) else None

"""Error messages for users, and which errors are bugs of the program instead."""

from __future__ import annotations

_MEMORY_ADVICE = "try --preset fast, a smaller --image-size, a smaller model or --device cpu"


def describe_error(error: BaseException) -> str | None:
    """Put an error, with its notes, into one line; None for one that a user cannot have caused: a bug."""
    # Notes carry where partial results are and similar help; line breaks would tear up a terminal's output.
    message = _message(error)
    if message is None:
        return None
    return "; ".join(" ".join(part.split()) for part in (message, *getattr(error, "__notes__", ())))


def _message(error: BaseException) -> str | None:
    from napari_sam2.data.files.out_of_memory import is_out_of_memory

    text = str(error)
    if is_out_of_memory(error):
        return f"out of memory ({text or 'this computer has no more'}): {_MEMORY_ADVICE}"
    # Without the number of the error, which str() puts in front.
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    # Among runtime errors only the package's own, such as a failed download, are written for users.
    own = type(error).__module__.startswith("napari_sam2.")
    return text if own or isinstance(error, ValueError | OSError) else None

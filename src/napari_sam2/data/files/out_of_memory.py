"""Recognition of out-of-memory errors from all libraries and devices."""

from __future__ import annotations

import errno

# Libraries say it in several ways, by device; no type of exception covers them all.
_WORDS = (
    "out of memory",
    "allocate memory",
    "not enough memory",
    "unable to allocate",
    "bad_alloc",
    "alloc_failed",
)
# Windows has names of its own for it: no more memory, and a paging file that cannot grow.
_WINDOWS = (8, 14, 1455)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error, or the one that it was raised from, means that memory ran out."""
    if isinstance(error, MemoryError) or any(words in str(error).lower() for words in _WORDS):
        return True
    # The system's own words are in the user's language.
    if isinstance(error, OSError) and (error.errno == errno.ENOMEM or getattr(error, "winerror", None) in _WINDOWS):
        return True
    # Readers wrap errors in a ValueError that names the file; the cause is one level down.
    return error.__cause__ is not None and is_out_of_memory(error.__cause__)

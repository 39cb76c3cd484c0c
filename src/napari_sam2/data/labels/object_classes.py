"""Classes of objects beside their ids: what a name may be, and the numbers that formats give them."""

from __future__ import annotations

from collections.abc import Iterable

# What an object is that was given no class.
NO_CLASS = "object"
# As many characters as DICOM allows for a name.
_LONGEST = 64


def check_class_name(name: str) -> str:
    """Strip the name of a class; ``ValueError`` if it is no line of text of at most 64 characters."""
    stripped = name.strip()
    if len(stripped) > _LONGEST or not stripped.isprintable():
        raise ValueError(f"the name of a class is a line of at most {_LONGEST} characters, got {name!r}")
    return stripped


def number_classes(names: Iterable[str]) -> dict[str, int]:
    """Number classes from 1 on, in the order of their names; what has none comes last."""
    return {name: number for number, name in enumerate(sorted({*names}, key=lambda name: (name == NO_CLASS, name)), 1)}

"""Packages that only some formats need: loaded when they are, and named when they are missing."""

from __future__ import annotations

import importlib
from typing import Any


class MissingExtraError(RuntimeError):
    """A format needs a package that is not installed."""


def load_extra(module: str, extra: str, purpose: str) -> Any:
    """Import a module of an optional package.

    Parameters
    ----------
    module : str
        Its dotted name.
    extra : str
        The extra of this package that installs it.
    purpose : str
        What it is needed for, as the subject of a sentence: "reading videos".

    Returns
    -------
    module
        The module.

    Raises
    ------
    MissingExtraError
        If it is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f'{purpose} takes the package {package}, which is not installed: pip install "napari-sam2[{extra}]"'
        ) from error

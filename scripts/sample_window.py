"""A window with a sample and the widget, for the scripts that take pictures of it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Before napari is imported: pictures must not depend on anybody's settings, nor on work that was not saved.
os.environ["NAPARI_SAM2_HOME"] = tempfile.mkdtemp()
os.environ["NAPARI_CONFIG"] = str(Path(os.environ["NAPARI_SAM2_HOME"], "settings.yaml"))

import napari
from qtpy.QtTest import QTest

from napari_sam2.plugin.widget import Sam2Widget

SCRATCH = Path(os.environ["NAPARI_SAM2_HOME"])
PATIENCE_S = 600


def wait(condition: Callable[[], object]) -> None:
    """Let Qt work until a condition holds."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the widget did not get there")
        QTest.qWait(20)


def open_sample(sample: Callable[[], list[Any]], size: tuple[int, int]) -> tuple[napari.Viewer, Sam2Widget]:
    """Open a sample with the widget beside it."""
    viewer = napari.Viewer()
    viewer.window.resize(*size)
    data, options, _ = sample()[0]
    viewer.add_image(data, **options)
    widget = Sam2Widget(viewer)
    viewer.window.add_dock_widget(widget, name="SAM 2")
    viewer.dims.set_point(0, 0)
    wait(lambda: widget.session is not None)
    return viewer, widget

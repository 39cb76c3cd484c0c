"""Results shown in napari, where there is a screen."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.job.output_folder import LABELS

if TYPE_CHECKING:
    from napari.components import ViewerModel

_QT_BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")
_SCREEN_VARIABLES = ("DISPLAY", "WAYLAND_DISPLAY")


def why_no_viewer(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> str | None:
    """Return why napari cannot open a window here; None where it probably can."""
    # Qt ends the whole process where it finds no screen, so that is found out without Qt.
    if environment.get("CI"):
        return "nobody looks at the screen of a CI run"
    if platform.startswith("linux") and not any(environment.get(name) for name in _SCREEN_VARIABLES):
        return "there is no screen"
    if not any(find_spec(binding) for binding in _QT_BINDINGS):
        return "no Qt binding is installed (pip install 'napari-sam2[all]' brings one)"
    return None


def show_results(stacks: Sequence[Path]) -> None:
    """Open napari with the stacks and their labels; returns when its window is closed."""
    import napari

    viewer = napari.Viewer(title="napari-sam2 demo")
    add_results(viewer, stacks)
    napari.run()


def add_results(viewer: ViewerModel, stacks: Sequence[Path]) -> None:
    """Add stacks and their labels; only the first of them are visible, and on top."""
    import tifffile

    from napari_sam2.data.readers.open_stack import open_stack

    # napari puts later layers on top.
    for path in reversed(stacks):
        first = path == stacks[0]
        with open_stack(path) as stack:
            rgb = stack.is_rgb
        # In pixels, not in their own units: the stacks share one slider and one canvas.
        viewer.add_image(tifffile.imread(path), name=path.stem, rgb=rgb, visible=first)
        viewer.add_labels(tifffile.imread(path.parent / LABELS), name=f"{path.stem} labels", visible=first)
    viewer.dims.axis_labels = ("frame", "y", "x")
    viewer.dims.set_current_step(0, 0)
    viewer.reset_view()

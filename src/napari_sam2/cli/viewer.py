"""napari, where there is a screen: results shown in it, and prompts clicked."""

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

    from napari_sam2.data.images.stack import Stack
    from napari_sam2.data.prompts.prompt import Prompt

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


def click_prompts(stack: Stack, name: str) -> list[Prompt]:
    """Open napari on a stack with the widget; returns what was clicked and drawn when its window is closed."""
    import napari

    from napari_sam2.data.images.lazy_array import LazyPlanes, StackPlanes

    viewer = napari.Viewer(title=f"napari-sam2 prompts: {name}")
    sizes = (stack.step or 1, *(stack.pixel_size or (1, 1)))
    axes = (stack.axis, "y", "x")
    image = LazyPlanes(StackPlanes(stack), 1)
    viewer.add_image(image, name=name, rgb=stack.is_rgb, scale=sizes, axis_labels=axes)
    viewer.dims.set_current_step(0, 0)
    # Asked for by its name, as napari's menu does: what lies below the plugin does not import it.
    _, widget = viewer.window.add_plugin_dock_widget("napari-sam2", "SAM 2")
    napari.run()
    prompts: list[Prompt] = widget.controller.edits.as_prompts()
    return prompts

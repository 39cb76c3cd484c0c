"""What the buttons of the Objects section do: start an object, click, draw, paint, remove, take labels as prompts."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog

from napari_sam2.plugin.layers.layer_frames import is_own
from napari_sam2.plugin.layers.points_and_shapes import NEGATIVE, POSITIVE, next_sign, turn_selected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari.components import ViewerModel

    from napari_sam2.plugin.controller import Controller
    from napari_sam2.plugin.panel.panel import Panel
    from napari_sam2.plugin.state.object_names import ObjectNames

# Buttons, and the mode of the Shapes layer that each stands for.
_SHAPE_TOOLS = {"tool_box": "add_rectangle", "tool_outline": "add_polygon_lasso", "tool_scribble": "add_path"}

# Files that tell what their folder is, and what the dialog lists.
_IN_FOLDERS = ("res_track.txt", "man_track.txt", "zarr.json", ".zattrs")
_TRACK_FILES = f"Tracks ({' '.join(_IN_FOLDERS)} *.xml)"


class DrawTools:
    """What the buttons above the table of objects do."""

    def __init__(
        self,
        viewer: ViewerModel,
        controller: Controller,
        *,
        panel: Panel,
        objects: ObjectNames,
        select: Callable[[int], None],
    ) -> None:
        self._viewer = viewer
        self._controller = controller
        self._layers = controller.layers
        self._panel = panel
        self._objects = objects
        self._select = select
        self._refuse = controller.refused.emit

    @property
    def actions(self) -> dict[str, Callable[[], None]]:
        """What buttons and keys do, by name."""
        return {
            "new_object": self.new_object,
            "remove_object": self.remove_object,
            "take_labels": self.take_labels,
            "take_tracks": self.ask_and_take_tracks,
            "tool_click": self.start_clicking,
            "tool_paint": self.start_painting,
            **{tool: partial(self.start_drawing, mode) for tool, mode in _SHAPE_TOOLS.items()},
        }

    @property
    def selected_ids(self) -> list[int]:
        """Objects that are selected in the table, the one that clicks are about first."""
        return self._panel.object_table.selected_ids

    def new_object(self) -> None:
        """Start another object and wait for a click on it."""
        if self._has_image():
            self._select(self._objects.next_id())
            self.start_clicking()

    def remove_object(self) -> None:
        """Remove the selected objects."""
        table = self._panel.object_table
        gone = table.selected_ids
        if not gone:
            return
        # The neighbour above is selected next, or the one below where there is none.
        rest = [i for i in table.object_ids if i not in gone]
        self.forget(gone)
        self._controller.edits.remove_objects(gone)
        self._select(max((i for i in rest if i < min(gone)), default=min(rest, default=1)))

    def forget(self, object_ids: Iterable[int]) -> None:
        """Let go of the names of objects that are about to go, before that is announced: named ones are listed."""
        for object_id in object_ids:
            self._objects.remove(object_id)

    def switch_sign(self) -> None:
        """Turn selected points round, or else the next one."""
        points = self._layers.points
        if points is not None and not is_own(points):
            self._refuse(f"{points.name} is your own layer and stays as it is: click with New object or Click.")
        elif points is not None and not (str(points.mode) == "select" and turn_selected(points)):
            self._layers.set_next(POSITIVE if next_sign(points) == NEGATIVE else NEGATIVE)

    def start_clicking(self) -> None:
        """Let the next click on the canvas be a prompt."""
        if self._has_image():
            if not self._panel.one_object_per_click.isChecked():
                self._objects.add(self._layers.selected)
            if self._layers.space is not None:
                # Made now, while nobody waits: napari takes longer for it than the model for the click.
                self._layers.need_labels()
            self._activate(self._layers.need_points(), "add")

    def start_drawing(self, mode: str) -> None:
        """Let the next stroke on the canvas be a shape; ``mode`` is the Shapes layer's."""
        if self._has_image():
            self._activate(self._layers.need_shapes(), mode)

    def start_painting(self) -> None:
        """Let the next stroke on the canvas paint the selected object."""
        if self._has_image():
            self._activate(self._layers.need_labels(), "paint")

    def take_labels(self) -> None:
        """Take the labels of the chosen layer on this frame as prompts."""
        source, space = self._panel.source_labels.layer, self._layers.space
        if source is None or space is None:
            self._refuse("Choose a Labels layer to take prompts from.")
            return
        image = self._layers.source_plane(source)
        if not image.any():
            self._refuse(f"No label of {source.name} lies on this frame of the image.")
            return
        self._controller.edits.take_labels(self._layers.frame, image)
        # It would lie on the result, in other colours.
        if source is not self._layers.labels:
            source.visible = False

    def ask_and_take_tracks(self) -> None:
        """Ask for a file of tracks, and take it."""
        if self._has_image():
            # A folder is named by a file in it, as a dialog asks for either.
            path, _ = QFileDialog.getOpenFileName(self._panel, "Take tracks", "", _TRACK_FILES)
            if path:
                self.take_tracks(Path(path).parent if Path(path).name in _IN_FOLDERS else Path(path))

    def take_tracks(self, path: Path) -> None:
        """Take the objects of a Challenge folder, a GEFF or TrackMate's XML as prompts, with their lineage."""
        self._controller.edits.change(lambda engine: engine.edit_tracks(lambda session: session.take_tracks(path)))

    def _has_image(self) -> bool:
        if self._layers.image is None:
            self._refuse("Open an image first: objects are shown on it.")
        return self._layers.image is not None

    def _activate(self, layer: Any, mode: str) -> None:
        self._viewer.layers.selection.active = layer
        # A layer that is hidden takes no clicks.
        layer.visible = True
        layer.mode = mode
        # Adding the object's name made a row that the table has yet to show.
        self._controller.results_changed.emit()

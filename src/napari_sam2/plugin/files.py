"""What the buttons for files do: ask where, and hand on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog, QWidget

from .exports import TRACKS_LAYER, Exporting, tracks_layer
from .notices import explain

if TYPE_CHECKING:
    from typing import Any

    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from .controller import Controller
    from .exports import Choice, Material
    from .files_box import FilesBox
    from .objects import ObjectList


class Files(QObject):
    """Exports, asked for by the user.

    Parameters
    ----------
    viewer : ViewerModel
        Where layers go.
    controller : Controller
        Knows the results.
    box : FilesBox
        The buttons.
    objects : ObjectList
        Names of the objects.
    """

    def __init__(self, viewer: ViewerModel, controller: Controller, *, box: FilesBox, objects: ObjectList) -> None:
        super().__init__()
        self._viewer = viewer
        self._controller = controller
        self._box = box
        self.exporting = Exporting(controller, objects)
        box.offer(self.exporting.choices)
        box.export_asked.connect(self._export)
        self.exporting.progressed.connect(box.show_export)
        self.exporting.ended.connect(lambda: box.show_export("", 0, 0))
        self.exporting.wrote.connect(show_info)
        self.exporting.failed.connect(lambda error: show_error(explain(error)))

    def _export(self, choice: Choice) -> None:
        if choice.name == TRACKS_LAYER:
            self.exporting.add_tracks(self._add_tracks)
            return
        path = self._ask_for_target(choice)
        if path:
            self.exporting.write(choice.name, path)

    def _ask_for_target(self, choice: Choice) -> str:
        window = self._box.window()
        parent = window if isinstance(window, QWidget) else self._box
        proposal = str(self._beside_image() / choice.filename)
        # An earlier export may be replaced, which is asked for here only where it is a file.
        option = QFileDialog.Option.DontConfirmOverwrite if choice.is_folder else QFileDialog.Option(0)
        suffix = "".join(Path(choice.filename).suffixes)
        kinds = f"{choice.title} (*{suffix})" if suffix else choice.title
        path, _ = QFileDialog.getSaveFileName(parent, choice.title, proposal, kinds, options=option)
        return str(path)

    def _beside_image(self) -> Path:
        image = self._controller.layers.image
        path = None if image is None else image.source.path
        return Path() if path is None else Path(path).parent

    def _add_tracks(self, rows: NDArray[Any], material: Material) -> None:
        self._viewer.add_tracks(**tracks_layer(rows, material))

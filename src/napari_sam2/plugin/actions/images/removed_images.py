"""What becomes of an image that the user deletes: work on it is kept, and layers that only showed it go with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from napari.utils.notifications import show_info
from qtpy.QtCore import QObject, Qt, Signal

from napari_sam2.plugin.layers.layer_frames import is_orphan, is_proposals, leave_to_user

from .result_choice import holds_labels

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel

    from napari_sam2.plugin.controller import Controller
    from napari_sam2.plugin.layers.layer_frames import LayerFrames
    from napari_sam2.plugin.state.object_names import ObjectNames
    from napari_sam2.plugin.worker.engine import Engine


class RemovedImages(QObject):
    """Lets go of sessions and layers of images that are not in the viewer any more."""

    # Delivered from the event loop.
    _orphaned = Signal()

    def __init__(self, viewer: ViewerModel, controller: Controller, objects: ObjectNames) -> None:
        super().__init__()
        self._viewer = viewer
        self._controller = controller
        self._objects = objects
        # Keeps the work of a session that nobody can see any more, and closes it; whoever saves sessions knows how.
        self.part_with: Callable[[LayerFrames, Engine], None] = lambda _space, _engine: None
        # napari is still busy with its list of layers when it tells of one that is gone.
        self._orphaned.connect(self._tidy, Qt.ConnectionType.QueuedConnection)
        viewer.layers.events.removed.connect(self.look)

    def look(self, _event: Any = None) -> set[str]:
        """Let go of what belongs to images that are gone; return the unique ids of all layers that there are."""
        # Called when another image is turned to, before the one of before is left, and when any layer was deleted.
        controller, known = self._controller, self._known
        gone = [space for space in controller.workspace.engines if space.image not in known]
        if controller.layers.space in gone:
            # What the session was not told yet is in layers that go, too; nobody waits for its answers.
            controller.edits.note_changes()
            controller.edits.send()
            controller.drop_answers()
        for space in gone:
            self.part_with(space, controller.workspace.engines.pop(space))
        controller.workspace.forget_images(known)
        self._objects.forget_images(known)
        self._orphaned.emit()
        return known

    def close(self) -> None:
        """Stop following the viewer."""
        self._viewer.layers.events.removed.disconnect(self.look)
        self._orphaned.disconnect(self._tidy)

    @property
    def _known(self) -> set[str]:
        return {str(layer.unique_id) for layer in self._viewer.layers}

    def _tidy(self) -> None:
        """Take layers away that show nothing any more; labels stay, as the user's own."""
        known = self._known
        for layer in [layer for layer in self._viewer.layers if is_orphan(layer, known)]:
            if isinstance(layer, Labels) and not is_proposals(layer) and holds_labels(layer.data):
                leave_to_user(layer)
                show_info(f"The image was deleted: its labels stay as {layer.name}, a layer of your own.")
            else:
                self._viewer.layers.remove(layer)

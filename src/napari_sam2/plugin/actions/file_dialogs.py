"""What the buttons of the Files section do: ask for a file or folder, and start saving, opening or exporting."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.errors import MultipleReaderError, NoAvailableReaderError
from napari.layers import Image
from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_sam2.data.files.optional_packages import MissingExtraError
from napari_sam2.plugin.error_text import explain
from napari_sam2.plugin.files import autosave as recovery
from napari_sam2.plugin.files.exporter import TRACKS_LAYER, Exporting, tracks_layer
from napari_sam2.plugin.files.session_saver import SessionSaver
from napari_sam2.plugin.layers.labels_layer import colour_of
from napari_sam2.plugin.layers.labels_on_disk import labels_on_disk
from napari_sam2.plugin.layers.layer_frames import is_own
from napari_sam2.plugin.layers.shown_colours import lie_on
from napari_sam2.plugin.panel.pictures.video_edit_dialog import VideoEditDialog
from napari_sam2.plugin.preferences import remembered
from napari_sam2.plugin.state.export_choice import VIDEO_EDITS, ExportChoice, VideoEdit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    import pandas as pd
    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from napari_sam2.plugin.actions.images.image_follower import ImageFollower
    from napari_sam2.plugin.controller import Controller
    from napari_sam2.plugin.files.exporter import Material
    from napari_sam2.plugin.files.widget_state import WidgetState
    from napari_sam2.plugin.panel.panel import Panel
    from napari_sam2.plugin.state.object_names import ObjectNames
    from napari_sam2.plugin.state.opened_session import OpenedSession

# What napari and its readers raise where one of them cannot open a file, or none is chosen among several.
_NOT_READ = (NoAvailableReaderError, MultipleReaderError, LookupError, ValueError, OSError, RuntimeError, TypeError)


class FileDialogs(QObject):
    """Saving, opening and exporting, as the user asks for it."""

    def __init__(
        self,
        viewer: ViewerModel,
        controller: Controller,
        *,
        panel: Panel,
        images: ImageFollower,
        objects: ObjectNames,
        say: Callable[[str], object],
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._say = say
        self._controller = controller
        self._panel = panel
        self._box = panel.files_box
        self._images = images
        self._objects = objects
        self.exporting = Exporting(controller, objects)
        # The one that is open, or was last.
        self.video_edit: VideoEditDialog | None = None
        self.keeping = SessionSaver(
            controller, objects, keep_unsaved=lambda: bool(remembered("files", "keep_unsaved", default=True))
        )
        self.keeping.layers_on = lambda image: lie_on(image, viewer.layers)
        images.removed.part_with = self.keeping.part_with
        self._connect_exports()
        self._connect_sessions()
        # Looked for before anything of this window is there, so what is found is of windows that are closed.
        self.list_unsaved()
        if self._box.found.count():
            show_info("Work with SAM 2 that was not saved can be brought back: see the top of its widget.")

    def _connect_exports(self) -> None:
        box, exporting = self._box, self.exporting
        # From the panel: what is asked for. Cancelling only sets a mark that the export's thread sees.
        box.offer(exporting.choices, lambda: exporting.caution)
        box.export_asked.connect(self._export)
        # From the export, through the event loop: how far it is, and how it ended.
        exporting.progressed.connect(box.show_export)
        exporting.ended.connect(lambda: box.show_export("", 0, 0))
        exporting.wrote.connect(show_info)
        exporting.guessed.connect(show_warning)
        exporting.cancelled.connect(lambda: show_info("Export cancelled: nothing was written."))
        box.buttons["cancel_export"].clicked.connect(lambda _=False: exporting.cancel())
        exporting.failed.connect(self._failed)
        self._panel.measure_box.asked.connect(lambda: exporting.measure(self._measured))

    def _measured(self, rows: pd.DataFrame, tracks: pd.DataFrame) -> None:
        labels = self._controller.layers.labels
        colours = {int(i): colour_of(labels, int(i)) for i in rows["object"].unique()}
        selected = self._controller.layers.selected
        self._panel.measure_box.show_measurements(rows, tracks, colours=colours, selected=selected)

    def _connect_sessions(self) -> None:
        box, keeping = self._box, self.keeping
        # From the panel: each button asks a question first.
        box.buttons["save_session"].clicked.connect(lambda _=False: self.ask_and_save())
        box.buttons["open_session"].clicked.connect(lambda _=False: self.ask_and_open())
        box.recovery_asked.connect(self.open)
        box.discard_asked.connect(self._ask_and_discard)
        self._panel.track_box.buttons["labels_on_disk"].clicked.connect(lambda _=False: self._ask_for_labels())
        # From the saver: what became of it.
        keeping.folder_changed.connect(self._show_folder)
        keeping.saved.connect(lambda folder: show_info(f"Saved to {folder}, now and as you work."))
        keeping.opened.connect(self._opened)
        keeping.missing.connect(self._ask_for_image)
        keeping.parted.connect(self._parted)
        keeping.failed.connect(self._failed)

    # Sessions

    def open(self, folder: str) -> None:
        """Bring a session back, on an image that is open or on the file that it was."""
        images = [layer for layer in self._viewer.layers if isinstance(layer, Image)]
        self.keeping.open(folder, images, find=self._open_image)

    def list_unsaved(self) -> None:
        """Offer work that was not saved."""
        known = {str(layer.unique_id) for layer in self._viewer.layers}
        found = [one for one in recovery.find_unsaved() if not self.keeping.is_left(one.folder, known)]
        self._box.show_recoveries((one.text, str(one.folder)) for one in found)

    def _parted(self, folders: Iterable[Path]) -> None:
        self.list_unsaved()
        bar = "see the top of the panel"
        for where in dict.fromkeys(bar if recovery.is_recovery(one) else f"it is in {one}" for one in folders):
            show_info(f"The image was deleted. The work on it can be brought back: {where}.")

    def _open_image(self, path: Path, reader: str | None) -> list[Image]:
        problem: Exception | None = None
        # The reader that opened it before, else the one that napari takes, else those that everybody has.
        for plugin in dict.fromkeys((reader, None, "napari-sam2", "napari")):
            try:
                layers = self._viewer.open(str(path), plugin=plugin)
            except _NOT_READ as error:
                problem = problem or error
            else:
                return [layer for layer in layers if isinstance(layer, Image)]
        # The first problem is the one to show: the last reader knows least of the file.
        self._failed(ValueError(f"{path} cannot be opened: {problem}. Open it in napari, then open the session again."))
        return []

    def _opened(self, opened: OpenedSession, notes: WidgetState, problems: tuple[str, ...]) -> None:
        controller, session = self._controller, opened.engine.session
        # Called when the folder has been read, from the event loop. First the notes of the session that is left are
        # written, while the layers still show it.
        self.keeping.write_down()
        # What happens in the layers meanwhile is not the user's doing.
        controller.edits.is_held = True
        try:
            # The order: an earlier session on this stack goes, then comes the model, then the image, the names, the
            # prompts in their layers, and the settings. Only when all is in place the session is adopted, and compares
            # its prompts with the layers.
            controller.close_space(opened.space)
            if session.model is not controller.model:
                controller.use_model(session.model)
                self._show_model(session.model)
            # Where a widget was opened again the layers are as the user left them, and the session hears what is new.
            is_there = self.keeping.picked_up == opened.space == controller.layers.space
            if not is_there:
                first = min((prompt.frame for prompt in session.prompts), default=0)
                self._images.show(opened.image, opened.space, frame=first)
            self.keeping.picked_up = None
            self._images.colours.show(opened.image, opened.looks)
            names = {object_id: self._objects.default_name(object_id) for object_id in session.object_ids}
            self._objects.bring_back(names | notes.names, notes.hidden)
            controller.layers.fill(opened.drawings)
            controller.layers.select(notes.selected)
            controller.zoom = session.zoom
            self._panel.model_box.show_zoom(session.zoom)
            controller.memory = session.memory
            self._panel.model_box.show_memory(session.memory)
            self._panel.threshold.setValue(notes.threshold)
        finally:
            # Also after an error: otherwise no session would ever be opened again.
            controller.edits.is_held = False
        controller.adopt(opened)
        # What follows needs the adopted session: the rest of a run, and where the folder is.
        self._panel.track_box.show_idle(can_resume=controller.can_resume, text=_left(session.unfinished))
        self.list_unsaved()
        self._show_folder()
        if problems:
            show_warning("\n".join(("The session is open, but not all is as it was:", *problems)))

    def _show_model(self, model: Any) -> None:
        from napari_sam2.weights.source import source_of

        source = source_of(model)
        if source is not None:
            self._panel.model_box.show_model(source.name, source.path, model.options.preset)

    def _show_folder(self) -> None:
        folder = self.keeping.folder if self.keeping.is_saved else None
        self._box.show_folder(None if folder is None else folder.name, unsaved=self._controller.has_work)
        self._box.where.setToolTip("Where the work on this stack is kept" if folder is None else str(folder))

    def keep_labels_on_disk(self, folder: str) -> None:
        """Write results into a new layer on disk; the one before is hidden."""
        layers = self._controller.layers
        if layers.image is None or layers.space is None:
            return
        try:
            new = labels_on_disk(layers.image, layers.space, folder, object_id=layers.selected)
        except (ValueError, OSError, MissingExtraError) as error:
            self._failed(error)
            return
        if layers.labels is not None and is_own(layers.labels):
            layers.labels.visible = False
        layers.put_labels(new)

    # Questions

    def _ask_for_labels(self) -> None:
        proposal = str(self._beside_image() / "labels.zarr")
        option = QFileDialog.Option.DontConfirmOverwrite
        path, _ = QFileDialog.getSaveFileName(self._parent, "New folder for labels", proposal, options=option)
        if path:
            self.keep_labels_on_disk(path)

    def ask_and_save(self) -> None:
        """Ask for a new folder, and save the session there."""
        image = self._controller.layers.image
        name = "session" if image is None else image.name
        proposal = str(recovery.next_free(self._beside_image() / f"{name}{recovery.SUFFIX}"))
        option = QFileDialog.Option.DontConfirmOverwrite
        path, _ = QFileDialog.getSaveFileName(self._parent, "New session folder", proposal, options=option)
        if path:
            self.keeping.save(path)

    def ask_and_open(self) -> None:
        """Ask for a session folder, and bring it back."""
        folder = QFileDialog.getExistingDirectory(self._parent, "Session folder", str(self._beside_image()))
        if folder:
            self.open(folder)

    def _ask_and_discard(self, folder: str) -> None:
        # Opened without waiting, as a waiting dialog would stop the event loop of tests and scripts; kept, or it would
        # be gone at once.
        self._question = QMessageBox(
            QMessageBox.Icon.Question,
            "Discard unsaved work",
            f"Delete the work on {self._box.found.currentText()} for good?",
            QMessageBox.StandardButton.Discard | QMessageBox.StandardButton.Cancel,
            self._parent,
        )
        self._question.setObjectName("discard_question")
        self._question.button(QMessageBox.StandardButton.Discard).clicked.connect(lambda: self._discard(folder))
        self._question.open()

    def _discard(self, folder: str) -> None:
        recovery.discard(Path(folder))
        self.list_unsaved()

    def _ask_for_image(self, folder: Path, image: str) -> None:
        title = f"Where is the image of {folder.name} now? It was {image}"
        path, _ = QFileDialog.getOpenFileName(self._parent, title, str(folder.parent))
        # Tried once, with this file alone; without an answer the session stays closed.
        if path:
            self.keeping.open(folder, self._open_image(Path(path), None), find=None)
        else:
            self._failed(ValueError(f"Open the image of {folder.name} ({image}) in napari, then open the session."))

    @property
    def _parent(self) -> QWidget:
        window: QWidget = self._box.window()
        return window

    def _failed(self, error: Exception) -> None:
        show_error(explain(error))
        # The notice goes by itself.
        self._say(explain(error))

    # Exports

    def _export(self, choice: ExportChoice) -> None:
        if choice.name == TRACKS_LAYER:
            self.exporting.add_tracks(self._add_tracks)
            return
        if choice.needs_axis and not self._controller.is_axis_known:
            self._ask_for_kind(choice)
            return
        if choice.name in VIDEO_EDITS:
            self._ask_for_edit(choice)
            return
        self._ask_and_write(choice)

    def _ask_and_write(self, choice: ExportChoice, edit: VideoEdit | None = None) -> None:
        path = self._ask_for_target(choice)
        if path:
            self.exporting.write(choice.name, path, edit)

    def _ask_for_edit(self, choice: ExportChoice) -> None:
        if self.video_edit is not None:
            self.video_edit.close()
        able = {one.name: one for one in self.exporting.choices() if not one.reason}
        offered = [able[name] for name in VIDEO_EDITS if name in able]
        dialog = VideoEditDialog(offered, self.exporting.shown_frame, self._parent)
        dialog.asked.connect(lambda edit: self._ask_and_write(edit.choice, edit))
        # The viewer stays free, and the preview goes along with it, once it is known which frame is on show.
        follow = self._viewer.dims.events.current_step
        follow.connect(dialog.refresh, position="last")
        dialog.finished.connect(lambda _: follow.disconnect(dialog.refresh))
        self.video_edit = dialog
        dialog.choose(choice.name)
        dialog.show()

    def _ask_for_kind(self, choice: ExportChoice) -> None:
        question = QMessageBox(self._parent)
        question.setObjectName("kind_question")
        question.setIcon(QMessageBox.Icon.Question)
        question.setWindowTitle("Time or depth?")
        question.setText("The image does not say whether its frames are time points or slices, and the file has to.")
        question.addButton(QMessageBox.StandardButton.Cancel)
        for kind, text in (("t", "Time"), ("z", "Depth")):
            button = question.addButton(text, QMessageBox.ButtonRole.AcceptRole)
            button.clicked.connect(lambda _=False, kind=kind: self._export_as(choice, kind))
        # Opened without waiting and kept, as above.
        self._question = question
        question.open()

    def _export_as(self, choice: ExportChoice, kind: str) -> None:
        self._images.say_kind(kind)
        self._export(choice)

    def _ask_for_target(self, choice: ExportChoice) -> str:
        proposal = str(self._beside_image() / choice.filename)
        # An earlier export may be replaced, which is asked for here only where it is a file.
        option = QFileDialog.Option.DontConfirmOverwrite if choice.is_folder else QFileDialog.Option(0)
        suffix = "".join(Path(choice.filename).suffixes)
        kinds = f"{choice.title} (*{suffix})" if suffix else choice.title
        path, _ = QFileDialog.getSaveFileName(self._parent, choice.title, proposal, kinds, options=option)
        return str(path)

    def _beside_image(self) -> Path:
        image = self._controller.layers.image
        path = None if image is None else image.source.path
        return Path() if path is None else Path(path).parent

    def _add_tracks(self, rows: NDArray[Any], material: Material) -> None:
        self._viewer.add_tracks(**tracks_layer(rows, material))


def _left(frames: int) -> str:
    if not frames:
        return ""
    return f"{frames} frame{'s are' if frames > 1 else ' is'} left of the last run: press Continue."

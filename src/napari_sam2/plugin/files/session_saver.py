"""Saves sessions to folders, keeps those up to date, and opens them; unsaved work goes to the cache folder.

Everything here runs on the GUI thread but the functions called ``work``, which run on the worker's.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_sam2.plugin.layers.layer_frames import LayerFrames, frames_along, layer_shape
from napari_sam2.plugin.layers.shown_colours import found_in
from napari_sam2.plugin.state.opened_session import OpenedSession
from napari_sam2.plugin.worker.worker import Job

from . import autosave as recovery
from .session_loader import reopen
from .widget_state import ImageNotes, WidgetState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from napari.layers import Image

    from napari_sam2.data.images.selection import Box
    from napari_sam2.plugin.controller import Controller
    from napari_sam2.plugin.state.object_names import ObjectNames
    from napari_sam2.plugin.worker.engine import Engine
    from napari_sam2.storage.folder.schema import DataRecord

    from .session_loader import Candidate

# Names and points are written this long after they have come to rest.
_NOTES_MS = 400
# Folders of sessions whose widget was closed, by what they are about: one that is opened on the same layers goes on
# with them. Layers have ids of their own, so viewers do not get into each other's way.
_LEFT: dict[LayerFrames, Path] = {}


class SessionSaver(QObject):
    """Saves the session on show, once and then automatically, and brings sessions back from their folders."""

    # The session on show may be in another folder now, or in one at all.
    folder_changed = Signal()
    # With the folder that the user named, when all is in it.
    saved = Signal(str)
    # With an `OpenedSession`, a `WidgetState`, and the problems as a tuple of lines.
    opened = Signal(object, object, object)
    # With a folder whose image was not found, and the image's path or name.
    missing = Signal(object, str)
    # With the folders of the work on images that were deleted; once for all at a time.
    parted = Signal(object)
    failed = Signal(object)

    def __init__(self, controller: Controller, objects: ObjectNames, *, keep_unsaved: Callable[[], bool]) -> None:
        super().__init__()
        self._controller = controller
        self._layers = controller.layers
        self._objects = objects
        self._keep_unsaved = keep_unsaved
        # Finds the layers that may make an image's colours, itself first; whoever has the viewer knows.
        self.layers_on: Callable[[Image], list[Image]] = lambda image: [image]
        # Where the user wants the work on a stack to be, whichever session does it.
        self._chosen: dict[LayerFrames, Path] = {}
        # Sessions that were given a folder, or are about to be. One whose saving failed stays in here: it is not tried
        # again every time that something changes.
        self._starting: set[Engine] = set()
        # What is still to be done with sessions whose images were deleted, and folders of those that have ended.
        self._parting: dict[Engine, Callable[[], Path | None]] = {}
        self._kept: list[Path] = []
        self._closed = False
        # What is being picked up where the last widget left it.
        self.picked_up: LayerFrames | None = None
        controller.pick_up = self.pick_up
        # The folder and state written last, so that equal ones are not written again.
        self._written: tuple[Path, WidgetState] | None = None
        # Every change starts the timer anew, so that a stroke or a run of clicks is written once. Masks and scores need
        # no timer: the session writes them itself as they come, on the worker.
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_NOTES_MS)
        self._rest.timeout.connect(self.keep_up)
        controller.results_changed.connect(self._rest.start)
        controller.failed.connect(self._went_wrong)

    @property
    def folder(self) -> Path | None:
        """Folder of the session on show."""
        session = self._controller.session
        return None if session is None else session.folder

    @property
    def is_saved(self) -> bool:
        """Whether the session on show is in a folder of the user's."""
        return self.folder is not None and not recovery.is_recovery(self.folder)

    # Saving

    def save(self, folder: str | Path) -> None:
        """Save the session on show to a new folder, and go on saving there."""
        engine, space = self._controller.engine, self._layers.space
        if engine is None or space is None:
            self.failed.emit(ValueError("There is nothing to save yet: open an image, and choose a model."))
            return
        target = Path(folder)
        if not target.name.endswith(recovery.SUFFIX):
            target = target.with_name(target.name + recovery.SUFFIX)
        if target.exists():
            self.failed.emit(ValueError(f"{target} is there already: take another name, or open that session."))
            return

        def done(earlier: Path | None) -> None:
            # On the GUI thread, when all is in the new folder. Only now the copy in the cache is deleted.
            self._chosen[space] = target
            if recovery.is_recovery(earlier) and earlier is not None:
                recovery.discard(earlier)
            self._changed(engine)
            self.saved.emit(str(target))

        # Marked before the job is queued: changes that come while it waits must not give the session a folder in the
        # cache.
        self._starting.add(engine)
        self._move(engine, target, done)

    def keep_up(self) -> None:
        """Write down what has changed in the layers, and keep a session that is in no folder yet."""
        # Called by the timer, and once a session has got its folder. A timer that ran out as the window closed comes
        # too late.
        if self._closed:
            return
        self.write_down()
        engine, space = self._controller.engine, self._layers.space
        if engine is None or space is None or engine.session.folder is not None:
            pass
        # An empty session is not worth a folder. One that is on its way to a folder is left alone until `_changed`
        # comes.
        elif _has_work(engine) and engine not in self._starting:
            self._start(engine, space)
        self.folder_changed.emit()

    def _start(self, engine: Engine, space: LayerFrames) -> None:
        if (target := self._place_for(space)) is not None:
            self._starting.add(engine)
            self._move(engine, target, lambda _earlier: self._changed(engine))

    def _place_for(self, space: LayerFrames) -> Path | None:
        """A new folder for work that is in none; None where it is not to be kept."""
        if space in self._chosen:
            # Another model, window or zoom: what the earlier session knew stays where it is.
            return recovery.next_free(self._chosen[space])
        image = self._layers.image
        name = "image" if image is None or str(image.unique_id) != space.image else image.name
        return recovery.new_folder(name) if self._keep_unsaved() else None

    def _move(self, engine: Engine, target: Path, done: Callable[[Path | None], None]) -> None:
        # In the queue with all other jobs: no prompt or frame is half in the folder and half not.
        def work() -> Path | None:
            earlier = engine.session.folder
            engine.session.save(target)
            return earlier

        self._controller.worker.submit(Job(work, done, self.failed.emit))

    def _went_wrong(self, error: Exception) -> None:
        # Called for every error that the controller reports, of a job or run: which file an ``OSError`` is about is not
        # known, so any counts while the session is in the cache.
        engine = self._controller.engine
        if isinstance(error, OSError) and engine is not None and recovery.is_recovery(engine.session.folder):
            # A full disk: work that nobody has asked to keep must not keep anybody from working.
            self._controller.worker.submit(Job(engine.session.close, lambda _none: None, self.failed.emit))

    def _changed(self, engine: Engine) -> None:
        # The user may look at another stack by now, whose notes do not belong into this folder.
        if engine is self._controller.engine:
            self.keep_up()

    def _write_notes(self, folder: Path) -> None:
        notes = self.notes()
        if self._written == (folder, notes):
            return
        # Remembered also where it fails, so that a full disk is reported once and not at each change.
        try:
            notes.write(folder)
        except OSError as error:
            self.failed.emit(error)
        self._written = folder, notes

    def notes(self) -> WidgetState:
        """Collect what the session does not know."""
        layers, objects, controller = self._layers, self._objects, self._controller
        image, space = layers.image, layers.space
        assert image is not None
        assert space is not None
        return WidgetState(
            ImageNotes.of(image, space, controller.workspace.looks.get(space, ())),
            pending=tuple(controller.edits.prompts.pending),
            names=dict(objects.names),
            hidden=tuple(sorted(objects.hidden)),
            selected=layers.selected,
            threshold=controller.threshold,
        )

    # Opening

    def pick_up(self, space: LayerFrames) -> bool:
        """Go on with the session that a widget on these frames had when it was closed; False where there is none."""
        folder, image = _LEFT.pop(space, None), self._layers.image
        if folder is None or image is None or not folder.is_dir():
            return False
        self.picked_up = space
        self.open(folder, self.layers_on(image), find=None)
        return True

    def is_left(self, folder: Path, images: Collection[str]) -> bool:
        """Whether a folder is going to be picked up on one of some images, by their unique ids."""
        return any(space.image in images and left == folder for space, left in _LEFT.items())

    def _not_opened(self, error: Exception) -> None:
        self.failed.emit(error)
        # What was to be picked up is damaged or gone: the frames on show get a new session.
        if self.picked_up is not None:
            self.picked_up = None
            self._controller.open_space()

    def open(
        self, folder: str | Path, images: Iterable[Image], *, find: Callable[[Path, str | None], Iterable[Image]] | None
    ) -> None:
        """Bring a session back, on one of some layers or on its image file.

        ``find`` opens an image file with a reader plugin and returns its layers; None where no file is to be opened.
        """
        from napari_sam2.storage.folder.layout import image_places, read_header

        # A folder is open once: two sessions that write to it would spoil it.
        place = Path(folder).resolve()
        if any(engine.session.folder == place for engine in self._controller.workspace.engines.values()):
            self._not_opened(ValueError(f"{place.name} is open in this window already: choose its image in the panel."))
            return
        # Only small files are read here, on the GUI thread; pixels and results are read by the worker.
        try:
            header = read_header(place)
            notes, problems = WidgetState.read(place)
            candidates = spaces_in(images, header.data, notes)
            paths = image_places(header.data, place) or notes.files
        except (ValueError, OSError) as error:
            self._not_opened(error)
            return
        # The model of now, as the session may do with it; the loader looks whether it is the same one.
        model = self._controller.model

        def work() -> OpenedSession | None:
            return reopen(place, header, notes, candidates=candidates, model=model)

        def done(opened: OpenedSession | None) -> None:
            # Back on the GUI thread. Found among the open layers, or else asked once more after its file has been
            # opened, or else the user is asked; ``find`` is None the second time, so that this comes to an end.
            if opened is not None:
                self._show(opened, notes, problems)
            elif find is None:
                text = f"This is not the image of the session {place.name}: it has another size, or other pixels."
                self._not_opened(ValueError(text))
            elif paths:
                self.open(place, find(paths[0], None if notes.image is None else notes.image.reader), find=None)
            else:
                self.missing.emit(place, _name_of(header.data, notes))

        # The controller's guard against answers of before is not used: an opened folder is wanted whatever was chosen
        # meanwhile.
        self._controller.worker.submit(Job(work, done, self._not_opened, "open session"))

    def _show(self, opened: OpenedSession, notes: WidgetState, problems: list[str]) -> None:
        # If another model takes over later, it goes on beside the user's folder, not in the cache.
        folder = opened.engine.session.folder
        if folder is not None and not recovery.is_recovery(folder):
            self._chosen[opened.space] = folder
        self.opened.emit(opened, notes, (*problems, *opened.problems))

    # The end

    def close(self) -> None:
        """Write down the last changes and let go of all folders; those that hold no work go."""
        if self._closed:
            return
        # Called when the dock closes and when the widget is destroyed, after the controller has stopped the worker:
        # nothing else uses the sessions any more, so they can be closed on this thread.
        self.write_down()
        self._closed = True
        if not self._controller.worker.is_over:
            # It is still inside a step: the folders are let go of when the program ends.
            return
        endings: list[tuple[LayerFrames | None, Callable[[], Path | None]]]
        endings = [(None, end) for end in self._parting.values()]
        endings += [(space, self._ending(space, one)) for space, one in self._controller.workspace.engines.items()]
        for space, end in endings:
            try:
                folder = end()
            except OSError as error:
                self.failed.emit(error)
            else:
                if space is not None and folder is not None:
                    _LEFT[space] = folder
        recovery.prune()

    def part_with(self, space: LayerFrames, engine: Engine) -> None:
        """Keep the work of a session whose image was deleted, and let go of its folder."""
        # Behind what the session is still to be told; the window may close before its turn comes.
        end = self._parting[engine] = self._ending(space, engine)
        self._controller.worker.submit(Job(end, partial(self._parted, engine), partial(self._not_parted, engine)))

    def _not_parted(self, engine: Engine, error: Exception) -> None:
        self.failed.emit(error)
        self._parted(engine, None)

    def _parted(self, engine: Engine, folder: Path | None) -> None:
        del self._parting[engine]
        if folder is not None:
            self._kept.append(folder)
        if self._kept and not self._parting:
            kept, self._kept = self._kept, []
            self.parted.emit(kept)

    def _ending(self, space: LayerFrames, engine: Engine) -> Callable[[], Path | None]:
        """What brings a session to its end, on any thread, and returns the folder of its work, if there is any."""
        target, notes = self._place_for(space), self.notes() if space == self._layers.space else None

        # The window may close before it is known to have been called.
        @cache
        def end() -> Path | None:
            session, has_work = engine.session, _has_work(engine)
            try:
                # It may be too young for the timer.
                if session.folder is None and has_work and target is not None:
                    session.save(recovery.next_free(target))
                folder = session.folder
                if folder is not None and notes is not None:
                    notes.write(folder)
            finally:
                session.close()
            if folder is not None and not has_work and recovery.is_recovery(folder):
                recovery.discard(folder)
            return folder if has_work else None

        return end

    def write_down(self) -> None:
        """Write down what has changed in the layers, where there is a folder already."""
        self._rest.stop()
        if self._layers.image is not None and self._layers.space is not None and self.folder is not None:
            self._write_notes(self.folder)


def _has_work(engine: Engine) -> bool:
    """Whether there is something in a session, or was before the steps that can be undone, or done again."""
    return bool(engine.session.object_ids) or any(engine.session.history)


def spaces_in(images: Iterable[Image], data: DataRecord, notes: WidgetState) -> list[Candidate]:
    """List layers whose shape is that of a session's image, each with the frames that it would be."""
    images = list(images)
    if notes.image is not None:
        spaces = [(image, notes.image.space_in(image), found_in(notes.image.looks, image, images)) for image in images]
        return [(image, space, looks) for image, space, looks in spaces if space is not None and looks is not None]
    if data.every != "1":
        raise ValueError(
            f"this session tracks every {data.every} frames, which the widget cannot: use napari-sam2 resume"
        )
    region = None if data.crop == (0, 0, *data.whole[1:]) else data.crop
    return [
        (image, space, ()) for image in images for space in _spaces_of(image, data.whole, data.selection.at, region)
    ]


def _spaces_of(image: Image, whole: tuple[int, ...], at: object, region: Box | None) -> list[LayerFrames]:
    """List the ways in which a layer has frames of a shape; ``at`` is the place on its other axis, if it has one."""
    shape = layer_shape(image)

    def along(axis: int | None, fixed: tuple[int, ...] = ()) -> LayerFrames:
        return frames_along(axis, fixed, shape=shape, image=str(image.unique_id), region=region)

    if shape == whole:
        return [along(0)]
    if shape == whole[1:] and whole[0] == 1:
        return [along(None)]
    if len(shape) != 4 or shape[-2:] != whole[1:] or not isinstance(at, int) or at < 0:
        return []
    # Which of the two axes is time and which is depth only the pixels tell.
    return [along(axis, (at,)) for axis in (0, 1) if shape[axis] == whole[0] and at < shape[1 - axis]]


def _name_of(data: DataRecord, notes: WidgetState) -> str:
    if data.path is not None:
        return data.path
    return notes.image.name if notes.image is not None else "in memory"

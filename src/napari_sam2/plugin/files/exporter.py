"""Exports results to files in all formats, on a thread of its own, so that the window and the worker go on."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.qt.threading import thread_worker
from qtpy.QtCore import QObject, Signal

from napari_sam2.data.formats import FORMATS, Format, Results, export_results, tracks_array
from napari_sam2.data.images.pixels.contrast import Window, choose_window, to_rgb8
from napari_sam2.data.labels.label_stack import LabelStack, label_dtype
from napari_sam2.data.labels.lineage import Lineage
from napari_sam2.data.labels.scores import ScoreTable
from napari_sam2.data.prompts.drawn_prompts import drawn_prompt
from napari_sam2.data.prompts.placed_prompts import prompt_outside
from napari_sam2.data.prompts.prompt import write_prompts
from napari_sam2.plugin.layers.layer_frames import make_stack, volumes_of
from napari_sam2.plugin.layers.layer_geometry import transform_like
from napari_sam2.plugin.state.export_choice import Caution, ExportChoice, VideoEdit
from napari_sam2.wording import out_of_date

if TYPE_CHECKING:
    import pandas as pd
    from napari.layers import Image, Labels
    from numpy.typing import NDArray

    from napari_sam2.data.images.selection import Box
    from napari_sam2.data.images.stack import Stack
    from napari_sam2.data.prompts.drawing import Drawing, PromptKey
    from napari_sam2.data.prompts.prompt import Prompt
    from napari_sam2.plugin.controller import Controller
    from napari_sam2.plugin.layers.layer_frames import LayerFrames
    from napari_sam2.plugin.layers.shown_colours import Looks
    from napari_sam2.plugin.state.object_names import ObjectNames

# Choices beside the formats: prompts for the command line, and a layer that is no file.
PROMPTS, TRACKS_LAYER = "prompts", "tracks-layer"


class ExportCancelledError(Exception):
    """The user wants no file any more."""


def choices(image: Image | None, space: LayerFrames | None, *, axis: str, has_labels: bool) -> list[ExportChoice]:
    """List all formats, and why those cannot be chosen that this stack cannot be written in.

    ``axis`` is what the frames are, ``"t"`` or ``"z"``.
    """
    nothing = "" if has_labels else "there are no results yet: prompt and track first"
    found = [ExportChoice(PROMPTS, "Prompts, for the command line", "prompts.json", reason=nothing)]
    found.append(ExportChoice(TRACKS_LAYER, "Add a Tracks layer of the centres", "", reason=nothing))
    if space is not None and space.order and not nothing:
        found[0] = replace(found[0], reason="they lie across the image's own planes, which the command line tracks")
    if space is not None and space.n_planes and not nothing:
        found[0] = replace(found[0], reason="a file of prompts is about one volume, and these may be about several")
    for one in FORMATS.values():
        # The stack is only asked for its shape and axes; no pixel is read while the menu opens.
        frames = None if space is None else _frames_in(one, space.whole)
        stack = None if image is None or frames is None else make_stack(image, frames, axis=axis)
        missing = [module for module in one.modules if importlib.util.find_spec(module) is None]
        reason = nothing
        # A package to install is the first thing to say: whether the stack fits matters after that.
        if space is not None and space.n_planes and not one.volumes:
            reason = reason or "it cannot hold volumes over time"
        elif missing:
            reason = f'the package {missing[0]} is not installed: pip install "napari-sam2[{one.extra}]"'
        elif stack is not None and one.check is not None:
            try:
                one.check(stack)
            except ValueError as error:
                reason = str(error)
        # Names such as nnU-Net are written as they are.
        first = one.title.split()[0]
        title = one.title.replace(first, first.capitalize(), 1) if first.islower() else one.title
        found.append(
            ExportChoice(one.name, title, one.filename, one.is_own is not None, one.lost, one.needs_axis, reason)
        )
    return found


def _frames_in(one: Format, space: LayerFrames) -> LayerFrames:
    """Images of labels are written as the image lies, all else along the axis that was tracked."""
    return space if one.keeps is None else space.in_own_planes


@dataclass(frozen=True, eq=False)
class Material:
    """What is written, as it was when that was asked for."""

    # Layer of the images.
    image: Image
    # Layer of the results.
    labels: Labels
    # The whole planes.
    space: LayerFrames
    # ``"t"`` or ``"z"``.
    axis: str
    # In pixels of the whole planes.
    scores: ScoreTable
    # By object id.
    names: dict[int, str] = field(default_factory=dict)
    # Pixel values shown black and white.
    window: tuple[float, float] | None = None
    # How the layers are shown that the images are the colours of.
    looks: Looks = ()
    # The part of the planes that the prompts are about.
    region: Box | None = None
    # The prompts, in pixels of that part.
    drawings: Mapping[PromptKey, Drawing] = field(default_factory=dict)
    # By object, the one that it was born of.
    parents: Mapping[int, int] = field(default_factory=dict)
    # By object, its class, of those that have one.
    classes: Mapping[int, str] = field(default_factory=dict)
    # Whether the axis is what the image says.
    is_axis_known: bool = True

    def for_format(self, name: str) -> Material:
        """Take the frames that a format is written in; those across the tracked ones have no scores."""
        space = _frames_in(FORMATS[name], self.space)
        return self if space is self.space else replace(self, space=space, scores=ScoreTable())

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """Prompts in pixels of the whole planes; it takes a while to fill their outlines."""
        geometry = self.space.part(self.region)
        y0, x0, y1, x1 = geometry.crop
        prompts = (drawn_prompt(key, drawing, (y1 - y0, x1 - x0)) for key, drawing in self.drawings.items())
        return tuple(prompt_outside(prompt, geometry) for prompt in prompts)

    @property
    def stack(self) -> Stack:
        """The images."""
        return make_stack(self.image, self.space, axis=self.axis, looks=self.looks)

    @property
    def shown_window(self) -> Window | None:
        """Pixel values shown black and white."""
        return None if self.window is None else Window(*self.window)

    def results(self, seen: Callable[[int], None]) -> Results:
        """Collect what is on the screen, with a call of ``seen`` for every frame that is read then and from then on."""
        from napari_sam2.session.quality.expected_quality import estimated

        # A frame is done where it has scores, or labels that the user painted. Others are left out, which some formats
        # tell from frames that are empty.
        done = {row.frame for row in self.scores}
        labels = _Watched(self.space.stack_shape, label_dtype([0]), seen=seen)
        for frame in range(self.space.n_frames):
            seen(frame)
            image = np.asarray(self.labels.data[self.space.index(frame)])
            if frame in done or image.any():
                labels.widen(label_dtype([int(image.max(initial=0))]))
                labels.set(frame, image)
        stack = self.stack
        volumes, frames = volumes_of(self.image, self.space, stack), range(self.space.n_frames)
        # Who came from whom is asked of time points.
        n_planes = self.space.n_planes or 1
        ids = [{i for t in frames[at : at + n_planes] for i in labels.object_ids(t)} for at in frames[::n_planes]]
        lineage = Lineage.of_frames(ids, self.parents)
        # Of volumes over time no quality is known.
        scores = self.scores if volumes is not None else estimated(self.scores)
        return Results(
            labels,
            stack,
            scores,
            self.names,
            self.shown_window,
            lineage=lineage,
            volumes=volumes,
            classes=self.classes,
        )


class _Watched(LabelStack):
    """Label images that call a function whenever one is read, which counts progress and may cancel the export."""

    def __init__(self, shape: tuple[int, int, int], dtype: Any, *, seen: Callable[[int], None]) -> None:
        super().__init__(shape, dtype)
        self._seen = seen

    def __getitem__(self, frame: int | slice) -> NDArray[Any]:
        if isinstance(frame, int):
            self._seen(frame)
        return super().__getitem__(frame)


class Exporting(QObject):
    """Starts exports one at a time, reports how far they are, and cancels them."""

    # With the name of the file, the frame and the number of frames; sent from the export's thread.
    progressed = Signal(str, int, int)
    # Comes at the end of any export, before the signal that says how it ended.
    ended = Signal()
    # With a line for the user.
    wrote = Signal(str)
    # With a line for the user about what was taken for granted.
    guessed = Signal(str)
    cancelled = Signal()
    failed = Signal(object)

    def __init__(self, controller: Controller, objects: ObjectNames) -> None:
        super().__init__()
        self._controller = controller
        self._layers = controller.layers
        self._objects = objects
        self.is_running = False
        # Set on the GUI thread, looked at by the export's thread with every frame.
        self._unwanted = threading.Event()

    def choices(self) -> list[ExportChoice]:
        """List the formats for the stack on show."""
        layers = self._layers
        has_labels = layers.labels is not None and self._controller.has_work
        return choices(layers.image, layers.space, axis=self._controller.axis, has_labels=has_labels)

    @property
    def caution(self) -> Caution | None:
        """What is to be known of results that are going to change, and what would be done about it first."""
        controller = self._controller
        if controller.is_running:
            return Caution("Tracking is under way", "wait for its end")
        if stale := len(controller.results.stale_frames()):
            return Caution(out_of_date(stale), "Update (U)")
        return Caution("Tracking was stopped", "Continue") if controller.can_resume else None

    def shown_frame(self) -> tuple[NDArray[np.uint8], NDArray[Any]] | None:
        """The frame on show, (Y, X, 3), and its labels."""
        material = self._material()
        if material is None:
            return None
        stack, frame = material.stack, self._layers.frame
        labels = np.asarray(material.labels.data[material.space.index(frame)])
        return to_rgb8(stack.read(frame), material.shown_window or choose_window(stack)), labels

    def write(self, name: str, path: str | Path, edit: VideoEdit | None = None) -> None:
        """Write in a format, unless something is being written; ``edit``: what becomes of the background."""
        target = Path(path)
        seen = self._shown_as(target.name)
        if name in FORMATS and FORMATS[name].needs_axis and not self._controller.is_axis_known:
            # The panel asks before it comes here; a script is told what was taken.
            self.guessed.emit(
                f"The image does not say whether its frames are time or depth: {target.name} has them as slices. If "
                'they are time, say so beside "frames are" and export again.'
            )

        def work(material: Material) -> Path:
            if not material.is_axis_known:
                material = replace(
                    material, axis="z" if name in FORMATS and FORMATS[name].needs_axis else material.axis
                )
            if name == PROMPTS:
                write_prompts(target, material.prompts)
                return target
            results = material.for_format(name).results(seen)
            if edit is not None:
                results = replace(results, background=edit.colour, blur=edit.blur)
            return export_results(results, name, target)

        caution = self.caution
        more = "" if caution is None else f". {caution.afterwards}"
        self._start(work, lambda written: self.wrote.emit(f"Written to {written}{more}"), target.name)

    def add_tracks(self, add: Callable[[Any, Material], None]) -> None:
        """Find the centres of all objects and hand them, (N, 4) as a Tracks layer takes them, to ``add``."""
        material = self._material()

        caution = self.caution

        def done(rows: NDArray[np.float64]) -> None:
            if material is not None and len(rows):
                add(rows, material)
            if caution is not None:
                self.wrote.emit(caution.afterwards)

        seen = self._shown_as("centres")
        self._start(lambda known: tracks_array(known.results(seen)), done, "centres")

    def measure(self, show: Callable[[pd.DataFrame, pd.DataFrame], None]) -> None:
        """Measure all objects and hand the tables, a row per frame and a row per track, to ``show``."""
        from napari_sam2.data.formats.tracks.measurements import measurements, track_measurements

        def work(material: Material) -> tuple[pd.DataFrame, pd.DataFrame]:
            results = material.results(seen)
            rows = measurements(results)
            return rows, track_measurements(rows, results)

        seen = self._shown_as("measurements")
        self._start(work, lambda tables: show(*tables), "measurements")

    def cancel(self) -> None:
        """Give up what is being written; an older file of its name stays as it was."""
        self._unwanted.set()

    def _shown_as(self, what: str) -> Callable[[int], None]:
        n_frames = 0 if self._layers.space is None else self._layers.space.n_frames

        # On the export's thread. An exception is the one way out of a writer in the middle of a file, and makes it
        # delete its draft.
        def seen(frame: int) -> None:
            if self._unwanted.is_set():
                raise ExportCancelledError(what)
            self.progressed.emit(what, frame + 1, n_frames)

        return seen

    def _start(self, work: Callable[[Material], Any], done: Callable[[Any], None], what: str) -> None:
        # All that is written is gathered now, on the GUI thread: the user may go on to another image or change names
        # meanwhile. Labels are not copied, as they may be on disk.
        material = self._material()
        if material is None:
            self.failed.emit(ValueError("There is nothing to export yet: prompt and track first."))
            return
        if self.is_running:
            self.failed.emit(ValueError("Another export is under way: wait for its end."))
            return
        self.is_running = True
        self._unwanted.clear()
        # Zero of zero frames shows a busy bar until the first frame is read.
        self.progressed.emit(what, 0, 0)

        def returned(value: Any) -> None:
            # The next two run on the GUI thread. The panel is free again before the outcome is shown, as a message box
            # may keep it waiting.
            self._end()
            done(value)

        def errored(error: Exception) -> None:
            self._end()
            if isinstance(error, ExportCancelledError):
                self.cancelled.emit()
            else:
                self.failed.emit(error)

        # A thread of napari's, not the worker: an export of a long video must not hold up prompts.
        run = thread_worker(
            lambda: work(material), connect={"returned": returned, "errored": errored}, start_thread=False
        )
        run().start()

    def _end(self) -> None:
        self.is_running = False
        self.ended.emit()

    def _material(self) -> Material | None:
        controller, layers = self._controller, self._layers
        if layers.image is None or layers.space is None or layers.labels is None:
            return None
        # A region is written in place on whole planes, with the results of all regions.
        space = layers.space.whole
        return Material(
            layers.image,
            layers.labels,
            space,
            controller.axis,
            scores=controller.workspace.scores(space),
            names=dict(self._objects.names),
            window=controller.window,
            looks=controller.workspace.looks.get(layers.space, ()),
            region=layers.space.selection.crop,
            drawings=controller.edits.prompts.drawings,
            parents=controller.workspace.parents(space),
            classes=controller.workspace.classes(space),
            is_axis_known=controller.is_axis_known,
        )


def tracks_layer(rows: NDArray[np.float64], material: Material) -> dict[str, Any]:
    """Give the arguments of a Tracks layer that lies on the image, in all its dimensions."""
    space = material.space
    data = [(row[0], *_place(space, row[1:])) for row in rows]
    there = {int(row[0]) for row in rows}
    graph = {child: [parent] for child, parent in material.parents.items() if {child, parent} <= there}
    name = f"{material.image.name}: tracks"
    return {"data": np.array(data), "graph": graph, "name": name, **transform_like(material.image)}


def _place(space: LayerFrames, centre: NDArray[np.float64]) -> tuple[float, ...]:
    """Data coordinates of a centre: (frame, y, x), or (time, plane, y, x) of volumes."""
    *frame, y, x = centre.tolist()
    place = list(space.position(0 if space.n_planes else int(frame[0]), y, x))
    # The centre of a volume lies between planes.
    for axis, at in zip(space.running if space.n_planes else (), frame, strict=False):
        place[axis] = at
    return tuple(place)

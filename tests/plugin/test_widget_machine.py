"""Whatever is done in the widget and in napari, in any order: one truth, and steps that lead back and forth."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from napari.layers._layer_actions import _duplicate_layer
from napari.utils.notifications import notification_manager
from pytestqt.exceptions import capture_exceptions
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from many_examples import TIMES, examples
from napari_sam2 import Session
from shown_session import check_agreement, everything_of
from small_model import drifting_textures

if TYPE_CHECKING:
    from conftest import Desk

N_FRAMES = 6
FRAMES = drifting_textures()[:N_FRAMES]
frame = st.integers(0, N_FRAMES - 1)
object_id = st.integers(1, 3)
place = st.tuples(st.integers(2, 43), st.integers(2, 51))
which = st.integers(0, 7)
images = st.sampled_from(["image", "other"])
kinds = st.sampled_from(["points", "shapes"])
layer_kinds = st.sampled_from(["points", "shapes", "labels"])
IN_ORDER = (0, 1, 2)


@dataclass
class Steps:
    """What an image's session held after each step that can be undone, and after those that can be done again.

    None where nobody saw it: a click during a run, say, is a step after another.
    """

    done: list[Any]
    undone: list[Any] = field(default_factory=list)


def contents(session: Session) -> list[Any]:
    """What a session holds, as values that can be compared."""
    steps = [[step.name for step in book] for book in session.history]
    with np.printoptions(threshold=sys.maxsize):
        prompts = [repr(prompt) for prompt in session.prompts]
    return [
        *(session.labels.to_array().astype(np.uint32).tobytes(), list(session.outputs.scores)),
        *(prompts, dict(session.stale), session.unfinished, session.accepted, session.lineage.to_csv(), steps),
    ]


class WidgetMachine(RuleBasedStateMachine):
    """A user at the widget, and at napari's own controls."""

    # Opens a viewer with the image, and a widget with a model in it.
    sit_down: Callable[[], Desk]

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.n_folders, self.has_moved = 0, False
        self.errors = capture_exceptions()
        self.raised = self.errors.__enter__()
        self.desk = type(self).sit_down()
        self.fill()
        self.steps: dict[str, Steps] = {}
        self.settle()
        # There is something to act on from the first.
        for at in ((20, 30), (40, 10)):
            self.click(new=True, t=0, at=at, off=False)

    def fill(self) -> None:
        """Put another image and layers of the user's own into the viewer."""
        viewer = self.desk.viewer
        viewer.add_image(FRAMES[:4, ::-1], name="other")
        points = np.array([[0, 7, 7], [3, 40, 30]], float)
        corners = np.array([[1, 30, 30], [1, 30, 44], [1, 42, 44], [1, 42, 30]], float)
        notes = np.zeros(FRAMES.shape, np.uint8)
        notes[1:, 30:40, 10:20], notes[:, 5:9, 40:50] = 2, 200
        self.own = [
            viewer.add_points(points, name="my points", features={"word": ["a", "b"]}, face_color="word"),
            viewer.add_shapes([corners], name="my shapes", edge_color="blue", metadata={"by": "me"}),
            viewer.add_labels(notes, name="my labels"),
        ]
        self.before = {layer: everything_of(layer) for layer in self.own}
        self.desk.find("image_layer").setCurrentText("image")
        self.desk.until(lambda: self.desk.widget.session is not None, "the session")
        notification_manager.records.clear()

    def teardown(self) -> None:
        if not hasattr(self, "steps"):
            return
        try:
            while self.here.done[1:]:
                self.undo(by_key=False)
            while self.here.undone:
                self.redo(by_key=False)
        finally:
            self.errors.__exit__(None, None, None)
            self.desk.leave()
            shutil.rmtree(self.folder, ignore_errors=True)

    # What there is

    @property
    def layers(self) -> Any:
        return self.desk.widget.layers

    @property
    def here(self) -> Steps:
        return self.steps[self.layers.image.name]

    @property
    def is_flat(self) -> bool:
        return tuple(self.desk.viewer.dims.order) == IN_ORDER and self.layers.image.name == "image"

    def state(self) -> Any:
        session = self.desk.widget.session
        prompts, labels = check_agreement(self.desk)
        return prompts, labels, dict(session.stale), session.unfinished

    def settle(self, *, n_errors: int | None = 0, goes_on: bool = False) -> None:
        """Wait for all answers; check that there was one notice at most, and no change without a step.

        ``n_errors`` is None where an action may be refused.
        """
        now, name = self.state(), self.layers.image.name
        notices = [record for record in notification_manager.records if record.severity in ("error", "warning")]
        notification_manager.records.clear()
        assert not self.raised
        messages = [record.message for record in notices]
        assert len(messages) <= 1, messages
        assert n_errors is None or sum(record.severity == "error" for record in notices) == n_errors, messages
        history = self.desk.widget.session.history
        steps = self.steps.setdefault(name, Steps([now]))
        if (n_new := len(history[0]) + 1 - len(steps.done)) > 0:
            steps.done += [*[None] * (n_new - 1), now]
            steps.undone.clear()
        elif goes_on:
            # A run goes on in the step that is there.
            steps.done[-1] = now
        assert len(history[0]) == len(steps.done) - 1
        assert len(history[1]) == len(steps.undone)
        steps.done[-1] = steps.done[-1] or now
        assert now == steps.done[-1]

    # Prompts

    @rule(new=st.booleans(), t=frame, at=place, off=st.booleans())
    def click(self, new: bool, t: int, at: tuple[int, int], off: bool) -> None:
        self.desk.press("new_object" if new else "tool_click")
        if off:
            self.desk.widget.act("switch_sign")
        self.desk.viewer.layers.selection.active.add([t, *at])
        self.settle()

    @precondition(lambda self: self.is_flat)
    @rule(
        tool=st.sampled_from(["tool_click", "tool_box", "tool_outline", "tool_scribble", "tool_paint"]),
        start=place,
        end=place,
    )
    def use_the_mouse(self, tool: str, start: tuple[int, int], end: tuple[int, int]) -> None:
        self.desk.viewer.reset_view()
        self.desk.press(tool)
        if tool == "tool_click":
            self.desk.click(*start)
        else:
            self.desk.drag(start, end)
        self.settle()

    @rule(t=frame, at=place, kind=st.sampled_from(["rectangle", "ellipse", "polygon", "path", "line"]))
    def draw(self, t: int, at: tuple[int, int], kind: str) -> None:
        (y, x), shapes = at, self.layers.need_shapes()
        corners = [[t, y, x], [t, y, x + 9], [t, y + 8, x + 9], [t, y + 8, x]]
        shapes.add(np.array(corners[:: 2 if kind == "line" else 1], float), shape_type=kind)
        self.settle()

    @rule(t=frame, at=place, label=st.integers(0, 3), size=st.integers(1, 9), erase=st.booleans())
    def paint(self, t: int, at: tuple[int, int], label: int, size: int, erase: bool) -> None:
        labels = self.layers.need_labels()
        labels.selected_label, labels.brush_size = label, size
        labels.mode = "erase" if erase else "paint"
        self.settle()
        t = min(t, len(labels.data) - 1)
        labels.paint((t, *at), 0 if erase else label)
        labels.mode = "pan_zoom"
        self.settle()

    @rule(at=place, label=object_id, how=st.sampled_from(["fill", "thick", "polygon"]))
    def paint_otherwise(self, at: tuple[int, int], label: int, how: str) -> None:
        """Fill, draw a polygon, or paint over several frames."""
        labels, t = self.layers.need_labels(), self.layers.frame
        labels.selected_label = label
        self.settle()
        if how == "thick":
            labels.n_edit_dimensions = 3
            labels.paint((1, *at), label)
            labels.n_edit_dimensions = 2
        elif how == "fill":
            labels.fill((t, *at), label)
        else:
            labels.paint_polygon(np.array([[t, *at], [t, at[0] + 9, at[1]], [t, *(one + 7 for one in at)]]), label)
        self.settle()

    # Prompts in napari's own ways

    def one_of(self, kind: str, index: int) -> Any:
        """Select a row of a layer of prompts; None where there is none."""
        layer = getattr(self.layers, kind)
        if layer is None or not len(layer.data) or layer in self.before:
            return None
        layer.selected_data = {index % len(layer.data)}
        return layer

    @rule(kind=kinds, index=which, at=place, every=st.booleans())
    def drag(self, kind: str, index: int, at: tuple[int, int], every: bool) -> None:
        layer = self.one_of(kind, index)
        if layer is not None:
            (row,) = layer.selected_data
            data = [np.array(one) for one in layer.data]
            way = np.array(at) - np.atleast_2d(data[row])[0, 1:]
            for one in data if every else [data[row]]:
                one[..., 1:] += way
            layer.data = np.array(data) if kind == "points" else data
            self.settle()

    @rule(kind=kinds, index=which, colour=st.sampled_from(["red", "lime"]), size=st.integers(1, 20))
    def recolour(self, kind: str, index: int, colour: str, size: int) -> None:
        layer = self.one_of(kind, index)
        if layer is not None:
            # Of what is selected, and of everything.
            layer.current_face_color = colour
            layer.face_color = colour
            if kind == "points":
                layer.size = size
            else:
                layer.edge_width = size
            self.settle()

    @rule(kind=kinds, index=which)
    def delete(self, kind: str, index: int) -> None:
        layer = self.one_of(kind, index)
        if layer is not None:
            layer.remove_selected()
            self.settle()

    @rule(kind=kinds, index=which, t=frame)
    def paste(self, kind: str, index: int, t: int) -> None:
        layer = self.one_of(kind, index)
        if layer is None:
            return
        (row,) = layer.selected_data
        if kind == "points":
            # napari 0.9.2 fails at the key itself.
            layer.add([t, *layer.data[row][1:]])
        else:
            layer._copy_data()
            self.desk.viewer.dims.set_point(0, t)
            layer._paste_data()
        self.settle()

    @rule(kind=kinds, index=which, owner=object_id, turn=st.booleans())
    def give(self, kind: str, index: int, owner: int, turn: bool) -> None:
        layer = self.one_of(kind, index)
        if layer is not None:
            (row,), features = layer.selected_data, layer.features.copy()
            features.loc[row, "object"] = owner
            if turn and kind == "points":
                features.loc[row, "prompt"] = "negative"
            layer.features = features
            self.settle()

    # Layers

    @rule(kind=layer_kinds)
    def delete_layer(self, kind: str) -> None:
        layer = getattr(self.layers, kind)
        if layer is not None and layer not in self.before:
            self.desk.viewer.layers.remove(layer)
            self.settle()

    @rule(kind=layer_kinds)
    def duplicate_layer(self, kind: str) -> None:
        layer, viewer = getattr(self.layers, kind), self.desk.viewer
        if layer is None or len(self.own) > 5:
            return
        known = set(viewer.layers)
        viewer.layers.selection = {layer}
        _duplicate_layer(viewer.layers)
        (copy,) = set(viewer.layers) - known
        self.own.append(copy)
        self.before[copy] = everything_of(copy)
        self.settle()

    @rule()
    def tidy(self) -> None:
        for layer in self.desk.viewer.layers:
            if layer not in self.before and layer.name not in ("image", "other"):
                layer.name = f"{layer.name}'"
        self.desk.viewer.layers.reverse()
        self.settle()

    @rule(order=st.permutations(range(3)), t=frame)
    def roll(self, order: list[int], t: int) -> None:
        self.desk.viewer.dims.order = order
        self.desk.viewer.dims.set_point(0, t)
        self.settle()

    @rule()
    def roll_back(self) -> None:
        self.desk.viewer.dims.order = IN_ORDER
        self.settle()

    @rule(kind=kinds, index=which)
    def choose_my_own(self, kind: str, index: int) -> None:
        """Choose prompts of the user's own; or none, and then the widget's own again."""
        combo = self.desk.find(f"{kind}_layer")
        combo.setCurrentIndex(index % combo.count())
        self.settle()

    @rule(answer=st.sampled_from(["take", "keep", "cancel"]))
    def choose_my_labels(self, answer: str) -> None:
        combo = self.desk.find("labels_layer")
        index = combo.findText("my labels")
        if index >= 0:
            combo.setCurrentIndex(index)
            self.desk.settle()
            self.desk.widget.result_choice.answer(answer)
            self.settle()

    @rule()
    def take_labels(self) -> None:
        self.desk.find("source_labels").setCurrentText("my labels")
        self.desk.press("take_labels")
        self.settle()

    @rule(t=frame, at=place)
    def work_in_my_own(self, t: int, at: tuple[int, int]) -> None:
        for layer in self.own[:1]:
            layer.add([t, *at])
            self.before[layer] = everything_of(layer)
        self.settle()

    # Objects, frames, images

    @rule(owner=object_id)
    def select(self, owner: int) -> None:
        self.desk.widget._select(owner)
        self.settle()

    @rule(action=st.sampled_from(["candidates", "accept"]))
    def do_with_the_frame(self, action: str) -> None:
        self.desk.widget.act(action)
        self.settle()

    @rule(action=st.sampled_from(["not_here", "ends_here", "keep_largest", "fill_holes", "remove", "split"]))
    def do_with_an_object(self, action: str) -> None:
        table = self.desk.find("object_table")
        if table.selected_ids:
            table.asked.emit(action, table.selected_ids)
            self.settle(n_errors=None)

    @rule(action=st.sampled_from(["merge", "divides_here", "swap"]))
    def do_with_objects(self, action: str) -> None:
        table = self.desk.find("object_table")
        table.selectAll()
        # As the menu offers them.
        if len(table.selected_ids) == 2 or (len(table.selected_ids) > 2 and action != "swap"):
            table.asked.emit(action, table.selected_ids)
            self.settle(n_errors=None)

    @rule(t=frame)
    def scroll(self, t: int) -> None:
        self.desk.viewer.dims.set_point(0, t)
        self.settle()

    @rule(name=images)
    def choose_image(self, name: str) -> None:
        self.desk.find("image_layer").setCurrentText(name)
        self.desk.until(lambda: self.desk.widget.session is not None, "the session")
        self.settle()

    @rule(turned=st.booleans())
    def replace_the_image(self, turned: bool) -> None:
        image = self.layers.image
        session, objects = self.desk.widget.session, set(self.desk.widget.session.object_ids)
        image.data = np.array(image.data[::-1] if turned else image.data)
        self.desk.until(lambda: self.desk.widget.session not in (None, session), "the session")
        # It is another session: prompts stay, steps begin anew, and what was tracked is on show until it is updated.
        self.desk.settle()
        if self.desk.widget.session.prompts and self.can("update"):
            self.desk.track("update")
        self.steps[image.name] = Steps([None])
        self.settle()
        assert set(self.desk.widget.session.object_ids) == objects

    # Runs

    def can(self, name: str) -> bool:
        button = self.desk.find(name)
        return bool(button.isEnabled() and button.isVisibleTo(self.desk.widget))

    @rule(name=st.sampled_from(["track_both", "track_forward", "track_backward", "update", "update_both_ways"]))
    def track(self, name: str) -> None:
        if self.desk.widget.session.prompts and self.can(name):
            self.desk.track(name)
            self.settle()

    @rule(click=st.none() | place)
    def cancel(self, click: tuple[int, int] | None) -> None:
        """Stop a run, during which there may be a click."""
        desk, before = self.desk, len(self.desk.finished)
        if not desk.widget.session.prompts or not self.can("track_both"):
            return
        desk.press("track_both")
        desk.until(lambda: desk.widget.controller.is_running or len(desk.finished) > before)
        if click is not None:
            self.layers.need_points().add([0, *click])
        desk.widget.controller.stop()
        desk.until(lambda: len(desk.finished) > before, "the end of the run")
        self.settle()

    @rule()
    def resume(self) -> None:
        if self.can("resume"):
            self.desk.track("resume")
            self.settle(goes_on=True)

    # Steps

    def go(self, name: str, by_key: bool) -> None:
        if by_key:
            shift = Qt.KeyboardModifier.ShiftModifier if name == "redo" else Qt.KeyboardModifier.NoModifier
            active = self.layers.labels or self.layers.image
            self.desk.viewer.layers.selection.active = active
            native = self.desk.viewer.window._qt_viewer.canvas.native
            QTest.keyClick(native, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | shift)
        else:
            self.desk.press(name)

    @precondition(lambda self: self.here.done[1:])
    @rule(by_key=st.booleans())
    def undo(self, by_key: bool) -> None:
        self.go("undo", by_key)
        self.here.undone.append(self.here.done.pop())
        self.settle()

    @precondition(lambda self: self.here.undone)
    @rule(by_key=st.booleans())
    def redo(self, by_key: bool) -> None:
        self.go("redo", by_key)
        self.here.done.append(self.here.undone.pop())
        self.settle()

    # Folders and docks

    @rule()
    def save(self) -> None:
        self.n_folders += 1
        folder = self.folder / f"{self.n_folders}.napari-sam2"
        self.desk.widget.files.keeping.save(folder)
        self.desk.until(lambda: self.desk.widget.session.folder == folder.resolve(), "saving")
        self.settle()

    @rule()
    def reopen_the_dock(self) -> None:
        name = self.layers.image.name
        self.keep_folder()
        self.desk.reopen_dock()
        self.desk.find("image_layer").setCurrentText(name)
        self.desk.until(lambda: self.desk.widget.session is not None, "the session")
        self.settle()

    @precondition(lambda self: not self.has_moved)
    @rule()
    def open_elsewhere(self) -> None:
        """Open the session in a viewer that knows nothing of it."""
        folder, name = self.keep_folder(), self.layers.image.name
        if folder is None:
            return
        # Opening a window takes longer than all else.
        self.has_moved = True
        self.desk.leave()
        self.desk = type(self).sit_down()
        self.fill()
        done: list[object] = []
        self.desk.widget.files.keeping.opened.connect(lambda *what: done.append(what))
        self.desk.widget.files.open(str(folder))
        self.desk.until(lambda: done, "the opened session")
        self.steps = {name: self.here}
        self.settle()

    @rule()
    def kill(self) -> None:
        """See what would be there, had the program ended at this moment."""
        folder = self.keep_folder()
        if folder is None:
            return
        self.n_folders += 1
        copy = self.folder / f"{self.n_folders}.napari-sam2"
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("lock"))
        session = self.desk.widget.session
        after = Session.open(copy, frames=session.stack.whole, model=session.model)
        assert after.problems == ()
        assert contents(after) == contents(session)
        after.close()

    @rule()
    def take_all_away(self) -> None:
        """Delete all layers, the image first of all, and put others in their place."""
        viewer = self.desk.viewer
        viewer.layers.clear()
        self.desk.until(lambda: self.layers.image is None, "no image")
        self.before = {}
        viewer.add_image(FRAMES, name="image")
        self.fill()
        self.steps = {}
        self.settle()

    def keep_folder(self) -> Path | None:
        """Wait until the work is in a folder; None where there is no work."""
        if any(self.desk.widget.session.history):
            self.desk.until(lambda: self.desk.widget.files.keeping.folder is not None, "the folder")
        self.desk.settle()
        return self.desk.widget.files.keeping.folder

    @rule()
    def open_what_is_no_session(self) -> None:
        self.desk.widget.files.open(str(self.folder / "nothing"))
        self.settle(n_errors=1)

    # What holds after all of this

    @invariant()
    def my_own_layers_are_as_they_were(self) -> None:
        for layer, before in getattr(self, "before", {}).items():
            assert everything_of(layer) == before, layer.name


# 2026-11: without a GPU, vispy's drawing has twice ended the process where layers had gone and others came or moved: no
# test for every run.
@pytest.mark.slow
@pytest.mark.timeout(600 * TIMES)
def test_one_truth_whatever_is_done(open_desk: Callable[..., Desk], checkpoint: Path) -> None:
    def sit_down() -> Desk:
        desk = open_desk(FRAMES)
        # Where there is no GPU painting takes longest, by the pixel.
        desk.viewer.window.resize(640, 480)
        desk.load(checkpoint)
        return desk

    WidgetMachine.sit_down = staticmethod(sit_down)
    run_state_machine_as_test(WidgetMachine, settings=examples(3, steps=12, shrinks=False))

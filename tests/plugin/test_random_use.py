"""Whatever is done in the widget, in random order: layers and session say the same, and undo leads back and forth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from shown_session import check_agreement

if TYPE_CHECKING:
    from conftest import Desk

Opener = Callable[..., "Desk"]
_STEPS = 24


class Hands:
    """Does random things in a window."""

    def __init__(self, desk: Desk, seed: int, folder: Path) -> None:
        self.desk = desk
        self.rng = np.random.default_rng(seed)
        self.folder = folder
        self.log: list[str] = []

    def act(self) -> None:
        names = [name for name in vars(Hands) if name.startswith("do_")]
        name = str(self.rng.choice(names))
        self.log.append(name)
        getattr(self, name)()

    @property
    def layers(self):
        return self.desk.widget.layers

    def place(self) -> tuple[int, int]:
        return int(self.rng.integers(2, 44)), int(self.rng.integers(2, 52))

    def frame(self) -> int:
        return int(self.rng.integers(12))

    def do_new_object(self) -> None:
        self.desk.press("new_object")
        self.do_click()

    def do_click(self) -> None:
        self.layers.need_points().add([self.frame(), *self.place()])

    def do_draw(self) -> None:
        t, (y, x) = self.frame(), self.place()
        corners = [[t, y, x], [t, y, x + 9], [t, y + 8, x + 9], [t, y + 8, x]]
        kind = str(self.rng.choice(["rectangle", "ellipse", "polygon", "path"]))
        self.layers.need_shapes().add(np.array(corners, float), shape_type=kind)

    def do_drag(self) -> None:
        points = self.layers.points
        if points is not None and len(points.data):
            data = points.data.copy()
            data[int(self.rng.integers(len(data))), 1:] = self.place()
            points.data = data

    def do_delete(self) -> None:
        for layer in (self.layers.points, self.layers.shapes):
            if layer is not None and len(layer.data) and self.rng.random() < 0.6:
                layer.selected_data = {int(self.rng.integers(len(layer.data)))}
                layer.remove_selected()

    def do_give(self) -> None:
        points = self.layers.points
        if points is not None and len(points.data):
            features = points.features.copy()
            features.loc[int(self.rng.integers(len(features))), "object"] = int(self.rng.integers(1, 4))
            points.features = features

    def do_paint(self) -> None:
        labels, (y, x) = self.layers.need_labels(), self.place()
        rows, columns = (grid.ravel() for grid in np.mgrid[y : min(y + 5, 48), x : min(x + 6, 56)])
        value = int(self.rng.integers(0, 3))
        labels.data_setitem((np.full(len(rows), self.layers.frame), rows, columns), value)

    def do_scroll(self) -> None:
        self.desk.viewer.dims.set_point(0, self.frame())

    def do_track(self) -> None:
        self.desk.settle()
        if self.desk.widget.session.prompts:
            self.desk.track(str(self.rng.choice(["track_both", "track_forward", "track_backward"])))

    def do_cancel(self) -> None:
        self.desk.settle()
        if self.desk.widget.session.prompts:
            before = len(self.desk.finished)
            self.desk.press("track_both")
            self.desk.until(lambda: self.desk.widget.controller.is_running)
            self.desk.widget.controller.stop()
            self.desk.until(lambda: len(self.desk.finished) > before)

    def do_resume(self) -> None:
        self.desk.settle()
        if self.desk.find("resume").isVisibleTo(self.desk.widget):
            self.desk.track("resume")

    def do_undo(self) -> None:
        self.desk.settle()
        if self.desk.find("undo").isEnabled():
            self.desk.press("undo")

    def do_redo(self) -> None:
        self.desk.settle()
        if self.desk.find("redo").isEnabled():
            self.desk.press("redo")

    def do_remove(self) -> None:
        self.desk.settle()
        if self.desk.find("object_table").rowCount():
            self.desk.press("remove_object")

    def do_delete_layer(self) -> None:
        layer = [self.layers.points, self.layers.shapes, self.layers.labels][int(self.rng.integers(3))]
        if layer is not None:
            self.desk.settle()
            self.desk.viewer.layers.remove(layer)

    def do_tidy(self) -> None:
        for layer in self.desk.viewer.layers[1:]:
            layer.name = f"{layer.name}'"
        self.desk.viewer.layers.reverse()

    def reopen(self, open_desk: Opener, frames: np.ndarray) -> Desk:
        """Save, close the window, and open the session in another one."""
        folder = self.folder / "work.napari-sam2"
        self.desk.settle()
        self.desk.widget.files.keeping.save(folder)
        self.desk.until(lambda: self.desk.widget.session.folder == folder.resolve())
        self.desk.settle()
        self.desk.viewer.window.remove_dock_widget("all")
        self.desk.until(lambda: self.desk.widget._closed)
        other = open_desk(frames)
        done: list[object] = []
        other.widget.files.keeping.opened.connect(lambda *what: done.append(what))
        other.widget.files.open(str(folder))
        other.until(lambda: done)
        return other


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_random_use(seed: int, desk: Desk, open_desk: Opener, frames: np.ndarray, tmp_path: Path) -> None:
    mine = desk.viewer.add_points(np.array([[0.0, 7, 7]]), name="mine")
    notes = desk.viewer.add_labels(np.full(frames.shape, 3, np.uint8), name="notes")
    desk.find("labels_layer").setCurrentIndex(0)
    hands = Hands(desk, seed, tmp_path)
    notification_manager.records.clear()
    for _ in range(_STEPS):
        hands.act()
        check_agreement(desk)
    assert [record.message for record in notification_manager.records if record.severity == "error"] == [], hands.log
    assert mine.data.tolist() == [[0, 7, 7]]
    assert (notes.data == 3).all()

    last = check_agreement(desk)
    names = [step.name for step in desk.widget.session.history[0]]
    desk = hands.reopen(open_desk, frames)
    assert check_agreement(desk) == last, hands.log
    assert [step.name for step in desk.widget.session.history[0]] == names
    states = [last]
    for _ in names:
        desk.press("undo")
        states.append(check_agreement(desk))
    assert states[-1][0] == {}
    for state in states[-2::-1]:
        desk.press("redo")
        assert check_agreement(desk) == state, hands.log

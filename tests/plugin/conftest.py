"""A real viewer with the real widget in it, and a model small enough to answer at once."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QPushButton, QWidget
from vispy.gloo.glir import GlirProgram

from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.plugin.widget import Sam2Widget
from napari_sam2.weights.load import save_checkpoint
from napari_sam2.weights.source import source_of
from small_model import build_small, drifting_textures, single_thread

# Only a test that fails waits as long, or a machine that has much else to do.
PATIENCE_S = 240


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    with single_thread():
        yield


@pytest.fixture(scope="session", autouse=True)
def programs_stay() -> Iterator[None]:
    """Keep what drew a layer that is gone: freeing it crashes napari alone with Mesa 22.3 and no graphics card."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GlirProgram, "delete", lambda program: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def modules_stay() -> Iterator[None]:
    """Spare what was imported the search for circles of references, which is made before and after each test."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def no_window_left() -> None:
    """Free windows that are closed but lie in circles of references: napari's fixture takes them for leaks."""
    gc.collect()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that is not saved is kept where no other test finds it."""
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the small model."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_checkpoint(build_small(3, presence=1.0), path)
    return path


@pytest.fixture(scope="session")
def frames() -> np.ndarray:
    return drifting_textures()


@dataclass
class Desk:
    """A viewer, the widget in it, and hands."""

    viewer: Viewer
    widget: Sam2Widget
    previews: list[int] = field(default_factory=list)
    finished: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.widget.preview_shown.connect(self.previews.append)
        self.widget.tracking_finished.connect(self.finished.append)

    def until(self, condition: Callable[[], Any], what: str = "") -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, f"waited for {what or condition} in vain"
            QTest.qWait(5)

    def find(self, name: str) -> Any:
        found = self.widget.findChild(QWidget, name)
        assert found is not None, name
        return found

    def press(self, name: str) -> None:
        button = self.find(name)
        assert isinstance(button, QPushButton)
        assert button.isEnabled(), name
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    def load(self, checkpoint: Path) -> None:
        self.widget.panel.model_box.set_checkpoint(checkpoint)
        # The model that the widget starts with may come first.
        self.until(lambda: self.checkpoint_in_use == checkpoint, "the model")

    @property
    def checkpoint_in_use(self) -> Path | None:
        """File of the model of the session on show."""
        session = self.widget.session
        source = None if session is None else source_of(session.model)
        return None if source is None else source.path

    def settle(self) -> None:
        """Let everything queued be done and shown; what is found in painted labels is queued in its turn."""
        for _ in range(2):
            answers: list[int] = []
            self.until(lambda: self.widget.layers.is_settled, "the layers")
            self.widget.controller.worker.submit(_marker(answers))
            self.until(lambda: answers, "the worker")  # noqa: B023

    def canvas_point(self, y: float, x: float) -> QPoint:
        canvas = self.viewer.window._qt_viewer.canvas
        camera = self.viewer.scene.camera
        layer = self.viewer.layers[0]
        # The view may be turned; a layer's axes are the last of the viewer's.
        shown = [axis - self.viewer.dims.ndim + layer.ndim for axis in self.viewer.dims.displayed]
        place = np.zeros(layer.ndim)
        place[shown] = y, x
        position = np.asarray(layer.data_to_world(place))[shown]
        centre = np.asarray(camera.center[-2:])
        height, width = canvas.size
        row, column = (np.asarray(position) - centre) * camera.zoom + (height / 2, width / 2)
        return QPoint(round(column), round(row))

    def click(self, y: float, x: float) -> None:
        """Click on the canvas at a data position of the frame on show."""
        native = self.viewer.window._qt_viewer.canvas.native
        place = self.canvas_point(y, x)
        QTest.mouseMove(native, place)
        QTest.mouseClick(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag the mouse over the canvas."""
        native = self.viewer.window._qt_viewer.canvas.native
        first, last = self.canvas_point(*start), self.canvas_point(*end)
        QTest.mouseMove(native, first)
        QTest.mousePress(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, first)
        for step in range(1, 6):
            QTest.mouseMove(native, first + (last - first) * step / 5)
            QTest.qWait(10)
        QTest.mouseRelease(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, last)

    def click_shown(self, y: float, x: float) -> None:
        """Click, and wait for the mask."""
        before = len(self.previews)
        self.click(y, x)
        self.until(lambda: len(self.previews) > before, "the preview")

    def draw_box(self) -> Prompt:
        """Draw a box as a new object's prompt, and wait for its mask."""
        self.press("new_object")
        self.press("tool_box")
        self.drag((10, 12), (30, 40))
        self.until(lambda: self.previews)
        (prompt,) = self.widget.session.prompts
        return prompt

    def track(self, name: str = "track_both") -> bool:
        """Press a tracking button and wait for the end."""
        before = len(self.finished)
        self.press(name)
        self.until(lambda: len(self.finished) > before, "tracking")
        return self.finished[-1]

    def leave(self) -> None:
        """Close the dock and the window."""
        self.viewer.window.remove_dock_widget("all")
        self.until(lambda: self.widget._closed)
        self.viewer.close()

    def reopen_dock(self) -> None:
        """Close the dock and open it again."""
        self.viewer.window.remove_dock_widget(self.widget)
        self.widget = Sam2Widget(self.viewer)
        self.viewer.window.add_dock_widget(self.widget, name="SAM 2 again")
        self.__post_init__()
        self.until(lambda: self.widget.session is not None, "the session")
        self.settle()

    @property
    def labels(self) -> np.ndarray:
        return np.asarray(self.widget.layers.labels.data)


def _marker(answers: list[int]) -> Any:
    from napari_sam2.plugin.worker.worker import job

    return job(lambda: 1, failed=lambda error: answers.append(0), done=answers.append)


@pytest.fixture
def open_desk(plugin_settings: None, make_napari_viewer: Callable[..., Viewer]) -> Iterator[Callable[..., Desk]]:
    """Open a viewer with an image and the widget docked; nothing is remembered from one test to the next."""
    desks = []

    def make(image: np.ndarray | None, *, checkpoint: Path | None = None, **options: Any) -> Desk:
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(1200, 900)
        if image is not None:
            viewer.add_image(image, name="image", **options)
        widget = Sam2Widget(viewer)
        if checkpoint is not None:
            # Chosen before the model that the widget starts with is loaded, which takes longer.
            widget.panel.model_box.set_checkpoint(checkpoint)
        viewer.window.add_dock_widget(widget, name="SAM 2")
        viewer.dims.set_point(list(range(viewer.dims.ndim)), [0] * viewer.dims.ndim)
        QTest.qWait(50)
        desks.append(made := Desk(viewer, widget))
        if checkpoint is not None and image is not None:
            made.until(lambda: made.checkpoint_in_use == checkpoint, "the model")
        return made

    yield make
    for desk in desks:
        desk.widget.controller.close()


@pytest.fixture
def desk(open_desk: Callable[..., Desk], frames: np.ndarray, checkpoint: Path) -> Desk:
    """A viewer with a stack, the widget and a loaded model."""
    return open_desk(frames, checkpoint=checkpoint)

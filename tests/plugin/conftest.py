"""A real viewer with the real widget in it, and a model small enough to answer at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from napari import Viewer
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QPushButton, QWidget

from napari_sam2.model.config import HieraConfig, Sam2Config
from napari_sam2.model.sam2 import build_sam2
from napari_sam2.plugin.widget import Sam2Widget
from napari_sam2.weights.load import save_checkpoint

SMALL = Sam2Config(
    name="small_for_tests",
    generation="2.1",
    trunk=HieraConfig(8, 1, (1, 1, 2, 1), (3,), window_sizes=(4, 4, 4, 4)),
    image_size=64,
    d_model=64,
    memory_dim=16,
    memory_attention_layers=1,
    memory_attention_hidden=64,
    decoder_hidden=64,
    fuser_layers=1,
)
PATIENCE_S = 20


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small are slower on several threads, most of all on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of a few thousand random weights, whose masks and scores differ between clicks and frames."""
    torch.manual_seed(3)
    model = build_sam2(SMALL)
    decoder = model.sam_mask_decoder
    with torch.no_grad():
        for mlp in decoder.output_hypernetworks_mlps:
            mlp.layers[-1].weight *= 30
        decoder.pred_obj_score_head.layers[-1].weight *= 10
        decoder.pred_obj_score_head.layers[-1].bias.fill_(1.0)
        for layer in model.memory_encoder.fuser.layers:
            layer.gamma.fill_(1.0)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_checkpoint(model, path)
    return path


@pytest.fixture(scope="session")
def frames() -> np.ndarray:
    """(12, 48, 56) uint8: smooth random textures that drift."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.random((1, 1, 12, 14), np.float32))
    texture = torch.nn.functional.interpolate(coarse, (96, 112), mode="bicubic")[0, 0].numpy()
    stack = [np.roll(texture, (2 * t, 3 * t), (0, 1))[:48, :56] for t in range(12)]
    return np.clip(np.stack(stack) * 255, 0, 255).astype(np.uint8)


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
        self.until(lambda: self.widget.session is not None, "the model")

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
        position = layer.data_to_world((*([0] * (layer.ndim - 2)), y, x))[-2:]
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

    def track(self, name: str = "track_both") -> bool:
        """Press a tracking button and wait for the end."""
        before = len(self.finished)
        self.press(name)
        self.until(lambda: len(self.finished) > before, "tracking")
        return self.finished[-1]

    @property
    def labels(self) -> np.ndarray:
        return np.asarray(self.widget.layers.labels.data)


def _marker(answers: list[int]) -> Any:
    from napari_sam2.plugin.worker import job

    return job(lambda: 1, failed=lambda error: answers.append(0), done=answers.append)


@pytest.fixture
def open_desk(plugin_settings: None, make_napari_viewer: Callable[..., Viewer]) -> Iterator[Callable[..., Desk]]:
    """Open a viewer with an image and the widget docked; nothing is remembered from one test to the next."""
    desks = []

    def make(image: np.ndarray, **options: Any) -> Desk:
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(1200, 900)
        viewer.add_image(image, name="image", **options)
        widget = Sam2Widget(viewer)
        viewer.window.add_dock_widget(widget, name="SAM 2")
        viewer.dims.set_point(list(range(viewer.dims.ndim)), [0] * viewer.dims.ndim)
        QTest.qWait(50)
        desks.append(Desk(viewer, widget))
        return desks[-1]

    yield make
    for desk in desks:
        desk.widget.controller.close()


@pytest.fixture
def desk(open_desk: Callable[..., Desk], frames: np.ndarray, checkpoint: Path) -> Desk:
    """A viewer with a stack, the widget and a loaded model."""
    made = open_desk(frames)
    made.load(checkpoint)
    return made

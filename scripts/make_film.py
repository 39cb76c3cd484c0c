"""Make the film of the readme: cells of the bundled sample, a click each, tracked, with real mouse and keys.

Run it where there is a screen, or under a virtual one::

    scripts/qt_run.sh --virtual-display .venv/bin/python scripts/make_film.py [FILE]
"""

from __future__ import annotations

# First: it keeps napari, which reads its settings when it is imported, from the user's.
from sample_window import open_sample, wait

# isort: split

import sys
from dataclasses import dataclass, field
from pathlib import Path

import napari
import numpy as np
from PIL import Image, ImageDraw
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QWidget
from scipy.ndimage import distance_transform_edt

from napari_sam2.plugin.files.sample_data import cells
from napari_sam2.plugin.widget import Sam2Widget
from napari_sam2.synthetic.samples import make_sample

WINDOW = (900, 700)
# Of the film; the text must stay legible, and the file small.
WIDTH, COLOURS = 760, 128
N_CELLS = 8
SHORT_MS, LONG_MS = 120, 1200
ARROW = ((0, 0), (0, 17), (4, 13), (7, 19), (10, 18), (7, 12), (12, 12))


@dataclass
class Film:
    """A window, a hand on the mouse, and what was seen so far."""

    viewer: napari.Viewer
    images: list[Image.Image] = field(default_factory=list)
    durations_ms: list[int] = field(default_factory=list)
    mouse: QPoint = field(default_factory=lambda: QPoint(400, 500))

    def take(self, duration_ms: int = SHORT_MS) -> None:
        """Take a picture of the window, with an arrow where the mouse is."""
        QTest.qWait(60)
        image = Image.fromarray(self.viewer.screenshot(canvas_only=False, flash=False)[..., :3])
        x, y = self.mouse.x(), self.mouse.y()
        arrow = [(x + dx, y + dy) for dx, dy in ARROW]
        ImageDraw.Draw(image).polygon(arrow, fill="white", outline="black")
        height = round(image.height * WIDTH / image.width)
        self.images.append(image.resize((WIDTH, height), Image.Resampling.LANCZOS))
        self.durations_ms.append(duration_ms)

    def click(self, part: QWidget, at: QPoint) -> None:
        """Move the mouse to a place on a part of the window, and click."""
        window = self.viewer.window._qt_window
        self.mouse = part.mapTo(window, at)
        self.take(2 * SHORT_MS)
        QTest.mouseMove(part, at)
        QTest.mouseClick(part, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)

    def save(self, path: Path) -> None:
        """Write the film, all pictures in the colours of the fullest one."""
        palette = self.images[-1].quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        pictures = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in self.images]
        first, *others = pictures
        first.save(path, save_all=True, append_images=others, duration=self.durations_ms, loop=0, optimize=True)


def places() -> list[tuple[float, float]]:
    """Points deep inside of the largest cells of the first frame."""
    labels = make_sample("cells").labels[0]
    ids, sizes = np.unique(labels[labels > 0], return_counts=True)
    found = []
    for object_id in ids[np.argsort(-sizes)][:N_CELLS]:
        depth = distance_transform_edt(np.pad(labels == object_id, 1))[1:-1, 1:-1]
        y, x = np.unravel_index(depth.argmax(), depth.shape)
        found.append((float(y), float(x)))
    return found


def on_canvas(viewer: napari.Viewer, y: float, x: float) -> QPoint:
    """Where a place on the image is on the canvas."""
    camera, layer, size = viewer.scene.camera, viewer.layers[0], viewer.window._qt_viewer.canvas.size
    world = np.asarray(layer.data_to_world((0, y, x))[-2:])
    row, column = (world - camera.center[-2:]) * camera.zoom + np.array(size) / 2
    return QPoint(round(column), round(row))


def play(film: Film, widget: Sam2Widget) -> None:
    """Tick the switch, click on cells, track, and look at the result."""
    shown: list[int] = []
    ended: list[bool] = []
    widget.preview_shown.connect(shown.append)
    widget.tracking_finished.connect(ended.append)
    canvas = film.viewer.window._qt_viewer.canvas.native
    switch = widget.panel.one_object_per_click
    film.take(LONG_MS)
    film.click(switch, QPoint(10, switch.height() // 2))
    film.take()
    for place in places():
        before = len(shown)
        film.click(canvas, on_canvas(film.viewer, *place))
        wait(lambda before=before: len(shown) > before)
        film.take(2 * SHORT_MS)
    track = widget.panel.track_box.buttons["track_both"]
    film.click(track, track.rect().center())
    wait(lambda: ended)
    film.take(LONG_MS)
    for frame in range(1, film.viewer.layers[0].data.shape[0]):
        film.viewer.dims.set_point(0, frame)
        film.take()
    film.durations_ms[-1] = 2 * LONG_MS


def main() -> None:
    """Write the film."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images/nuclei.gif")
    viewer, widget = open_sample(cells, WINDOW)
    try:
        # What is done here takes no layer controls.
        for dock in (viewer.window._qt_viewer.dockLayerList, viewer.window._qt_viewer.dockLayerControls):
            dock.hide()
        film = Film(viewer)
        play(film, widget)
        film.save(path)
    finally:
        viewer.close()
    sys.stdout.write(f"{path}: {len(film.images)} pictures, {path.stat().st_size / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main()

"""Make the pictures of the documentation: window and widget at work, with proposals, after teaching, with an error.

Run it where there is a screen, or under a virtual one::

    scripts/qt_run.sh --virtual-display .venv/bin/python scripts/make_screenshots.py [FOLDER]
"""

from __future__ import annotations

# First: it keeps napari, which reads its settings when it is imported, from the user's.
from sample_window import SCRATCH, open_sample, wait

# isort: split

import sys
from pathlib import Path

import napari
import numpy as np
from napari._qt.dialogs.qt_notification import NapariQtNotification
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QDockWidget

from napari_sam2.plugin.files.sample_data import cells, endoscope
from napari_sam2.plugin.widget import Sam2Widget
from napari_sam2.synthetic.samples import make_sample

WINDOW = (1440, 900)
NARROW = 320
# Long enough to show what teaching looks like, not to teach anything.
TEACHING_MINUTES = 0.2
THEMES = ("dark", "light")


def track(widget: Sam2Widget) -> None:
    """Click on the sample's objects and track them."""
    shown: list[int] = []
    ended: list[bool] = []
    widget.preview_shown.connect(shown.append)
    widget.tracking_finished.connect(ended.append)
    for prompt in make_sample("endoscope").prompts:
        before = len(shown)
        widget.panel.buttons["new_object"].click()
        if "points" in prompt:
            widget.layers.points.add([(prompt["frame"], *point) for point in prompt["points"]])
        else:
            y0, x0, y1, x1 = prompt["box"]
            corners = [(prompt["frame"], y, x) for y, x in ((y0, x0), (y0, x1), (y1, x1), (y1, x0))]
            widget.layers.need_shapes().add(np.array(corners), shape_type="rectangle")
        wait(lambda before=before: len(shown) > before)
    widget.panel.track_box.ask("both")
    wait(lambda: ended)


def show_proposals(folder: Path) -> None:
    """Find the cells of a sample, leave one out, and take the window."""
    viewer, widget = open_sample(cells, WINDOW)
    try:
        narrow(viewer, widget)
        widget.finding.find()
        wait(lambda: widget.panel.find_box.buttons["find_take"].isVisible())
        widget.finding.toggle(1)
        whole_window(viewer, folder / "find-dark.png")
    finally:
        viewer.close()


def show_most_hidden(widget: Sam2Widget) -> int:
    """Select the object that is hidden on some frames, or the least sure one; return its least sure frame."""
    results, threshold = widget.controller.results, widget.panel.threshold.value()
    scores = {i: results.series(i, "object_score") for i in results.object_ids}
    object_id = max(scores, key=lambda i: ((scores[i] < threshold).sum(), -np.nanmin(scores[i])))
    widget.panel.object_table.object_selected.emit(object_id)
    return int(np.nanargmin(scores[object_id]))


def notices(viewer: napari.Viewer) -> list[NapariQtNotification]:
    """Messages on show."""
    return [one for one in viewer.window._qt_window.findChildren(NapariQtNotification) if one.isVisible()]


def save(viewer: napari.Viewer, widget: Sam2Widget) -> None:
    """Save the session."""
    widget.files.keeping.save(SCRATCH / "endoscope.napari-sam2")
    wait(lambda: widget.panel.files_box.where.text().startswith("Saved"))
    # The notice of it would hide a part of the picture.
    wait(lambda: notices(viewer))
    for notice in notices(viewer):
        notice.close()


def show_error(viewer: napari.Viewer, widget: Sam2Widget) -> None:
    """Try to open a folder that is no session."""
    folder = SCRATCH / "results"
    folder.mkdir(exist_ok=True)
    widget.files.open(str(folder))
    wait(lambda: notices(viewer))
    # It slides in, and goes astray if it is made larger meanwhile.
    QTest.qWait(600)
    for notice in notices(viewer):
        notice.toggle_expansion()


def whole_window(viewer: napari.Viewer, path: Path) -> None:
    """Take the whole window."""
    QTest.qWait(800)
    viewer.screenshot(path, canvas_only=False, flash=False)


def panel(widget: Sam2Widget, path: Path) -> None:
    """Take the panel as it stands."""
    QTest.qWait(400)
    widget.grab().save(str(path))


def narrow(viewer: napari.Viewer, widget: Sam2Widget) -> None:
    """Make the dock as narrow as it may become."""
    (dock,) = [dock for dock in viewer.window._qt_window.findChildren(QDockWidget) if dock.isAncestorOf(widget)]
    viewer.window._qt_window.resizeDocks([dock], [NARROW], Qt.Orientation.Horizontal)


def teach(widget: Sam2Widget, n_frames: int) -> None:
    """Accept all frames, teach a little, and leave what belongs to that unfolded."""
    sections, box = widget.panel.sections, widget.panel.teach_box
    for title in ("Frames", "Teach"):
        sections[title].unfold()
    widget.images.go_to(n_frames - 1)
    box.buttons["accept_up_to"].click()
    box.minutes.setValue(TEACHING_MINUTES)
    box.buttons["teach"].click()
    wait(lambda: not widget.teaching.is_running)


def main() -> None:
    """Write the pictures."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")
    folder.mkdir(parents=True, exist_ok=True)
    viewer, widget = open_sample(endoscope, WINDOW)
    try:
        narrow(viewer, widget)
        for theme in THEMES:
            viewer.theme = theme
            panel(widget, folder / f"panel-{theme}.png")
        track(widget)
        save(viewer, widget)
        widget.images.go_to(show_most_hidden(widget))
        for theme in THEMES:
            viewer.theme = theme
            whole_window(viewer, folder / f"window-{theme}.png")
            panel(widget, folder / f"panel-tracked-{theme}.png")
        viewer.theme = "dark"
        show_error(viewer, widget)
        whole_window(viewer, folder / "error-dark.png")
        teach(widget, len(viewer.layers[0].data))
        later = widget.panel.sections["More"]
        for theme in THEMES:
            viewer.theme = theme
            QTest.qWait(800)
            later.grab().save(str(folder / f"teach-{theme}.png"))
    finally:
        viewer.close()
    show_proposals(folder)


if __name__ == "__main__":
    main()

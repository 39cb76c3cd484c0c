"""Make the pictures of "Cells that divide": a drawn culture is found, tracked, and its divisions are answered.

Run it where there is a screen, or under a virtual one::

    scripts/qt_run.sh --virtual-display .venv/bin/python scripts/make_division_pictures.py [FOLDER]
"""

from __future__ import annotations

# First: it keeps napari, which reads its settings when it is imported, from the user's.
from sample_window import open_sample, wait

# isort: split

import sys
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtTest import QTest

from napari_sam2.plugin.widget import Sam2Widget
from napari_sam2.synthetic.samples import draw_culture
from napari_sam2.synthetic.scene_settings import SceneSettings

WINDOW = (1440, 900)
N_FRAMES, SIZE, N_CELLS = 24, 320, 16
# Of the first hundred, the culture in which most cells divide in the middle of the movie and away from the border.
SEED = 9
# To what is proposed there, in turn: the first is none.
ANSWERS = ("refuse_division", "accept", "accept", "accept")


def culture() -> list[Any]:
    """Draw a movie of cells of which some divide, as napari takes a sample."""
    rng = np.random.default_rng(SEED)
    settings = SceneSettings(size=(SIZE, SIZE), n_frames=N_FRAMES, motion=0.5)
    counts, _labels = draw_culture(rng, settings, speed=0.08, roughness=0.25, contrast=0.6, count=N_CELLS)
    return [(counts, {"name": "culture", "axis_labels": ("t", "y", "x")}, "image")]


def find_and_track(widget: Sam2Widget, ended: list[bool]) -> None:
    """Take all proposals of the first frame, and track them with those that come later."""
    widget.finding.find()
    wait(lambda: widget.panel.find_box.buttons["find_take"].isVisible())
    widget.finding.take()
    wait(lambda: widget.controller.worker.is_idle)
    widget.panel.track_box.find_new.setChecked(True)
    widget.act("track_both")
    wait(lambda: ended and widget.controller.worker.is_idle)


def main() -> None:
    """Write the pictures."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")
    viewer, widget = open_sample(culture, WINDOW)
    ended: list[bool] = []
    widget.tracking_finished.connect(ended.append)
    try:
        find_and_track(widget, ended)
        for answer in ANSWERS:
            widget.act("next_doubtful")
            QTest.qWait(800)
            if answer == "accept" and not widget.session.parents:
                viewer.screenshot(folder / "division-proposed.png", canvas_only=False, flash=False)
            widget.act(answer)
            QTest.qWait(200)
            wait(lambda: widget.controller.worker.is_idle)
        # The daughters are tracked on from where they were born.
        widget.act("update")
        wait(lambda: len(ended) > 1 and widget.controller.worker.is_idle)
        sections = widget.panel.sections
        sections["Scores"].title.setChecked(False)
        sections["Lineage"].unfold()
        QTest.qWait(800)
        viewer.screenshot(folder / "lineage.png", canvas_only=False, flash=False)
    finally:
        viewer.close()


if __name__ == "__main__":
    main()

"""How the widget looks: narrow, in either theme, and what it says where."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QLabel, QLineEdit, QToolButton, QWidget

from napari_sam2.plugin.panel.object_table import COLUMNS
from napari_sam2.plugin.panel.track_box import speed

if TYPE_CHECKING:
    from conftest import Desk

NARROW = 320


def test_everything_fits_into_320_pixels(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    for section in desk.widget.panel.sections.values():
        section.title.setChecked(True)
    assert desk.widget.minimumSizeHint().width() <= NARROW
    inside = desk.widget.panel.widget()
    inside.resize(NARROW, inside.heightForWidth(NARROW) if inside.hasHeightForWidth() else inside.sizeHint().height())
    QTest.qWait(50)
    shown = [part for part in inside.findChildren(QWidget) if part.isVisibleTo(inside) and part.objectName()]
    ends = {part.objectName(): part.mapTo(inside, QPoint(part.width(), 0)).x() for part in shown}
    assert len(ends) > 40
    assert {name: end for name, end in ends.items() if end > NARROW} == {}
    texts = [part for part in shown if isinstance(part, QAbstractButton) and not isinstance(part, QToolButton)]
    cut = [part.text() for part in texts if part.fontMetrics().horizontalAdvance(part.text()) > part.width()]
    assert cut == []


def test_buttons_of_a_run_that_was_stopped_are_readable(desk: Desk) -> None:
    box = desk.widget.panel.track_box
    box.show_stale(1799)
    box.show_one_sided(3)
    box.show_idle(can_resume=True)
    shown = [button for button in box.buttons.values() if not button.isHidden()]
    assert {"update", "update_both_ways", "resume"} < {button.objectName() for button in shown}
    box.resize(280, box.sizeHint().height())
    QTest.qWait(50)
    cut = [one.text() for one in shown if one.fontMetrics().horizontalAdvance(one.text()) + 8 > one.width()]
    assert cut == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_plot_takes_over_the_theme(desk: Desk, theme: str) -> None:
    desk.viewer.theme = theme
    plot = desk.find("score_plot")
    window = desk.widget.palette().window().color().lightness()
    desk.until(lambda: abs(plot.backgroundBrush().color().lightness() - window) < 5, "the plot")
    assert (window > 128) == (theme == "light")
    assert abs(plot.getPlotItem().getAxis("left").textPen().color().lightness() - window) > 100


def test_plot_and_note_say_what_is_prompted_hidden_and_stale(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    desk.find("threshold").setValue(0.99)
    desk.settle()
    scores = desk.widget.session.scores.object_score.to_numpy()
    plot = desk.find("score_plot")
    shaded = np.zeros(12, bool)
    for first, last in plot.hidden:
        shaded[first : last + 1] = True
    np.testing.assert_array_equal(shaded, scores < desk.find("threshold").value())
    assert shaded.any()
    assert plot.prompted == [0]
    desk.viewer.dims.set_point(0, 6)
    desk.click_shown(30, 12)
    assert plot.prompted == [0, 6]
    assert plot.stale == [(7, 11)]
    assert plot._stale_bars.opts["brush"].style() == Qt.BrushStyle.BDiagPattern
    desk.viewer.dims.set_point(0, 8)
    assert desk.find("frame_note").text().endswith("out of date: Update (U)")


def test_progress_says_how_fast_and_how_long(desk: Desk) -> None:
    said: list[str] = []
    desk.widget.controller._display._panel_soon.setInterval(1)
    desk.widget.controller.results_changed.connect(lambda: said.append(desk.find("track_status").text()))
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    assert any(re.fullmatch(r"\d+ of 12 frames · [\d.]+ frames/s · \d+ s left", text) for text in said)


def test_slow_runs_are_told_in_seconds_a_frame() -> None:
    assert speed(2.5) == "2.5 frames/s"
    assert speed(0.2) == "5.0 s a frame"


def test_object_is_renamed_by_hand_and_shown_in_its_colour(desk: Desk) -> None:
    desk.press("new_object")
    desk.click_shown(20, 30)
    table = desk.find("object_table")
    colour = [round(255 * part) for part in desk.widget.layers.labels.get_color(1)[:3]]
    swatch = table.item(0, 0).icon().pixmap(12, 12).toImage().pixelColor(6, 6)
    assert [swatch.red(), swatch.green(), swatch.blue()] == colour
    place = table.visualItemRect(table.item(0, COLUMNS.index("name"))).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    QTest.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    editor = table.findChild(QLineEdit)
    assert editor is not None
    QTest.keyClicks(editor, "nucleus")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    desk.until(lambda: desk.widget.objects.names == {1: "nucleus"}, "the name")
    assert table.item(0, COLUMNS.index("name")).text() == "nucleus"
    desk.settle()
    assert desk.widget.layers.labels.features.set_index("index").loc[1, "name"] == "nucleus"


def test_every_button_is_in_the_guide(desk: Desk) -> None:
    guide = (Path(__file__).parents[3] / "docs" / "widget.md").read_text(encoding="utf-8")
    parts = desk.widget.panel.widget().findChildren(QAbstractButton)
    # Fold buttons are the headings; what stands in arrows, dots and numbers changes.
    texts = {re.sub(r"[^\w -]", "", part.text()).strip() for part in parts if part.objectName()}
    labels = {part.text() for part in desk.widget.panel.widget().findChildren(QLabel) if part.text() in ("by", "along")}
    assert [text for text in sorted(texts | labels) if text and text not in guide] == []

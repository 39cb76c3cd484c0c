"""The section that measures: what it shows is what is exported, and a click goes there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt

from drawn_discs import disc
from napari_sam2.data.prompts.drawing import Drawing, PromptKey

if TYPE_CHECKING:
    from conftest import Desk

SIZE = (48, 56)


def test_measurements_are_shown_for_an_object_and_for_all(desk: Desk) -> None:
    masks = {PromptKey(t, i): disc(20, 10 + 3 * t, 3 + i, SIZE) for t in range(4) for i in (1,)}
    masks |= {PromptKey(t, 2): disc(38, 40, 5, SIZE) for t in range(4)}
    desk.widget.controller.edits.change(lambda e: e.edit({k: Drawing.of_mask(m) for k, m in masks.items()}, "Paint"))
    desk.settle()
    box = desk.widget.panel.measure_box
    desk.find("object_table").selectRow(0)
    box.buttons["measure"].click()
    desk.until(lambda: box.view.model().rowCount() > 0, "the measurements")
    assert box.view.model().rowCount() == 4
    assert box.column.currentText() == "area"
    assert {"speed", "solidity", "intensity_mean"} <= {box.column.itemText(i) for i in range(box.column.count())}
    box.column.setCurrentText("speed")
    curves = box.plot.getPlotItem().listDataItems()
    assert len(curves) == 2
    assert curves[-1].getData()[1][1:].round(6).tolist() == [3.0, 3.0, 3.0]
    box.view.clicked.emit(box.view.model().index(2, 0))
    assert desk.widget.layers.frame == 2
    desk.find("object_table").selectRow(1)
    desk.settle()
    assert box.plot.getPlotItem().listDataItems()[-1].getData()[1][1] == 0
    box.whose.setCurrentIndex(1)
    assert box.view.model().rowCount() == 2
    assert "generation" in [box.view.model().headerData(i, Qt.Orientation.Horizontal) for i in range(12)]
    box.view.clicked.emit(box.view.model().index(0, 0))
    assert (desk.widget.layers.frame, desk.widget.layers.selected) == (0, 1)

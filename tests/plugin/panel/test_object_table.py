"""The table of objects, by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qtpy.QtCore import Qt

from napari_sam2.plugin.panel.object_table import ObjectTable
from napari_sam2.plugin.state.object_row import ObjectRow


def texts(table: ObjectTable) -> list[list[str]]:
    return [[table.item(row, column).text() for column in range(5)] for row in range(table.rowCount())]


def test_only_rows_that_are_new_are_filled(qtbot: Any) -> None:
    table = ObjectTable()
    qtbot.addWidget(table)
    rows = [ObjectRow(i, f"cell {i}", prompts=1) for i in range(1, 6)]
    table.show_rows(rows, 1)
    items = [table.item(row, 0) for row in range(5)]
    rows[2] = replace(rows[2], seen=7)
    table.show_rows(rows, 4)
    assert [table.item(row, 0) is item for row, item in enumerate(items)] == [True, True, False, True, True]
    assert texts(table)[2] == ["3", "cell 3", "1", "7", "-"]
    assert table.selected_ids == [4]
    # Fewer rows, and more again.
    table.show_rows(rows[:2], 1)
    table.show_rows(rows, 1)
    assert [row[0] for row in texts(table)] == ["1", "2", "3", "4", "5"]
    # What a user changed and the session did not take is shown as it is.
    table.item(0, 1).setText("mine")
    table.item(1, 5).setCheckState(Qt.CheckState.Unchecked)
    table.show_rows(rows, 1)
    assert texts(table)[0][1] == "cell 1"
    assert table.item(1, 5).checkState() == Qt.CheckState.Checked

"""The table of objects, by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from qtpy.QtCore import Qt

from napari_sam2.plugin.panel.object_table import COLUMNS, ObjectTable
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


def narrow_table(qtbot: Any, rows: list[ObjectRow], width: int) -> ObjectTable:
    table = ObjectTable()
    qtbot.addWidget(table)
    table.resize(width, 150)
    table.show()
    table.show_rows(rows, 1)
    qtbot.waitUntil(table.verticalScrollBar().isVisible)
    return table


def shown(table: ObjectTable) -> set[str]:
    return {name for column, name in enumerate(COLUMNS) if not table.isColumnHidden(column)}


def cut(table: ObjectTable) -> set[str]:
    """Columns in sight whose cells need more room than they have."""
    heading = table.horizontalHeader()
    needed = {name: max(table.sizeHintForColumn(i), heading.sectionSizeHint(i)) for i, name in enumerate(COLUMNS)}
    return {name for i, name in enumerate(COLUMNS) if name in shown(table) and table.columnWidth(i) < needed[name]}


@pytest.mark.parametrize("object_id", [1, 1234])
def test_long_classes_leave_room_for_names_and_no_bar_lies_over_the_rows(qtbot: Any, object_id: int) -> None:
    kind = "neuroepithelial progenitor"
    rows = [ObjectRow(object_id + i, f"object {object_id + i}", 1, 100, 0.51, class_name=kind) for i in range(40)]
    # What there is for it in the narrowest dock.
    table = narrow_table(qtbot, rows, 270)
    assert table.horizontalScrollBar().maximum() == 0
    assert table.columnWidth(COLUMNS.index("name")) > 40


@pytest.mark.parametrize("class_name", ["", "nucleus"])
@pytest.mark.parametrize("width", [278, 300, 400, 480])
def test_names_are_readable_at_every_width(qtbot: Any, width: int, class_name: str) -> None:
    rows = [ObjectRow(i, f"object {i}", 1, 100, 0.51, class_name=class_name) for i in range(1, 41)]
    table = narrow_table(qtbot, rows, width)
    assert not cut(table)
    # The same when rows change, and when the dock was narrower or wider meanwhile.
    for meanwhile in (width, 200, 600):
        table.resize(meanwhile, 150)
        table.show_rows([replace(row, seen=meanwhile) for row in rows], 2)
        table.resize(width, 150)
        assert not cut(table)
    assert ("class" in shown(table)) == bool(class_name)
    assert {"id", "name", "lowest", "show"} <= shown(table)
    # All is in sight as soon as there is room.
    assert width < 400 or {"prompts", "seen"} <= shown(table)
    assert table.item(0, 1).toolTip().startswith("object 1\n")
    assert "prompted on 1 frame, found on 600 frames, lowest confidence 0.51" in table.item(0, 1).toolTip()


@pytest.mark.parametrize("width", [300, 480])
def test_classes_are_readable_when_they_come_later(qtbot: Any, width: int) -> None:
    rows = [ObjectRow(i, f"object {i}", 1, 100, 0.51) for i in range(1, 41)]
    table = narrow_table(qtbot, rows, width)
    table.show_rows([replace(row, class_name="mitotic") for row in rows], 1)
    assert "class" in shown(table)
    assert not cut(table)
    # They go with undo, and come again.
    for rows_now in (rows, [replace(row, class_name="mitotic") for row in rows]):
        table.show_rows(rows_now, 1)
    assert not cut(table)


def test_long_names_take_the_room_of_columns_that_can_be_done_without(qtbot: Any) -> None:
    rows = [ObjectRow(i, f"daughter {i} of object {i}", 1, 100, 0.51) for i in range(1, 21)]
    table = narrow_table(qtbot, rows, 278)
    assert shown(table) == {"id", "name", "lowest", "show"}
    table.resize(480, 150)
    qtbot.waitUntil(lambda: shown(table) >= {"prompts", "seen"})
    # Much longer ones do not take everything.
    table.show_rows([replace(row, name="a name " * 20) for row in rows], 1)
    assert shown(table) >= {"prompts", "seen"}


def test_columns_keep_the_width_that_a_user_gives_them(qtbot: Any) -> None:
    rows = [ObjectRow(i, f"object {i}", 1, 100, 0.51) for i in range(1, 21)]
    table = narrow_table(qtbot, rows, 400)
    table.horizontalHeader().resizeSection(COLUMNS.index("prompts"), 90)
    table.show_rows([replace(row, seen=7) for row in rows], 1)
    table.resize(278, 150)
    qtbot.wait(20)
    assert table.columnWidth(COLUMNS.index("prompts")) == 90

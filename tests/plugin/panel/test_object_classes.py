"""Classes of objects in the widget: given in the table to all selected ones, undone, and shown as colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QItemSelectionModel, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLineEdit

from napari_sam2.plugin.panel.object_table import COLUMNS

if TYPE_CHECKING:
    from conftest import Desk

CLASS = COLUMNS.index("class")


@pytest.fixture
def three(desk: Desk) -> Desk:
    """Three objects, prompted."""
    for y, x in ((20, 30), (40, 10), (8, 50)):
        desk.press("new_object")
        desk.click_shown(y, x)
    return desk


def classify(desk: Desk, name: str) -> None:
    """Choose "Class…" in the menu and type a name."""
    table = desk.find("object_table")
    table.menu().findChild(object, "classify").trigger()
    editor = table.findChild(QLineEdit)
    editor.selectAll()
    QTest.keyClicks(editor, name)
    QTest.keyClick(editor, Qt.Key.Key_Return)
    desk.settle()


def column(desk: Desk) -> list[str]:
    table = desk.find("object_table")
    return [table.item(row, CLASS).text() for row in range(table.rowCount())]


def test_all_selected_objects_get_a_class_as_one_step(three: Desk) -> None:
    table, session = three.find("object_table"), three.widget.session
    assert table.isColumnHidden(CLASS)
    assert three.find("colour_by_class").isHidden()
    table.selectRow(0)
    flags = QItemSelectionModel.SelectionFlag
    table.selectionModel().select(table.model().index(1, 0), flags.Select | flags.Rows)
    classify(three, "nucleus")
    assert session.classes == {1: "nucleus", 2: "nucleus"}
    assert column(three) == ["nucleus", "nucleus", ""]
    assert not table.isColumnHidden(CLASS)
    # Beside the name.
    assert table.horizontalHeader().visualIndex(CLASS) == COLUMNS.index("name") + 1
    three.press("undo")
    three.settle()
    assert session.classes == {}
    assert table.isColumnHidden(CLASS)
    three.press("redo")
    three.settle()
    assert column(three) == ["nucleus", "nucleus", ""]


def test_a_class_typed_into_the_table_is_that_of_its_row(three: Desk) -> None:
    table = three.find("object_table")
    table.selectRow(0)
    table.item(2, CLASS).setText(" debris ")
    three.settle()
    assert three.widget.session.classes == {3: "debris"}
    table.item(2, CLASS).setText("")
    three.settle()
    assert three.widget.session.classes == {}


def test_objects_of_one_class_have_one_colour(three: Desk) -> None:
    labels, session_classes = three.widget.layers.labels, {1: "a", 2: "b", 3: "a"}
    own = [labels.get_color(i) for i in (1, 2, 3)]
    table = three.find("object_table")
    table.clearSelection()
    for object_id, name in session_classes.items():
        table.item(object_id - 1, CLASS).setText(name)
        three.settle()
    np.testing.assert_allclose([labels.get_color(i) for i in (1, 2, 3)], own)
    three.find("colour_by_class").click()
    one, two, other = (labels.get_color(i) for i in (1, 2, 3))
    np.testing.assert_allclose(one, other)
    assert not np.allclose(one, two)
    three.find("colour_by_class").click()
    np.testing.assert_allclose([labels.get_color(i) for i in (1, 2, 3)], own)

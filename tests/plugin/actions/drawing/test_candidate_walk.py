"""Tab goes through the masks that the model proposes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

if TYPE_CHECKING:
    from conftest import Desk


def test_tab_goes_through_the_proposed_masks_and_comes_back(desk: Desk) -> None:
    native = desk.viewer.window._qt_viewer.canvas.native
    desk.press("new_object")
    desk.click_shown(20, 30)
    first = desk.labels[0] == 1
    proposed = desk.widget.session.candidates(0, 1)
    line = desk.find("status_line")
    seen: list[np.ndarray] = []
    for _ in range(8):
        before = len(desk.previews)
        QTest.keyClick(native, Qt.Key.Key_Tab)
        desk.until(lambda before=before: len(desk.previews) > before, "another mask")
        seen.append(desk.labels[0] == 1)
        if np.array_equal(seen[-1], first):
            break
    assert len(seen) > 1
    assert all(any(np.array_equal(mask, one) for one in proposed) for mask in seen[:-1])
    assert f"Tab: another mask (1 of {len(seen)})" in line.text()
    # Each is a step of its own, and the click comes back with the last.
    for _ in seen:
        desk.press("undo")
        desk.settle()
    assert len(desk.widget.layers.points.data) == 1
    np.testing.assert_array_equal(desk.labels[0] == 1, first)
    assert "another mask" not in line.text()

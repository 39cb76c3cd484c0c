"""Long work has a bar in napari's activity dock, and only one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from napari._qt.widgets.qt_progress_bar import QtLabeledProgressBar

from napari_sam2.plugin.panel import activity

if TYPE_CHECKING:
    from conftest import Desk


def test_a_long_run_has_one_bar_until_it_ends(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "_LONG_S", 0.0)
    # Every step is shown, also while napari makes the bar and handles what waits.
    desk.widget.controller._display._panel_soon.setInterval(0)

    def bars() -> list[QtLabeledProgressBar]:
        window = desk.viewer.window._qt_window
        return [bar for bar in window.findChildren(QtLabeledProgressBar) if not bar.isHidden()]

    seen: list[list[str]] = []
    look = desk.widget.track_actions._activity
    desk.widget.controller.tracking_stepped.connect(lambda step: look.show(step.done, step.total))
    desk.widget.controller.tracking_stepped.connect(
        lambda _: seen.append([bar.description_label.text() for bar in bars()])
    )
    desk.press("new_object")
    desk.click_shown(20, 30)
    assert desk.track()
    assert max(map(len, seen)) == 1
    assert seen[-1] == ["SAM 2: tracking: "]
    desk.until(lambda: not bars(), "the bar to go")

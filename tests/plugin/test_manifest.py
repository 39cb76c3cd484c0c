"""The widget as napari finds it: in the menus, with its settings remembered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.settings import get_plugin_settings
from qtpy.QtWidgets import QComboBox

if TYPE_CHECKING:
    from napari import Viewer
    from npe2._pytest_plugin import TestPluginManager


def test_opens_by_its_name_in_the_menu(
    make_napari_viewer_proxy: Callable[..., Viewer], plugin_settings: None, npe2pm: Any
) -> None:
    with npe2pm.tmp_plugin(package="napari-sam2"):
        viewer = make_napari_viewer_proxy()
        dock, widget = viewer.window.add_plugin_dock_widget("napari-sam2", "SAM 2")
        assert type(widget).__name__ == "Sam2Widget"
        assert dock.name == "SAM 2 (napari-sam2)"
        assert widget.session is None
        widget.controller.close()


def test_settings_are_remembered(
    make_napari_viewer_proxy: Callable[..., Viewer], plugin_settings: None, npe2pm: TestPluginManager
) -> None:
    with npe2pm.tmp_plugin(package="napari-sam2"):
        settings = get_plugin_settings("napari-sam2")
        settings.model.device = "cpu"
        settings.prompts.live_preview = False
        viewer = make_napari_viewer_proxy()
        _, widget = viewer.window.add_plugin_dock_widget("napari-sam2", "SAM 2")
        assert widget.findChild(QComboBox, "device").currentText() == "cpu"
        assert not widget.panel.live_preview.isChecked()
        widget.panel.threshold.setValue(0.7)
        widget.panel.live_preview.setChecked(True)
        assert settings.results.threshold == 0.7
        assert settings.prompts.live_preview
        widget.controller.close()

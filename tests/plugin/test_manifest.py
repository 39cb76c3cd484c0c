"""The widget as napari finds it: in the menus, with its settings remembered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from napari.settings import get_plugin_settings
from napari.utils.notifications import NotificationSeverity, notification_manager
from qtpy.QtWidgets import QComboBox

import napari_sam2
from napari_sam2.plugin import palette as palette_commands
from napari_sam2.plugin.panel.model_box import MEMORIES

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


def test_preferences_offer_the_memory_rules_that_the_widget_offers() -> None:
    manifest = yaml.safe_load(Path(napari_sam2.__file__).with_name("napari.yaml").read_text(encoding="utf-8"))
    settings = manifest["contributions"]["configurations"]["model"]["properties"]
    assert settings["memory"]["enum"] == [*MEMORIES]


def palette() -> dict[str, Any]:
    """What napari's command palette has of this plugin, by id, and whether it can be chosen."""
    from napari._app_model import get_app_model

    app = get_app_model()
    rules = [item.command for item in app.menus.get_menu(app.menus.COMMAND_PALETTE_ID)]
    ours = [rule for rule in rules if rule.id.startswith("napari-sam2.")]
    return {rule.id.split(".")[1]: rule.enablement is None or bool(rule.enablement.eval({})) for rule in ours}


def test_menu_of_layers_lists_the_steps_of_the_work(
    make_napari_viewer: Callable[..., Viewer], plugin_settings: None, npe2pm: TestPluginManager
) -> None:
    from napari._app_model import get_app_model

    with npe2pm.tmp_plugin(package="napari-sam2"):
        make_napari_viewer()
        listed = [item.command for item in get_app_model().menus.get_menu("napari/layers/track")]
        ours = [command.id.split(".")[1] for command in listed if command.id.startswith("napari-sam2.")]
        assert {*ours} == {"open_widget", "new_object", "find_objects", "track_both", "update", "next_doubtful"}
        # Each does no harm where nothing is open, as the next test has it.
        assert {*ours} - {"open_widget"} <= {name for name, can in palette().items() if can}


def test_commands_without_an_image_do_no_harm(
    make_napari_viewer: Callable[..., Viewer], plugin_settings: None, npe2pm: TestPluginManager
) -> None:
    from napari._app_model import get_app_model

    with npe2pm.tmp_plugin(package="napari-sam2"):
        viewer = make_napari_viewer(show=True)
        before = len(notification_manager.records)
        execute = get_app_model().commands.execute_command
        for name in sorted(set(palette()) - {"save_session", "open_session"}):
            if hasattr(palette_commands, name):
                execute(f"napari-sam2.{name}").result()
        (widget,) = [part for part in viewer.window.dock_widgets.values() if type(part).__name__ == "Sam2Widget"]
        for name in ("track_both", "find_objects", "update"):
            execute(f"napari-sam2.{name}").result()
            assert widget.panel.status.text().startswith("Open an image to begin")
        told = list(notification_manager.records)[before:]
        assert [one.message for one in told if one.severity >= NotificationSeverity.ERROR] == []
        widget.controller.close()


def test_command_palette_has_what_the_widget_does_and_nothing_that_would_fail(
    make_napari_viewer: Callable[..., Viewer], plugin_settings: None, npe2pm: TestPluginManager
) -> None:
    from napari._app_model import get_app_model

    with npe2pm.tmp_plugin(package="napari-sam2"):
        viewer = make_napari_viewer(show=True)
        viewer.add_image(np.zeros((3, 16, 16), np.uint8), name="image")
        listed = palette()
        assert {"new_object", "track_both", "update", "undo", "redo", "box", "paint", "cancel"} <= {
            name for name, can in listed.items() if can
        }
        files = {name for name in listed if name.startswith(("write_", "get_"))}
        assert len(files) == 9
        assert not any(listed[name] for name in files)
        execute = get_app_model().commands.execute_command
        # From the palette they are out of reach; called all the same, they do no harm.
        for name in files:
            execute(f"napari-sam2.{name}").result()
        # The first command opens the widget.
        execute("napari-sam2.new_object").result()
        (widget,) = [part for part in viewer.window.dock_widgets.values() if type(part).__name__ == "Sam2Widget"]
        execute("napari-sam2.new_object").result()
        assert list(widget.objects.names) == [1, 2]
        execute("napari-sam2.box").result()
        assert str(widget.layers.shapes.mode) == "add_rectangle"
        for name in sorted(set(listed) - files - {"save_session", "open_session"}):
            if hasattr(palette_commands, name):
                execute(f"napari-sam2.{name}").result()
        widget.controller.close()

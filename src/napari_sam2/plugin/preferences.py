"""Reads and writes the plugin's settings in napari's preferences."""

from __future__ import annotations

from typing import Any

from napari.settings import get_plugin_settings

_PLUGIN = "napari-sam2"


def remembered(category: str, name: str, default: Any) -> Any:
    """Read a setting."""
    try:
        return getattr(getattr(get_plugin_settings(_PLUGIN), category), name)
    # napari knows no such plugin where the widget is made in a script or a test, without the plugin manager.
    except KeyError:
        return default


def remember(category: str, name: str, value: Any) -> None:
    """Write a setting, if napari knows the plugin."""
    try:
        settings = get_plugin_settings(_PLUGIN)
    except KeyError:
        return
    setattr(getattr(settings, category), name, value)

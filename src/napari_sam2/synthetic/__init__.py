"""Synthetic scenes with labels: what the bundled model learns from and the samples show."""

from __future__ import annotations

from .render import render_clip
from .scene_settings import ABSENCES, KINDS, Clip, SceneSettings

__all__ = ["ABSENCES", "KINDS", "Clip", "SceneSettings", "render_clip"]

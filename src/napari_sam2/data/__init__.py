"""Stacks, prompts, labels and scores, in memory and on disk; no torch, Qt or napari."""

from .calibration import Calibration
from .export import (
    describe_stack,
    read_scores_csv,
    read_session_json,
    write_labels_tiff,
    write_scores_csv,
    write_session_json,
)
from .extras import MissingExtraError
from .frames import Window, choose_window, to_rgb8
from .labels import LabelStack, compose_labels
from .overlay import write_overlay
from .placement import Placement
from .prompts import Prompt, read_prompts, write_prompts
from .scores import ScoreRow, ScoreTable
from .selection import Selection
from .stack import Stack, open_stack

__all__ = [
    "Calibration",
    "LabelStack",
    "MissingExtraError",
    "Placement",
    "Prompt",
    "ScoreRow",
    "ScoreTable",
    "Selection",
    "Stack",
    "Window",
    "choose_window",
    "compose_labels",
    "describe_stack",
    "open_stack",
    "read_prompts",
    "read_scores_csv",
    "read_session_json",
    "to_rgb8",
    "write_labels_tiff",
    "write_overlay",
    "write_prompts",
    "write_scores_csv",
    "write_session_json",
]

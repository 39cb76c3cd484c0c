"""Stacks, prompts, labels and scores, in memory and on disk; imports no torch, Qt or napari."""

from napari_sam2.data.files.optional_packages import MissingExtraError
from napari_sam2.data.formats.tiff_and_tables import (
    describe_stack,
    read_scores_csv,
    read_session_json,
    write_labels_tiff,
    write_scores_csv,
    write_session_json,
)
from napari_sam2.data.images.axes import Axis
from napari_sam2.data.images.calibration import Calibration
from napari_sam2.data.images.geometry import Geometry
from napari_sam2.data.images.pixels.contrast import Window, choose_window, to_rgb8
from napari_sam2.data.images.selection import Selection
from napari_sam2.data.images.stack import Stack
from napari_sam2.data.labels.label_painter import compose_labels
from napari_sam2.data.labels.label_stack import LabelStack
from napari_sam2.data.labels.scores import ScoreRow, ScoreTable
from napari_sam2.data.pictures.overlay import write_overlay
from napari_sam2.data.prompts.prompt import Prompt, read_prompts, write_prompts
from napari_sam2.data.readers.open_stack import open_stack

__all__ = [
    "Axis",
    "Calibration",
    "Geometry",
    "LabelStack",
    "MissingExtraError",
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

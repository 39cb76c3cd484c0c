"""Formats that results can be exported to."""

from .export_data import Results
from .registry import FORMATS, Format, check_formats, export_results, find_format
from .tables import tracks_array, tracks_graph

__all__ = [
    "FORMATS",
    "Format",
    "Results",
    "check_formats",
    "export_results",
    "find_format",
    "tracks_array",
    "tracks_graph",
]

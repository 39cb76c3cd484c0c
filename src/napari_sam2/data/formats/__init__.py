"""Formats that results can be exported to."""

from .export_data import Results
from .format_entry import Format
from .registry import FORMATS, check_formats, export_results, find_format
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

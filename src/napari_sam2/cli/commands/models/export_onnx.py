"""``napari-sam2 export-onnx``: the parts of a model as ONNX files, for programs without PyTorch."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_sam2.cli.outcome import tell

SUMMARY = "write a model as ONNX files, for programs without PyTorch"

_DESCRIPTION = """\
Write a model as four ONNX files: image_encoder, prompt_decoder, memory_encoder and memory_attention. docs/onnx.md says
what goes in and comes out, and examples/track_with_onnx.py tracks an object with them.
"""
_EXAMPLES = """\
examples:
  napari-sam2 export-onnx sam2_nano --output onnx
  napari-sam2 export-onnx my_cells.safetensors --output onnx
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXAMPLES
    parser.add_argument("model", metavar="MODEL", help="catalogue name or checkpoint file")
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="folder for the files")


def run(args: argparse.Namespace) -> int:
    """Write the files; returns the exit status."""
    from napari_sam2.backends.onnx_graphs import write_graphs
    from napari_sam2.weights.catalog import name_or_file
    from napari_sam2.weights.load import load_model

    written = write_graphs(load_model(**name_or_file(args.model), preset="exact", device="cpu"), args.output)
    lines = [f"{path}  {path.stat().st_size / 1e6:.1f} MB" for path in written]
    tell(args, "\n".join(lines), {"files": [str(path) for path in written]})
    return 0

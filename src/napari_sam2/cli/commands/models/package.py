"""``napari-sam2 package``: a model as a bioimage.io package, for the programs that run those."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.cli.outcome import tell

if TYPE_CHECKING:
    from napari_sam2.backends.bioimageio_package import PackageNotes

SUMMARY = "write a model as a bioimage.io package"

_DESCRIPTION = """\
Write a model as a bioimage.io package: an image and points, boxes or masks in, masks and scores out. It takes the extra
[bioimageio]. The package holds the weights as ONNX, test data with what is expected of them, a cover and documentation;
`bioimageio test FILE` runs the test. docs/onnx.md says more.
"""
_EXAMPLES = """\
examples:
  napari-sam2 package sam2_nano --output sam2_nano.zip
  napari-sam2 package my_cells.safetensors --author "A. Person" --licence CC-BY-4.0 --output my_cells.zip
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXAMPLES
    parser.add_argument("model", metavar="MODEL", help="catalogue name or checkpoint file")
    parser.add_argument("--output", metavar="FILE.zip", type=Path, required=True, help="the package")
    parser.add_argument("--name", metavar="TEXT", help="the model's name; made of that of the weights where not given")
    parser.add_argument("--description", metavar="TEXT", help="what the model is for, in a line")
    author = "who stands for the package; more than once for several, and not needed for the bundled model"
    parser.add_argument("--author", metavar="NAME", action="append", help=author)
    licence = "licence of weights of your own, as in spdx.org/licenses; those of the catalogue have theirs"
    parser.add_argument("--licence", metavar="SPDX", help=licence)


def run(args: argparse.Namespace) -> int:
    """Write the package; returns the exit status."""
    if args.output.suffix != ".zip":
        raise ValueError(f"--output is a file that ends in .zip, not {str(args.output)!r}")
    from napari_sam2.weights.catalog import name_or_file

    source = name_or_file(args.model)
    notes = _notes(args)
    from napari_sam2.backends.bioimageio_package import check_package_path, write_package
    from napari_sam2.weights.load import load_model

    check_package_path(args.output)
    path = write_package(load_model(**source, preset="exact", device="cpu"), args.output, notes)
    tell(args, f"{path}  {path.stat().st_size / 1e6:.1f} MB", {"file": str(path)})
    return 0


def _notes(args: argparse.Namespace) -> PackageNotes:
    from napari_sam2.backends.bioimageio_package import PackageNotes
    from napari_sam2.weights.catalog import CATALOG

    entry = CATALOG.get(args.model)
    weights = args.model if entry is not None else Path(args.model).name
    if entry is None and args.licence is None:
        raise ValueError(f"the licence of {weights} is not known: say it, such as --licence CC-BY-4.0")
    if entry is not None and args.licence is not None:
        raise ValueError(f"--licence is for weights of your own: {weights} has the licence {entry.licence}")
    if args.author is None and not (entry is not None and entry.bundled):
        raise ValueError('say who stands for the package: --author "A. Person"')
    # A licence of the catalogue is its identifier, and in some cases a word behind a comma.
    licence = args.licence if entry is None else entry.licence.partition(",")[0]
    usual = f"SAM 2 segmentation by clicks ({Path(weights).stem if entry is None else weights})"
    return PackageNotes(
        # Other characters are not allowed in a name.
        name=args.name or re.sub(r"[^\w+() -]", "_", usual),
        description=args.description or "SAM 2: segments objects of an image that are clicked, boxed or roughly drawn",
        authors=args.author or ["napari-sam2 developers"],
        licence=licence,
        weights=weights,
        notice="" if entry is None or entry.notice is None else entry.notice,
    )

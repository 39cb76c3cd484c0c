"""``napari-sam2 export``: results of earlier runs in other formats."""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.batch.file_names import plain_name
from napari_sam2.cli.outcome import tell
from napari_sam2.job.finished_results import FinishedResults, find_results
from napari_sam2.job.option_types import format_names

if TYPE_CHECKING:
    from napari_sam2.data.formats import Format
    from napari_sam2.data.images.stack import Stack

SUMMARY = "write results of earlier runs in other formats"

_DESCRIPTION = """\
Write labels and scores of finished runs in other formats, into the same folders unless --output is given. A folder of a
batch stands for the results of all its jobs. Formats that do not fit one of several results are left out there, with a
note.

The images are looked for where session.json says they were; --image says where they are now.

formats:
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    from napari_sam2.data.formats import FORMATS

    lines = (f"  {one.name:13} {one.title}, in {one.filename}; loses {one.lost}" for one in FORMATS.values())
    parser.description = _DESCRIPTION + "\n".join(lines)
    parser.epilog = textwrap.dedent("""\
        examples:
          napari-sam2 export result --to ome-zarr,ctc,coco
          napari-sam2 export result --to cutout-mp4 --background 00b140 --output flat.mp4
          napari-sam2 export result --to blur-mp4 --blur 4
          napari-sam2 export batch-results --to ctc --output tracks
    """)
    what = "folders of results, folders of batches, or label TIFFs"
    parser.add_argument("labels", metavar="RESULTS", type=Path, nargs="+", help=what)
    parser.add_argument("--to", required=True, type=format_names, metavar="FORMAT,...", help="formats, see above")
    output = "folder for the files, with a folder for each of several results, or the file itself for a single format"
    parser.add_argument("--output", type=Path, metavar="PATH", help=output)
    parser.add_argument("--image", type=Path, metavar="PATH", help="the images that were tracked, of a single result")
    colour = "red, green and blue in place of a removed background (default 000000)"
    parser.add_argument("--background", type=hex_colour, default=(0, 0, 0), metavar="RRGGBB", help=colour)
    blur = "how strongly the background of blur-mp4 is blurred, in percent of a frame's longer side (default 2)"
    parser.add_argument("--blur", type=percent, default=percent("2"), metavar="PERCENT", help=blur)
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier export wrote")


def run(args: argparse.Namespace) -> int:
    """Write the formats and print where they are; returns the exit status."""
    sources = find_results(args.labels)
    if len(sources) > 1 and args.image is not None:
        raise ValueError(f"--image is for a single result, but there are {len(sources)}: leave it out")
    written = []
    for source in sources:
        for path in _export(args, source, single=len(sources) == 1):
            written.append(path)
            if not args.json:
                print(path)
    if args.json:
        tell(args, "", {"written": written})
    return 0


def _export(args: argparse.Namespace, source: Path, *, single: bool) -> Iterator[Path]:
    from napari_sam2.data.formats import export_results
    from napari_sam2.data.formats.registry import check_replaceable

    finished = FinishedResults.read(source)
    with finished.open_images(args.image) as images, finished.open_labels() as labels:
        # Without images the labels stand in for them: shape, axis and sizes are the same.
        stack, has_pixels = (labels, False) if images is None else (images, True)
        formats = list(_fitting(args.to, finished, stack, has_pixels=has_pixels, strict=single))
        paths = [_path(args, source, one.filename, single=single) for one in formats]
        for one, path in zip(formats, paths, strict=True):
            check_replaceable(one, path, overwrite=args.overwrite)
        results = finished.results(stack, labels, has_pixels=has_pixels, background=args.background, blur=args.blur)
        for one, path in zip(formats, paths, strict=True):
            export_results(results, one.name, path, overwrite=args.overwrite)
            yield path


def _fitting(
    names: tuple[str, ...], finished: FinishedResults, stack: Stack, *, has_pixels: bool, strict: bool
) -> Iterator[Format]:
    """The formats that can hold a result; of a single one all must, of several the others are named and left out."""
    from napari_sam2.data.formats import check_formats

    for name in names:
        try:
            if not has_pixels:
                finished.check_needs_no_images(name)
            yield from check_formats([name], stack, has_pixels=has_pixels)
        except ValueError as error:
            if strict:
                raise
            print(f"napari-sam2: note: {finished.labels.parent} is not written as {name}: {error}", file=sys.stderr)


def hex_colour(text: str) -> tuple[int, int, int]:
    """Read ``00b140`` or ``#00b140``."""
    if not re.fullmatch(r"#?[0-9a-fA-F]{6}", text):
        raise argparse.ArgumentTypeError(f"a colour is six hexadecimal digits such as 00b140, not {text!r}")
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue


def percent(text: str) -> float:
    """Read a number of percent above 0, up to 100, as a share."""
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = 0.0
    if not 0 < number <= 100:
        raise argparse.ArgumentTypeError(f"give a number of percent above 0 and up to 100, not {text!r}")
    return number / 100


def _path(args: argparse.Namespace, source: Path, filename: str, *, single: bool) -> Path:
    if args.output is None:
        return (source if source.is_dir() else source.parent) / filename
    output: Path = args.output
    # A path with the format's own ending is the file itself; any other is a folder that takes it.
    suffix = Path(filename).suffix
    if single and len(args.to) == 1 and suffix and output.suffix == suffix:
        return output
    return output / filename if single else output / plain_name(source) / filename

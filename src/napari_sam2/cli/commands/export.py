"""``napari-sam2 export``: results of an earlier run in other formats."""

from __future__ import annotations

import argparse
import re
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.job.option_types import format_names
from napari_sam2.job.output_folder import LABELS, RECORD, SCORES

if TYPE_CHECKING:
    from napari_sam2.data.formats import Results
    from napari_sam2.data.images.contrast import Window
    from napari_sam2.data.images.stack import Stack
    from napari_sam2.data.labels.label_stack import LabelStack

SUMMARY = "write results of an earlier run in other formats"

_DESCRIPTION = """\
Write labels and scores of a finished run in other formats, into the same folder unless --output is given.

The images are looked for where session.json says they were; --image says where they are now.

formats:
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    from napari_sam2.data.formats import FORMATS

    lines = (f"  {one.name:13} {one.filename:20} {one.title}; loses {one.lost}" for one in FORMATS.values())
    parser.description = _DESCRIPTION + "\n".join(lines)
    parser.epilog = textwrap.dedent("""\
        examples:
          napari-sam2 export result --to ome-zarr,ctc,coco
          napari-sam2 export result --to cutout-mp4 --background 00b140 --output flat.mp4
    """)
    parser.add_argument("labels", metavar="LABELS_DIR", type=Path, help="folder of results, or a label TIFF")
    parser.add_argument("--to", required=True, type=format_names, metavar="FORMAT,...", help="formats, see above")
    output = "folder for the files, or the file itself for a single format"
    parser.add_argument("--output", type=Path, metavar="PATH", help=output)
    parser.add_argument("--image", type=Path, metavar="PATH", help="the images that were tracked")
    colour = "red, green and blue in place of a removed background (default 000000)"
    parser.add_argument("--background", type=hex_colour, default=(0, 0, 0), metavar="RRGGBB", help=colour)
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier export wrote")


def run(args: argparse.Namespace) -> int:
    """Write the formats and print their places; returns the exit status."""
    from napari_sam2.data.formats import check_formats, export_results
    from napari_sam2.data.formats.registry import check_replaceable

    record = _Record.read(args.labels)
    with record.open_images(args.image) as images, record.open_labels() as labels:
        # Without images the labels stand in for them: shape, axis and sizes are the same.
        stack = labels if images is None else images
        if images is None:
            record.check_needs_no_images(args.to)
        formats = check_formats(args.to, stack, has_pixels=images is not None)
        places = [_place(args, one.filename, single=len(formats) == 1) for one in formats]
        for one, place in zip(formats, places, strict=True):
            check_replaceable(one, place, overwrite=args.overwrite)
        results = record.results(stack, labels, has_pixels=images is not None, background=args.background)
        for one, place in zip(formats, places, strict=True):
            export_results(results, one.name, place, overwrite=args.overwrite)
            print(place)
    return 0


def hex_colour(text: str) -> tuple[int, int, int]:
    """Read ``00b140`` or ``#00b140``."""
    if not re.fullmatch(r"#?[0-9a-fA-F]{6}", text):
        raise argparse.ArgumentTypeError(f"a colour is six hexadecimal digits such as 00b140, not {text!r}")
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue


@dataclass(frozen=True)
class _Record:
    """A folder of results, or a label file by itself, with the record of how it was made."""

    labels: Path
    scores: Path | None = None
    # The content of session.json; empty for a label file by itself.
    said: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, place: Path) -> _Record:
        from napari_sam2.data.formats.tiff_and_tables import read_session_json

        if not place.is_dir():
            return cls(place)
        if not (place / LABELS).exists():
            raise ValueError(f"{place} holds no {LABELS}: name a folder that 'napari-sam2 segment' wrote")
        scores = place / SCORES
        said = read_session_json(place / RECORD) if (place / RECORD).exists() else {}
        if "volumes" in said:
            raise ValueError(f"{place} holds volumes over time: 'napari-sam2 volumes --export' writes their formats")
        return cls(place / LABELS, scores if scores.exists() else None, said)

    def open_labels(self) -> Stack:
        from napari_sam2.data.readers.open_stack import open_stack

        return open_stack(self.labels, axis=self.said.get("input", {}).get("axis"))

    def open_images(self, path: Path | None) -> Any:
        """Open the images; a context with None where nobody knows where they are."""
        from contextlib import nullcontext

        from napari_sam2.data.images.selection import Selection
        from napari_sam2.data.readers.open_stack import open_stack

        known = self.said.get("input", {})
        place = path or (Path(known["path"]) if known.get("path") else None)
        if place is None or (path is None and not place.exists()):
            return nullcontext()
        # The recorded part names axis, place and channels; labels are always those of the whole frames.
        selection = Selection.from_json({**self.said.get("part", {}), "axis": known.get("axis")})
        return open_stack(place, selection=selection.whole)

    def check_needs_no_images(self, names: tuple[str, ...]) -> None:
        """Refuse formats that show the images; ``ValueError`` names the last known place of the images."""
        from napari_sam2.data.formats import FORMATS

        path = self.said.get("input", {}).get("path")
        where = f"{path} is not there any more" if path else f"nothing says which images {self.labels} belongs to"
        for name in names:
            if FORMATS[name].needs_pixels:
                raise ValueError(f"the format {name} shows the images, but {where}: say where they are with --image")

    def results(self, stack: Stack, labels: Stack, *, has_pixels: bool, background: tuple[int, int, int]) -> Results:
        from napari_sam2.data.formats import Results
        from napari_sam2.data.formats.tiff_and_tables import read_scores_csv
        from napari_sam2.data.labels.scores import ScoreTable

        scores = ScoreTable() if self.scores is None else read_scores_csv(self.scores)
        window = self._window() if has_pixels else None
        kept = self._label_stack(labels)
        return Results(kept, stack, scores, window=window, has_pixels=has_pixels, background=background)

    def _window(self) -> Window | None:
        from napari_sam2.data.images.contrast import Window

        limits = self.said.get("input", {}).get("contrast_limits")
        return Window(*limits) if limits else None

    def _label_stack(self, labels: Stack) -> LabelStack:
        """Read the frames that were tracked, or that have labels."""
        from napari_sam2.data.labels.label_stack import LabelStack

        # Tracked frames without objects are results as well: "nothing is here".
        spans = self.said.get("tracked_frames", [[0, labels.n_frames - 1]])
        tracked = {frame for first, last in spans for frame in range(first, last + 1)}
        kept = LabelStack(labels.shape, labels.dtype)
        for frame in range(labels.n_frames):
            image = labels.read(frame)
            if frame in tracked or image.any():
                kept.set(frame, image)
        return kept


def _place(args: argparse.Namespace, filename: str, *, single: bool) -> Path:
    folder: Path = args.labels if args.labels.is_dir() else args.labels.parent
    if args.output is None:
        return folder / filename
    output: Path = args.output
    # A path with the format's own ending is the file itself; any other is a folder that takes it.
    suffix = Path(filename).suffix
    return output if single and suffix and output.suffix == suffix else output / filename

"""``napari-sam2 weights``: list, download and verification of weights."""

from __future__ import annotations

import argparse
import warnings
from dataclasses import asdict
from pathlib import Path

from napari_sam2.cli.outcome import tell
from napari_sam2.weights.catalog import HOME_VARIABLE, cache_dir, format_size, list_entries

SUMMARY = "list, download and verify weights"

_EXAMPLES = """\
examples:
  napari-sam2 weights list
  napari-sam2 weights download sam2.1_hiera_tiny
  napari-sam2 weights verify ~/Downloads/sam2.1_hiera_tiny.pt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of the command."""
    parser.epilog = _EXAMPLES
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    about = "all weights: size, licence, and whether they are on this computer"
    actions.add_parser("list", help=about, description=f"Show {about}.").set_defaults(action=_list)
    about = "fetch weights, checked against their hash"
    fetch = actions.add_parser("download", help=about, description=f"{about.capitalize()}.", epilog=_EXAMPLES)
    fetch.add_argument("name", metavar="NAME", help="as 'napari-sam2 weights list' shows it")
    fetch.set_defaults(action=_download)
    about = "compare a file's hash with the catalogue's; status 1 if it differs"
    check = actions.add_parser("verify", help=about, description=f"{about.capitalize()}.", epilog=_EXAMPLES)
    check.add_argument("file", metavar="FILE", type=Path, help="a file of weights")
    check.add_argument("--name", metavar="NAME", help="what it should be; by default what its file name says")
    check.set_defaults(action=_verify)


def run(args: argparse.Namespace) -> int:
    """Do one of the actions; returns the exit status."""
    status: int = args.action(args)
    return status


def _list(args: argparse.Namespace) -> int:
    rows = [("name", "size", "on this computer", "licence", "what it is")]
    for entry in list_entries():
        place = "bundled" if entry.bundled else "downloaded"
        size = format_size(entry.size_bytes)
        rows.append((entry.name, size, place if entry.present else "no", entry.licence, entry.description))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += ["", f"Downloads go to {cache_dir()}; the environment variable {HOME_VARIABLE} names another folder."]
    listed = [asdict(entry) for entry in list_entries()]
    tell(args, "\n".join(lines), {"weights": listed, "folder": cache_dir()})
    return 0


def _download(args: argparse.Namespace) -> int:
    from napari_sam2.weights.download import download

    with warnings.catch_warnings():
        # Licence notices are warnings, which a setting of the user's must not hide.
        warnings.simplefilter("always")
        path = download(args.name)
    tell(args, str(path), {"path": path})
    return 0


def _verify(args: argparse.Namespace) -> int:
    from napari_sam2.weights.download import verify

    result = verify(args.file, args.name)
    tell(args, result.summary, {"verdict": result.verdict, "summary": result.summary})
    # A hash that was never published cannot be a match, and scripts must not take it for one.
    return 0 if result.verdict == "match" else 1

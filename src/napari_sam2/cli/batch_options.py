"""Options of a batch for all jobs and for single rows of its table, which are those of ``segment``."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

from napari_sam2.cli.job_options import add_job_options, job_options

if TYPE_CHECKING:
    from napari_sam2.batch.jobs import JobPaths
    from napari_sam2.job.options import JobOptions

# Options of which a row that gives one resets the other, as only one of them may be given.
_INSTEAD = MappingProxyType({"model": "checkpoint", "checkpoint": "model"})


# argparse ends the program on errors; a row's mistake is collected with those of other rows instead.
class _RowParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(re.sub(r"argument --(?P<name>[\w-]+):", r"\g<name>:", message))


class RowReader:
    """Reader of job options from the cells of a row, which override those of the command line."""

    def __init__(self, for_all: argparse.Namespace) -> None:
        self._parser = _RowParser(allow_abbrev=False, add_help=False)
        add_job_options(self._parser)
        self._usual = vars(self._parser.parse_args([]))
        # One value may have two names.
        self._columns = {
            name.removeprefix("--").replace("-", "_"): action.dest
            for action in self._parser._actions
            for name in action.option_strings
        }
        self._for_all = {name: getattr(for_all, name) for name in self._usual}

    def __call__(self, cells: Mapping[str, str], base: Path, paths: JobPaths) -> JobOptions:
        """Read the options of a row, by their names with underscores; relative paths in the cells start from `base`."""
        args = argparse.Namespace(**self._for_all)
        words: list[str] = []
        for name, cell in cells.items():
            if name not in self._columns:
                known = ", ".join(sorted(self._columns)).replace("_", "-")
                raise ValueError(
                    f"there is no column {name!r}: besides input, prompts, session and name there are {known}"
                )
            # A row's value replaces that of the command line; appended options would otherwise have both.
            for dest in (self._columns[name], _INSTEAD.get(name)):
                if dest is not None:
                    setattr(args, dest, self._usual[dest])
            words += _words(f"--{name.replace('_', '-')}", cell)
        args = self._parser.parse_args(words, args)
        options = job_options(args, stack=paths.input, prompts=paths.prompts, output=paths.output)
        checkpoint = options.model.checkpoint
        if checkpoint is None:
            return options
        # Workers may run in another folder.
        place = Path(os.path.abspath(base / checkpoint if "checkpoint" in cells else checkpoint))
        return replace(options, model=replace(options.model, checkpoint=place))


def _words(option: str, cell: str) -> list[str]:
    # As one word, so that a value with a leading minus is not taken for an option.
    if option != "--contrast-limits":
        return [f"{option}={cell}"]
    # Pairs of numbers in one cell: one pair for each channel.
    numbers = cell.split()
    return [word for place in range(0, len(numbers), 2) for word in (option, *numbers[place : place + 2])]


def resource_list(text: str) -> dict[str, float]:
    """Read ``GPU=1,MEMORY=8e9``."""
    found: dict[str, Any] = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"resources are written as GPU=1, not {part!r}") from error
    return found


def worker_count(text: str) -> int:
    """Read a number of processes, from 1."""
    if not re.fullmatch(r"[1-9][0-9]{0,3}", text):
        raise argparse.ArgumentTypeError(f"a whole number from 1 is wanted, not {text!r}")
    return int(text)

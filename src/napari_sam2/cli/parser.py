"""The parser of the command line: complaints in one line, with a guess at what was meant."""

from __future__ import annotations

import argparse
import difflib
import re
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby, takewhile
from pathlib import Path
from typing import Any, NoReturn

from .exit_status import EXIT_ERROR

PROGRAM = "napari-sam2"
# What argparse calls after types of Python's.
_NUMBERS = {"int": "give a whole number", "float": "give a number"}


class Help(argparse.HelpFormatter):
    """Help as wide as the terminal, in which no option is broken at a hyphen and lines that are set in stay."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines: list[str] = []
        for is_running, run in groupby(text.strip().splitlines(), lambda line: line[:1].strip() != ""):
            block = [*run]
            lines += self._split_lines(" ".join(block), width) if is_running else _hanging(block, width)
        return textwrap.indent("\n".join(lines), indent)


def _hanging(lines: Iterable[str], width: int) -> Iterator[str]:
    """Wrap what stands in two columns in its second one; commands to be copied stay in one line."""
    for line in lines:
        first = re.match(r" +\S+ {2,}", line)
        if first is None:
            yield line
        else:
            yield from textwrap.wrap(line, width, subsequent_indent=" " * first.end(), break_on_hyphens=False)


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, like every other error of this program."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**{"formatter_class": Help} | how)

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and exit with status 2."""
        for kind, wanted in _NUMBERS.items():
            message = message.replace(f"invalid {kind} value: ", f"{wanted}, not ")
        if odd := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
            message += meant(odd[1], re.findall(r"[\w+.-]+", odd[2]))
        self.exit(EXIT_ERROR, f"{PROGRAM}: error: {message} (see '{self.prog} --help')\n")

    def check_options(self, words: Iterable[str]) -> None:
        """Refuse options that there are not, with the one that each may have been meant for.

        argparse would first ask for arguments that are missing because their option is misspelt.
        """
        known = set(_option_names(self))
        # What follows a bare "--" are names, and options may be cut short.
        names = [word.split("=")[0] for word in takewhile(lambda word: word != "--", words) if word.startswith("--")]
        if odd := [name for name in names if not any(option.startswith(name) for option in known)]:
            self.error(f"unknown: {', '.join(f'{name}{meant(name, known)}' for name in odd)}")


def _option_names(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from _option_names(one)


def meant(word: str, known: Iterable[str]) -> str:
    """Ask whether the nearest known word was meant; nothing where none is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


class PrintCompletion(argparse.Action):
    """Prints the script with which a shell completes commands and options, and ends the program."""

    def __call__(self, parser: argparse.ArgumentParser, _namespace: object, shell: Any, _option: object = None) -> None:
        """Print the script for a shell."""
        import shtab

        _complete_paths(parser, shtab.FILE)
        print(shtab.complete(parser, shell))
        parser.exit()


def _complete_paths(parser: argparse.ArgumentParser, how: object) -> None:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                _complete_paths(one, how)
        elif action.type is Path:
            vars(action)["complete"] = how

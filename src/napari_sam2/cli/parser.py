"""The parser of the command line: complaints in one line, with a guess at what was meant."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any, NoReturn

from .exit_status import EXIT_ERROR

PROGRAM = "napari-sam2"


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, like every other error of this program."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and exit with status 2."""
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

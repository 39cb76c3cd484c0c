"""Options from fields: what a parser reads, a value says again in words."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import pytest

from napari_sam2.option_fields import add_options, option, option_names, option_words, read_options


def numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


@dataclass(frozen=True)
class Tea:
    sugar_lumps: int = option(2, "how sweet (default %(default)s)", metavar="N", type=int)
    cups: tuple[int, ...] = option((), "which ones", "--cup", "--cups", type=numbers)
    milk: str | None = option(None, "what kind", instead=True)
    lemon: str | None = option(None, "what kind", instead=True)
    pot: Path | None = None


def parse(*words: str, names: tuple[str, ...] = ()) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_options(parser, Tea, *names)
    return parser.parse_args(words)


def test_what_a_parser_reads_is_said_again() -> None:
    assert read_options(Tea, parse()) == Tea()
    tea = read_options(Tea, parse("--sugar-lumps", "3", "--cup", "1,2", "--milk", "oat"), pot=Path("pot"))
    assert tea == Tea(3, (1, 2), "oat", pot=Path("pot"))
    words = option_words(tea)
    assert words == ["--sugar-lumps", "3", "--cups", "1,2", "--milk", "oat"]
    assert read_options(Tea, parse(*words), pot=Path("pot")) == tea
    assert option_words(tea, "milk", "pot") == ["--milk", "oat"]


def test_neighbours_that_stand_for_each_other_exclude_each_other() -> None:
    with pytest.raises(argparse.ArgumentError, match="not allowed with"):
        parse("--milk", "oat", "--lemon", "green")


def test_some_options_leave_the_others_as_they_are() -> None:
    args = parse("--sugar-lumps", "0", names=("sugar_lumps",))
    assert vars(args) == {"sugar_lumps": 0}
    assert read_options(Tea, args) == Tea(0)
    assert option_names(Tea) == ["sugar_lumps", "cups", "milk", "lemon"]


def test_help_tells_the_default() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, Tea)
    assert "how sweet (default 2)" in parser.format_help()
    add_options(other := argparse.ArgumentParser(), Tea, "sugar_lumps", help="other words", default=5)
    assert "other words" in other.format_help() and other.parse_args([]).sugar_lumps == 5

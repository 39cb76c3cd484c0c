"""Options of the command line from fields of dataclasses: their help, defaults, choices and how they are read."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

Options = TypeVar("Options")

_OPTION = "option"


def option(default: Any, text: str, *flags: str, **how: Any) -> Any:
    """Make a field that is an option.

    Parameters
    ----------
    default : object
        Of the field, and of the option unless `how` has another.
    text : str
        Its help.
    *flags : str
        By default the field's name.
    **how : object
        As `ArgumentParser.add_argument` takes it. Of neighbours with ``instead=True`` only one may be given.
    """
    return dataclasses.field(default=default, metadata={_OPTION: {"flags": flags, "help": text, **how}})


def option_names(kind: type[Any]) -> list[str]:
    """Names of the fields that are options."""
    return [field.name for field in dataclasses.fields(kind) if _OPTION in field.metadata]


def option_choices(kind: type[Any]) -> dict[str, tuple[Any, ...]]:
    """What the fields may be that are options with choices."""
    options = {field.name: field.metadata.get(_OPTION, {}) for field in dataclasses.fields(kind)}
    return {name: tuple(how["choices"]) for name, how in options.items() if "choices" in how}


def add_options(parser: argparse._ActionsContainer, kind: type[Any], *names: str, **how: Any) -> None:
    """Add the options of a dataclass, or those of the fields that are named; `how` goes before what the fields say."""
    exclusive: argparse._ActionsContainer | None = None
    for field in _fields(kind, names):
        settings = _how(field) | how
        group, flags = parser, settings.pop("flags", ()) or (_flag(field.name),)
        if settings.pop("instead", False):
            exclusive = group = exclusive or parser.add_mutually_exclusive_group()
        group.add_argument(*flags, dest=field.name, **settings)


def read_options(kind: type[Options], args: argparse.Namespace, **others: Any) -> Options:
    """Make a value of the options that were added, and of other fields."""
    found = {field.name: getattr(args, field.name) for field in _fields(kind, ()) if hasattr(args, field.name)}
    return kind(**found | others)


def option_words(value: Any, *names: str) -> list[str]:
    """Give the words of a command that say a value's options again, or those that are named."""
    words = []
    for name in option_names(type(value)):
        setting = getattr(value, name)
        if (name in names or not names) and setting is not None and setting != ():
            words += [_flag(name), _word(setting)]
    return words


def _fields(kind: type[Any], names: tuple[str, ...]) -> Iterator[dataclasses.Field[Any]]:
    chosen = names or option_names(kind)
    return (field for field in dataclasses.fields(kind) if field.name in chosen)


def _how(field: dataclasses.Field[Any]) -> dict[str, Any]:
    how = {"default": field.default, **field.metadata.get(_OPTION, {})}
    # How its value is read follows from the default, unless the field says it.
    if {"type", "action", "nargs"} & set(how) or field.default is None:
        return how
    if isinstance(field.default, bool):
        return how | {"action": argparse.BooleanOptionalAction}
    if isinstance(field.default, tuple):
        return how | {"nargs": "+"}
    placeholder = {"metavar": "N"} if isinstance(field.default, int | float) else {}
    return placeholder | how | {"type": type(field.default)}


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _word(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value.resolve() if isinstance(value, Path) else value)

"""Entry point of the command ``napari-sam2``: sub-commands, error messages and exit statuses."""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from types import MappingProxyType, ModuleType

from napari_sam2.cli.commands import batch, benchmark, demo, export, prompts, resume, segment, serve, volumes
from napari_sam2.cli.commands import run as run_command
from napari_sam2.cli.commands.models import evaluate, export_onnx, package, teach, train, tune, weights
from napari_sam2.job.errors import describe_error

from .exit_status import EXIT_ERROR, EXIT_INTERRUPTED
from .interrupt import terminated_like_interrupted
from .parser import PROGRAM, Parser, PrintCompletion, meant

# Each has SUMMARY, add_arguments(parser) and run(args), and is light to import.
_COMMANDS: Mapping[str, ModuleType] = MappingProxyType(
    {
        "prompts": prompts,
        "segment": segment,
        "volumes": volumes,
        "run": run_command,
        "resume": resume,
        "batch": batch,
        "export": export,
        "demo": demo,
        "serve": serve,
        "weights": weights,
        "evaluate": evaluate,
        "benchmark": benchmark,
        "train": train,
        "teach": teach,
        "tune": tune,
        "export-onnx": export_onnx,
        "package": package,
    }
)
_EXAMPLES = """\
examples:
  napari-sam2 demo
  napari-sam2 prompts cells.tif
  napari-sam2 segment cells.tif --prompts prompts.json --output result
  napari-sam2 weights download sam2.1_hiera_tiny
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit status: 0, 1 where a check failed, 2 after an error, 130 after Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # A pipe takes the letters of the system's language only; a file's name may have others.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        # Taken anywhere on the line: who has just seen an error adds it at the end.
        args = _parse([word for word in words if word != "--debug"])
        # Its complaints about damaged files either end in an error of this program or do no harm.
        logging.getLogger("tifffile").setLevel(logging.CRITICAL)
        with _warnings_in_a_line(), terminated_like_interrupted():
            status: int = args.run(args)
        # Here, where a closed pipe can still be caught.
        sys.stdout.flush()
    # Ctrl-C before or after tracking; during it, the commands stop by themselves.
    except KeyboardInterrupt:
        print(f"{PROGRAM}: stopped", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has seen enough, as `head` does; Python must not try to flush again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        message = describe_error(error)
        if message is None or "--debug" in words:
            raise
        print(f"{PROGRAM}: error: {message}", file=sys.stderr)
        return EXIT_ERROR
    return status


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog=PROGRAM,
        description="Follow objects through video and z-stacks with SAM 2: prompts in, labels and object scores out.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {version(PROGRAM)}")
    parser.add_argument("--debug", action="store_true", help="show where in the program an error arose")
    parser.add_argument("--json", action="store_true", help="print what was done as one JSON object, for programs")
    parser.add_argument(
        "--print-completion",
        action=PrintCompletion,
        choices=("bash", "zsh", "fish", "tcsh", "powershell"),
        help="print what a shell needs to complete commands and options",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    parser.set_defaults(json="--json" in words)
    words = [word for word in words if word != "--json"]
    # The command is the first word that is no option; the options before it take no values, but for that one.
    completing = any(word.startswith("--print-c") for word in words)
    asked = next((word for word in words if not word.startswith("-")), None)
    for name, command in _COMMANDS.items():
        about = f"{command.SUMMARY[0].upper()}{command.SUMMARY[1:]}."
        one = commands.add_parser(name, help=command.SUMMARY, description=about)
        one.set_defaults(run=command.run)
        # The arguments of some commands come with torch, which the others need not wait for.
        if name == asked or completing:
            command.add_arguments(one)
    if asked is not None and not completing:
        if asked not in commands.choices:
            parser.error(f"there is no command {asked!r}{meant(asked, commands.choices)}")
        commands.choices[asked].check_options(words[words.index(asked) + 1 :])
    args, odd = parser.parse_known_args(words)
    if odd:
        # Here, and not by the parser itself, which would point to the help of all commands.
        commands.choices[asked or ""].error(f"nothing is known of {', '.join(map(repr, odd))}")
    return args


@contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    def formatted(message: Warning | str, *_where: object, **_line: object) -> str:
        return f"{PROGRAM}: note: {message}\n"

    # Users need the text of a warning, not the line of code that gave it.
    usual = warnings.formatwarning
    warnings.formatwarning = formatted
    try:
        yield
    finally:
        warnings.formatwarning = usual

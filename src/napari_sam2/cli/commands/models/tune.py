"""``napari-sam2 tune``: settings tried on the accepted frames of a session."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.cli.exit_status import EXIT_INTERRUPTED
from napari_sam2.cli.interrupt import stop_on_interrupt
from napari_sam2.cli.outcome import tell
from napari_sam2.generators import StepsWithResult
from napari_sam2.job.from_session import saved_model
from napari_sam2.job.option_types import zoom_option
from napari_sam2.job.options import ModelOptions
from napari_sam2.weights.catalog import CATALOG, is_available

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_sam2.model.sam2 import Sam2
    from napari_sam2.training.finetune.try_settings import TrackingSettings, TrialProgress, TriedSettings

SUMMARY = "try models, presets, zoom and memory rules on the frames that you have accepted"

_DESCRIPTION = """\
Track into accepted frames of a session with its own settings, then with others, and say which fit these data best.

The objects are prompted with their masks on an accepted frame in the middle, and followed into the accepted frames
behind it, which nothing is learned from. One setting after the other is changed, the best is kept. The session is not
changed.
"""
_EXAMPLES = """\
examples:
  napari-sam2 tune cells.napari-sam2
  napari-sam2 tune cells.napari-sam2 --models sam2_nano sam2.1_hiera_tiny --memory gated long --zoom off auto 4
"""
_MEMORY = ("standard", "gated", "distractor-adaptive", "motion", "long")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXAMPLES
    parser.add_argument("session", metavar="SESSION", type=Path, help="a session folder with accepted frames")
    here = "names of 'napari-sam2 weights list', or checkpoint files; all that are on this machine where left out"
    parser.add_argument("--models", nargs="*", metavar="NAME|FILE", help=here)
    presets = "presets to try (default balanced fast)"
    parser.add_argument("--presets", nargs="*", default=("balanced", "fast"), metavar="PRESET", help=presets)
    zoom = "zooms to try: off, auto or a factor (default off auto)"
    parser.add_argument("--zoom", nargs="*", type=zoom_option, default=("off", "auto"), metavar="ZOOM", help=zoom)
    memory = f"memory rules to try (default {' '.join(_MEMORY)})"
    parser.add_argument("--memory", nargs="*", default=_MEMORY, metavar="RULE", help=memory)
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps, ...")


def run(args: argparse.Namespace) -> int:
    """Try the settings and print a table; returns the exit status."""
    from napari_sam2.training.finetune.session_labels import session_labels
    from napari_sam2.training.finetune.try_settings import TrackingSettings, best_of, try_settings

    with session_labels(args.session) as (labelled, header):
        options = saved_model(ModelOptions(device=args.device), header.model)
        own = options.model or str(options.checkpoint)
        present = TrackingSettings(own, options.preset, header.settings.zoom, header.settings.memory)
        models = [name for name in CATALOG if is_available(name)] if args.models is None else args.models
        choices: dict[str, Sequence[Any]] = {
            "model": models, "preset": args.presets, "zoom": args.zoom, "memory": args.memory
        }  # fmt: skip

        def load(settings: TrackingSettings) -> Sam2:
            return model_of(options, settings).load()

        complete, tried = _watch(try_settings([labelled], present, choices, load=load))
    if tried:
        best = best_of(tried)
        words = words_of(model_of(options, best.settings), best.settings)
        rows = [{"settings": str(one.settings), **one.figures, "seconds": round(one.seconds, 2)} for one in tried]
        tell(args, _table(tried, best, words), {"tried": rows, "best": str(best.settings), "options": words})
    return 0 if complete else EXIT_INTERRUPTED


def model_of(options: ModelOptions, settings: TrackingSettings) -> ModelOptions:
    """Options of the model of some settings, for the rest as given."""
    known = settings.model in CATALOG
    name, file = (settings.model, None) if known else (None, Path(settings.model))
    return replace(options, model=name, checkpoint=file, preset=settings.preset)


def words_of(model: ModelOptions, settings: TrackingSettings) -> list[str]:
    """The options of ``segment`` that choose some settings."""
    which = ["--model", model.model] if model.model else ["--checkpoint", str(model.checkpoint)]
    return [*which, "--preset", settings.preset, "--zoom", str(settings.zoom), "--memory", settings.memory]


def _watch(
    trying: Generator[TrialProgress, None, tuple[TriedSettings, ...]],
) -> tuple[bool, tuple[TriedSettings, ...]]:
    """Show progress until the end, or until Ctrl-C; what was tried by then counts."""
    from tqdm import tqdm

    steps = StepsWithResult(trying)
    tried: tuple[TriedSettings, ...] = ()
    with stop_on_interrupt() as stop, tqdm(total=1.0, bar_format="{percentage:3.0f}%|{bar:30}| {desc}") as bar:
        for progress in steps:
            tried = progress.tried
            bar.set_description_str(str(progress.current), refresh=False)
            bar.update(progress.share_done - bar.n)
            if stop.is_set():
                break
        else:
            return True, steps.result
    trying.close()
    print("napari-sam2: stopped; settings that were not reached are not in the table", file=sys.stderr)
    return False, tried


def _table(tried: Sequence[TriedSettings], best: TriedSettings, words: Sequence[str]) -> str:
    lines = ["   J&F      J      F  seconds  settings"]
    for one in tried:
        figures = "  ".join(f"{one.figures[name]:.3f}" for name in ("J&F", "J", "F"))
        lines.append(f"{'*' if one is best else ' '} {figures}  {one.seconds:7.1f}  {one.settings}")
    said = "the settings at hand are best" if best is tried[0] else "use the best with"
    return "\n".join([*lines, f"{said}: {' '.join(words)}"])

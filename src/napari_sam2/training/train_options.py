"""``napari-sam2 train``: its options, one for each setting, and its progress on the terminal."""

from __future__ import annotations

import argparse
import time
from argparse import SUPPRESS
from dataclasses import MISSING, fields, replace
from pathlib import Path

from tqdm import tqdm

from napari_sam2.option_fields import add_options
from napari_sam2.synthetic import SceneSettings
from napari_sam2.training.data.sources import fill_pool
from napari_sam2.training.optimisation.processes import from_first, join, leave, rank
from napari_sam2.weights.load import save_checkpoint

from .data_sheets import write_data_sheets
from .loop import run_training
from .train_settings import RECIPES, TrainSettings, paper_recipe

# The first setting of each group in the help.
_GROUPS = {
    "data": "what it learns from",
    "weights": "what is trained, and how long",
    "stills": "batches",
    "smallest_window": "what the images are like",
    "mask_prompts": "prompts",
    "feature_penalty": "loss",
    "optimiser": "optimiser",
}
_EXAMPLES = """\
examples:
  napari-sam2 train run --minutes 60 --export mine.safetensors
  napari-sam2 train run --weights sam2_nano --data generated my_stacks/ --data-weights 1 2 --steps 2000
  napari-sam2 train run --data my_stacks/ --sheets sheets/
"""


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``napari-sam2 train`` takes: an option for each field of `TrainSettings`, and where to begin."""
    # The usage of sixty options would fill the screen.
    parser.usage, parser.epilog = "napari-sam2 train FOLDER [OPTION ...]", _EXAMPLES
    where = "folder of checkpoint and curves; a run goes on from what it finds there"
    parser.add_argument("folder", type=Path, metavar="FOLDER", help=where)
    recipe = "where the settings come from that are not given: nano (default), or paper, SAM 2's own"
    parser.add_argument("--recipe", choices=RECIPES, default="nano", help=recipe)
    paper, group = paper_recipe(""), parser.add_argument_group()
    for field in fields(TrainSettings):
        if field.name in _GROUPS:
            group = parser.add_argument_group(_GROUPS[field.name])
        usual, other = field.default, getattr(paper, field.name)
        if usual is not MISSING:
            text = field.metadata["option"]["help"] + _defaults(usual, other)
            kind = {"type": float} if field.name == "data_weights" else {}
            add_options(group, TrainSettings, field.name, default=SUPPRESS, help=text, **kind)
    parser.add_argument("--init", type=Path, metavar="FILE", help="checkpoint.pt of another run to start from")
    parser.add_argument("--stop-after", type=int, metavar="STEP", help="stop at this step; the same command goes on")
    export = "averaged weights to write at the end, .safetensors or .pt"
    parser.add_argument("--export", type=Path, metavar="FILE", help=export)
    parser.add_argument(
        "--fill-pool", type=int, metavar="CLIPS", help="first render so many clips into the data folder"
    )
    parser.add_argument(
        "--photographs", type=float, default=0.0, metavar="SHARE", help="share of their surfaces cut out of photographs"
    )
    parser.add_argument(
        "--sheets",
        type=Path,
        metavar="DIR",
        help="only draw what the labelled stacks and stills among the data are like",
    )


def _defaults(usual: object, paper: object) -> str:
    """Say what is taken where nothing is given; nothing for what is empty, of which the help says what that means."""
    if usual in ((), ""):
        return ""
    return f" (default {_shown(usual)})" if paper == usual else f" (default {_shown(usual)}, paper {_shown(paper)})"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def settings_from_args(args: argparse.Namespace) -> TrainSettings:
    """Gather the settings among the arguments."""
    given = {field.name: getattr(args, field.name) for field in fields(TrainSettings) if hasattr(args, field.name)}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    given["folder"] = str(args.folder)
    return replace(RECIPES[args.recipe](""), **given)


def train_from_args(args: argparse.Namespace) -> None:
    """Train as the arguments say."""
    settings = settings_from_args(args)
    if args.sheets:
        write_data_sheets(settings, args.sheets)
        return
    join()
    if args.fill_pool and rank() == 0:
        size = (settings.image_size, settings.image_size)
        scenes = SceneSettings(size=size, n_frames=10, photographs=args.photographs)
        fill_pool(settings.data[0], scenes, clips=args.fill_pool, seed=settings.seed)
    from_first(0.0)  # the others wait for the clips
    by_clock, begun = settings.minutes > 0, time.monotonic()
    total, unit = (round(60 * settings.minutes), "s") if by_clock else (settings.steps, "step")
    # By the clock, seconds are no steps: what has passed, of how much.
    shape = f"{{percentage:3.0f}}%|{{bar}}| {{elapsed}} of {settings.minutes:g} min{{postfix}}" if by_clock else None
    with tqdm(total=total, unit=unit, bar_format=shape, disable=rank() > 0) as bar:

        def show(step: int, _steps: int, line: str) -> None:
            bar.update(min(round(time.monotonic() - begun), total) - bar.n if by_clock else step - bar.n)
            bar.set_postfix_str(f"step {step}, {line}", refresh=False)

        state = run_training(settings, init=args.init, stop_after=args.stop_after, progress=show)
    if args.export and rank() == 0:
        save_checkpoint(state.averaged_model(), args.export, dtype="float16")
    leave()

"""``napari-sam2 teach``: fine-tuning of a model on a stack's corrected labels."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.cli.exit_status import EXIT_INTERRUPTED
from napari_sam2.cli.interrupt import stop_on_interrupt
from napari_sam2.cli.job_options import add_model_options, model_options
from napari_sam2.cli.outcome import tell
from napari_sam2.generators import StepsWithResult
from napari_sam2.option_fields import add_options, read_options
from napari_sam2.wording import counted

if TYPE_CHECKING:
    from napari_sam2.training.finetune.finetuner import LabelledStack, Taught, TeachProgress

SUMMARY = "teach a model your own objects from corrected labels"

_DESCRIPTION = """\
Fine-tune a copy of a model on labels that you have corrected, and measure on held-out frames whether that helped.

The last accepted frames are not learned from: before and after teaching, the objects are tracked into them from
their masks on the frame before.
"""
_EXAMPLES = """\
examples:
  napari-sam2 teach cells.tif --labels labels.tif --accepted 0-20 --output my_cells.safetensors
  napari-sam2 segment more.tif --prompts prompts.json --output result --checkpoint my_cells.safetensors
"""
_ENDINGS = (".pt", ".pth", ".safetensors")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    from napari_sam2.training.train_settings import TeachSettings

    parser.description = _DESCRIPTION
    parser.epilog = _EXAMPLES
    parser.add_argument("input", metavar="INPUT", type=Path, help="the stack, as for segment")
    parser.add_argument("--labels", required=True, type=Path, metavar="FILE", help="label stack of the same shape")
    accepted = "frames whose labels are right, from 0, as in 0-20 or 0-5,8,12-20; all where not given"
    parser.add_argument("--accepted", metavar="FRAMES", help=accepted)
    output = f"file to write the taught model to, ending in {', '.join(_ENDINGS)}"
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help=output)
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it is there already")
    parser.add_argument("--axis", choices=("t", "z"), help="what the frames are; by default what the file says, else t")
    limits = "pixel values shown black and white; by default the 0.1 and 99.9 percentiles of the stack"
    parser.add_argument("--contrast-limits", type=float, nargs=2, metavar=("LOW", "HIGH"), help=limits)
    add_options(parser.add_argument_group("teaching"), TeachSettings)
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Fine-tune the model, write it and print whether that helped; returns the exit status."""
    from napari_sam2.training.finetune.finetuner import teach
    from napari_sam2.training.train_settings import TeachSettings
    from napari_sam2.weights.load import save_checkpoint

    _check_output(args.output, overwrite=args.overwrite)
    settings = read_options(TeachSettings, args)
    stack = read_labelled(args)
    taught = _watch(teach(model_options(args).load(), [stack], settings=settings))
    if taught is None:
        print("napari-sam2: stopped; nothing was written", file=sys.stderr)
        return EXIT_INTERRUPTED
    save_checkpoint(taught.in_full(), args.output)
    figures = {"before": taught.before, "after": taught.after, "output": args.output}
    tell(args, f"{_verdict(taught)}: {args.output}", figures)
    return 0


def read_labelled(args: argparse.Namespace) -> LabelledStack:
    """Open the stack and read its labels."""
    import numpy as np

    from napari_sam2.data.prompts.labels_onto import labels_onto
    from napari_sam2.data.readers.open_stack import open_stack
    from napari_sam2.training.finetune.finetuner import LabelledStack

    stack = open_stack(args.input, axis=args.axis)
    # Labels are few enough to hold; frames of the stack are read as training needs them.
    with open_stack(args.labels, axis=args.axis) as labels:
        images = np.stack([labels.read(frame) for frame in range(labels.n_frames)])
        # A scan's labels may run another way than the scan.
        images = labels_onto(images, labels, stack)
    accepted = None if args.accepted is None else parse_frames(args.accepted)
    return LabelledStack(stack, images, accepted, args.contrast_limits)


def parse_frames(text: str) -> tuple[int, ...]:
    """Read ``"0-5,8"`` as the frames 0 to 5 and 8."""
    frames: list[int] = []
    for part in text.split(","):
        # A single frame is a range of one; anything that does not match becomes an empty range, which is refused below.
        found = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if last < first:
            raise ValueError(f"--accepted takes frames as in 0-20 or 0-5,8,12-20; {part.strip()!r} is no such range")
        frames += range(first, last + 1)
    return tuple(frames)


def _check_output(path: Path, *, overwrite: bool) -> None:
    # Before the teaching, not after it.
    if path.suffix not in _ENDINGS:
        raise ValueError(f"--output {str(path)!r} must end in {', '.join(_ENDINGS)}")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {str(path.parent)!r} to write {path.name} to")
    if path.exists() and not overwrite:
        raise ValueError(f"{str(path)!r} is there already: give another name, or --overwrite to replace it")


def _watch(teaching: Generator[TeachProgress, None, Taught]) -> Taught | None:
    """Show progress until the end; ``None`` if Ctrl-C ended it earlier."""
    from tqdm import tqdm

    steps = StepsWithResult(teaching)
    with (
        stop_on_interrupt() as stop,
        tqdm(total=1.0, bar_format="{desc:<16} {percentage:3.0f}%|{bar:30}|{postfix}") as bar,
    ):
        for progress in steps:
            bar.set_description_str(progress.stage, refresh=False)
            bar.set_postfix_str(_line(progress), refresh=False)
            bar.update(progress.share_done - bar.n)
            if stop.is_set():
                break
        else:
            return steps.result
    teaching.close()
    return None


def _line(progress: TeachProgress) -> str:
    words = [f"step {progress.step}"]
    if progress.loss is not None:
        words.append(f"loss {progress.loss:.3f}")
    if progress.before is not None:
        words.append(f"J&F before {progress.before:.3f}")
    if progress.seconds_left is not None:
        minutes, seconds = divmod(round(progress.seconds_left), 60)
        words.append(f"{minutes}:{seconds:02d} left")
    return ", ".join(words)


def _verdict(taught: Taught) -> str:
    if taught.before is None or taught.after is None:
        return "taught, with too few frames to measure whether it helped"
    before, after = taught.before, taught.after
    figures = ", ".join(f"{name} {before[name]:.3f} -> {after[name]:.3f}" for name in ("J&F", "J", "F"))
    count = sum(len(frames) for frames in taught.held_out_frames)
    frames = counted(count, "held-out frame")
    part = "" if taught.learned_share == 1 else f" with {taught.learned_share:.0%} of what was learned"
    return f"{'better' if taught.helped else 'not better'} on {frames}{part}, {figures}"

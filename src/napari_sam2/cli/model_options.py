"""The options that pick a model and say how it runs, shared by the commands."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_sam2.job.options import ModelOptions
from napari_sam2.weights.catalog import BUNDLED_NAME


def zoom_option(text: str) -> str | float:
    """Read what ``--zoom`` takes: ``"auto"``, ``"off"`` or a factor; the session says what is wrong with others."""
    try:
        return float(text)
    except ValueError:
        return text


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ModelOptions` to a command; `model_options` gathers them."""
    group = parser.add_argument_group("model")
    which = group.add_mutually_exclusive_group()
    which.add_argument("--model", metavar="NAME", help=f"one of 'napari-sam2 weights list' (default {BUNDLED_NAME})")
    which.add_argument("--checkpoint", metavar="FILE", type=Path, help="a .pt or .safetensors file instead")
    group.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps, ...")
    group.add_argument("--dtype", default="auto", help="auto (default), float32, mixed, bfloat16 or float16")
    group.add_argument("--preset", default="balanced", help="exact, balanced (default) or fast")
    group.add_argument("--backend", default="auto", help="auto (default: torch), torch or openvino")
    group.add_argument(
        "--image-size", type=int, metavar="N", help="side of the model's input in pixels, a multiple of 32"
    )


def model_options(args: argparse.Namespace) -> ModelOptions:
    """Gather the options that `add_model_arguments` added."""
    how = args.device, args.dtype, args.preset, args.image_size, args.backend
    return ModelOptions(args.model, args.checkpoint, *how)


def add_zoom_argument(parser: argparse._ActionsContainer) -> None:
    """Add ``--zoom`` to a command."""
    text = "auto (default unless --preset exact): small objects are tracked in windows that go with them; off; a factor"
    parser.add_argument("--zoom", type=zoom_option, metavar="auto|off|N", help=text)

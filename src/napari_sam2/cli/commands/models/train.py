"""``napari-sam2 train``: training of a small model, from scratch or from another one."""

from __future__ import annotations

import argparse

SUMMARY = "train a model on generated or labelled clips"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    from napari_sam2.training.train_options import add_train_arguments

    add_train_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Train; returns the exit status."""
    from napari_sam2.training.train_options import train_from_args

    train_from_args(args)
    return 0

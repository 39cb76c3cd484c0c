"""What ``find_objects`` finds on one frame of movies with labels: processor seconds, objects found, missed and false.

``python benchmarks/bench_find.py FOLDER... [--model NAME or FILE] [--frame 0] [--rounds 1]``: each FOLDER holds
frames.tif and labels.tif. An object is found where a mask has an IoU of one half or more with it. One thread.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from named_model import named_model
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from napari_sam2 import Session

_FOUND = 0.5


def overlaps(truth: NDArray[Any], found: NDArray[Any]) -> NDArray[np.float64]:
    """IoUs of all objects of one label image with all of another."""
    (true_ids, true), (found_ids, other) = (np.unique(labels, return_inverse=True) for labels in (truth, found))
    both = np.zeros((len(true_ids), len(found_ids)))
    np.add.at(both, (true.ravel(), other.ravel()), 1)
    union = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    return np.asarray((both / union)[np.ix_(true_ids > 0, found_ids > 0)])


def measure(model: Any, folder: Path, *, frame: int, rounds: int) -> str:
    """One line of the table."""
    # A page alone, so that a file which is cut short behind it is of use, too.
    image = tifffile.imread(folder / "frames.tif", key=frame)
    truth = tifffile.imread(folder / "labels.tif", key=frame)
    seconds = []
    for _ in range(rounds):
        session = Session(model, image[None], axis="t")
        begun = time.process_time()
        found = session.find_objects(0)
        seconds.append(time.process_time() - begun)
    iou = overlaps(truth, found.labels)
    matched = iou[linear_sum_assignment(-iou)]
    right = matched[matched >= _FOUND]
    quality = f"{right.mean():.2f}" if len(right) else "-"
    name, size = folder.resolve().name, f"{image.shape[0]} x {image.shape[1]}"
    counts = f"{len(right)} | {len(iou) - len(right)} | {len(found) - len(right)} | {quality}"
    return f"| {name} | {size} | {len(iou)} | {counts} | {statistics.median(seconds):.1f} |\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--model", default="sam2_nano", help="a name of the catalogue, or a file of weights")
    parser.add_argument("--frame", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = named_model(options.model)
    sys.stdout.write("| frame of | pixels | objects | found | missed | false | mean IoU of found | CPU s |\n")
    sys.stdout.write("|---|---|---:|---:|---:|---:|---:|---:|\n")
    for folder in options.folders:
        sys.stdout.write(measure(model, folder, frame=options.frame, rounds=options.rounds))
        sys.stdout.flush()


if __name__ == "__main__":
    main()

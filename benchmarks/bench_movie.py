"""A whole movie of a hundred cells from one call: found, followed and linked, seconds a frame.

``python benchmarks/bench_movie.py [--cells 100] [--frames 8] [--model NAME]``: drawn nuclei that drift and of which one
in ten divides half-way. What was found is counted, so that a quick miss is not taken for speed. One thread.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_sam2 import Session, load_model
from napari_sam2.benchmark.machine import describe_machine
from napari_sam2.session.population.finder import ObjectFinder
from napari_sam2.session.population.movie import MovieOptions, MovieTracker

# Pixels: between neighbours on the grid, and a nucleus' radius.
APART, RADIUS = 64, 14
ONE_IN = 10


def drawn_movie(cells: int, frames: int, seed: int = 0) -> tuple[NDArray[np.uint16], list[int], int]:
    """(T, Y, X) movie, the cells on each frame, and the divisions."""
    random = np.random.default_rng(seed)
    columns = int(np.ceil(np.sqrt(cells)))
    side = (columns + 1) * APART
    places = np.stack(np.divmod(np.arange(cells), columns), axis=1) + 1.0
    homes = places * APART + random.uniform(-6, 6, (cells, 2))
    speeds, bright = random.uniform(-1, 1, (cells, 2)), random.uniform(300, 900, cells)
    mothers, half = np.arange(cells) % ONE_IN == 0, frames // 2
    y, x = np.mgrid[:side, :side]
    movie, counts = np.empty((frames, side, side), np.uint16), []
    for frame in range(frames):
        image, divided = np.zeros((side, side)), mothers & (frame >= half)
        for home, speed, height, in_two in zip(homes, speeds, bright, divided, strict=True):
            apart = RADIUS + 2 * (frame - half) if in_two else 0
            for sign in (-1, 1) if in_two else (0,):
                row, column = home + speed * frame + (0, sign * apart)
                radius = RADIUS / np.sqrt(2) if in_two else RADIUS
                image[(y - row) ** 2 + (x - column) ** 2 < radius**2] = height
        movie[frame] = gaussian_filter(image, 1.5) + random.normal(200, 20, image.shape)
        counts.append(cells + int(divided.sum()))
    return movie, counts, int(mothers.sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--model", default="sam2_nano")
    options = parser.parse_args()
    torch.set_num_threads(1)
    movie, counts, divisions = drawn_movie(options.cells, options.frames)
    session = Session(load_model(options.model, device="cpu"), movie, axis="t")
    tracker = MovieTracker(ObjectFinder(session.encoder), MovieOptions())
    begun = time.perf_counter()
    for _ in tracker.run():
        pass
    found = tracker.result
    seconds = (time.perf_counter() - begun) / len(movie)
    there = [len(np.unique(np.asarray(found.labels[frame]))) - 1 for frame in range(len(movie))]
    mothers = {track.parent for track in found.lineage.tracks if track.parent}
    sys.stdout.write(
        f"{describe_machine()['processor']}, {movie.shape[1]} x {movie.shape[2]} pixels, {len(movie)} frames: "
        f"{seconds:.1f} s a frame, {1000 * seconds / np.mean(counts):.0f} ms a cell; "
        f"cells found {there} of {counts}, divisions {len(mothers)} of {divisions}\n"
    )


if __name__ == "__main__":
    main()

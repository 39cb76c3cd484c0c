"""Movies with known lineage, found and followed without prompts by the command, and scored as the Challenge does.

Run with ``NAPARI_SAM2_LINEAGE=FOLDER python benchmarks/lineage.py [NAMES] [--model MODEL] [--scorer PYTHON]``: each
folder below FOLDER holds frames.tif, labels.tif and lineage.csv, and FOLDER holds score.py, which needs py-ctcmetrics
and traccuracy: SCORER is a Python that has them. MODEL is a name of the catalogue or a file. Prints a table, with what
is wanted where that is known.

``--frames N`` takes the first N frames of each movie. ``--replay FOLDER`` keeps there what the model proposes on each
frame, and takes it from there where it is kept: then only the choice and the linking run, which takes seconds.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from kept_candidates import KeepingFinder
from named_model import named_model

from napari_sam2 import Session
from napari_sam2.data.formats import Results, export_results
from napari_sam2.session.population.movie import MovieOptions, MovieTracker
from napari_sam2.weights.catalog import CATALOG

# SEG, LNK, F1 of divisions within a frame, share of tracks found whole.
WANTED = {
    "ctc_fluo_n2dh_sim01": (0.82, 0.995, 0.95, 0.96),
    "ctc_simplus02": (0.72, 0.93, 0.75, 0.65),
    "ctc_gowt1_01": (0.85, 0.95, 0.5, 0.85),
    "c2c12_phase_lineage": (0.50, 0.75, 0.5, 0.40),
    "delta_ecoli_pad": (0.65, 0.85, 0.4, 0.3),
}


def found(movie: Path, output: Path, options: list[str]) -> float:
    """Find all objects of a movie; returns the seconds it took."""
    begun = time.perf_counter()
    # With this Python, so that the package measured is the one that it imports.
    run = "import sys; from napari_sam2.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", run, "segment", str(movie / "frames.tif"), "--axis", "t", "--find"]
    subprocess.run([*command, "--output", str(output), "--overlay", "none", "--export", "ctc", *options], check=True)
    return time.perf_counter() - begun


def replayed(movie: Path, output: Path, model: str, kept: Path) -> float:
    """Choose among candidates that are kept, and link them; returns the seconds it took."""
    begun = time.perf_counter()
    loaded = named_model(model)
    session = Session(loaded, tifffile.imread(movie / "frames.tif"), axis="t")
    tracker = MovieTracker(KeepingFinder(session.encoder, kept), MovieOptions())
    for _ in tracker.run():
        pass
    done = tracker.result
    output.mkdir(parents=True)
    export_results(Results(done.labels, session.stack, done.scores, lineage=done.lineage), "ctc", output / "ctc")
    return time.perf_counter() - begun


def first_frames(movie: Path, count: int, folder: Path) -> Path:
    """Copy the first frames of a movie, with the tracks that are on them."""
    folder.mkdir()
    for name in ("frames.tif", "labels.tif"):
        # Page by page: a file that is cut short further on is of use, too.
        pages = [tifffile.imread(movie / name, key=frame) for frame in range(count)]
        tifffile.imwrite(folder / name, np.stack(pages), photometric="minisblack")
    with (movie / "lineage.csv").open(encoding="utf-8", newline="") as file:
        heading, *tracks = csv.reader(file)
    kept = [[label, begin, min(int(end), count - 1), parent] for label, begin, end, parent, *_ in tracks]
    with (folder / "lineage.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([heading[:4], *(row for row in kept if int(row[1]) < count)])
    return folder


def scored(movie: Path, result: Path, scorer: list[str]) -> dict[str, Any]:
    """Score a result in the Challenge's layout."""
    command = [*scorer, "--json", str(movie), str(result)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def row(name: str, scores: dict[str, Any], seconds: float) -> str:
    """One line of the table."""
    divisions = scores.get("div_tol1", {}).get("f1")
    figures = (scores["SEG"], scores["LNK"], divisions, scores["tracks_full"])
    wanted = WANTED.get(name, (None,) * len(figures))
    cells = [f"{_figure(figure)} ({_figure(one)})" for figure, one in zip(figures, wanted, strict=True)]
    return f"| {name} | {' | '.join(cells)} | {scores['false_frames']} | {seconds:.0f} |\n"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def measure(movie: Path, options: argparse.Namespace, temporary: Path) -> tuple[dict[str, Any], float]:
    """Scores of a movie, and the seconds that it took."""
    scorer = [options.scorer, str(movie.parent / "score.py")]
    output = temporary / "result"
    if options.frames:
        movie = first_frames(movie, options.frames, temporary / movie.name)
    if options.replay:
        seconds = replayed(movie, output, options.model, options.replay / Path(options.model).stem / movie.name)
    else:
        seconds = found(movie, output, ["--model" if options.model in CATALOG else "--checkpoint", options.model])
    (result,) = (path.parent for path in output.rglob("res_track.txt"))
    return scored(movie, result, scorer), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--model", default="sam2_nano", help="a name of the catalogue, or a file of weights")
    parser.add_argument("--scorer", default=sys.executable, help="a Python with py-ctcmetrics and traccuracy")
    parser.add_argument("--frames", type=int, help="take the first so many frames alone")
    parser.add_argument("--replay", type=Path, metavar="FOLDER", help="keep candidates there, and use what is kept")
    options = parser.parse_args()
    folder = Path(os.environ["NAPARI_SAM2_LINEAGE"])
    names = options.names or sorted(path.parent.name for path in folder.glob("*/lineage.csv"))
    sys.stdout.write("| movie | SEG (wanted) | LNK | division F1 | tracks whole | false cells | seconds |\n")
    sys.stdout.write("|---|---|---|---|---|---|---|\n")
    for name in names:
        with tempfile.TemporaryDirectory() as temporary:
            sys.stdout.write(row(name, *measure(folder / name, options, Path(temporary))))
            sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Movies with known lineage, found and followed without prompts by the command, and scored as the Challenge does.

Run with ``NAPARI_SAM2_LINEAGE=FOLDER python benchmarks/lineage.py [NAMES] [--model MODEL] [--scorer PYTHON]``: each
folder below FOLDER holds frames.tif, labels.tif and lineage.csv, and FOLDER holds score.py, which needs py-ctcmetrics
and traccuracy: SCORER is a Python that has them. Prints a table, with what is wanted where that is known.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

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


def scored(movie: Path, result: Path, scorer: str) -> dict[str, Any]:
    """Score a result in the Challenge's layout."""
    command = [scorer, str(movie.parent / "score.py"), "--json", str(movie), str(result)]
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--model", default="sam2_nano")
    parser.add_argument("--scorer", default=sys.executable, help="a Python with py-ctcmetrics and traccuracy")
    options = parser.parse_args()
    folder = Path(os.environ["NAPARI_SAM2_LINEAGE"])
    names = options.names or sorted(path.parent.name for path in folder.glob("*/lineage.csv"))
    sys.stdout.write("| movie | SEG (wanted) | LNK | division F1 | tracks whole | false cells | seconds |\n")
    sys.stdout.write("|---|---|---|---|---|---|---|\n")
    for name in names:
        with tempfile.TemporaryDirectory() as temporary:
            output = Path(temporary) / name
            seconds = found(folder / name, output, ["--model", options.model])
            (result,) = (path.parent for path in output.rglob("res_track.txt"))
            sys.stdout.write(row(name, scored(folder / name, result, options.scorer), seconds))
            sys.stdout.flush()


if __name__ == "__main__":
    main()

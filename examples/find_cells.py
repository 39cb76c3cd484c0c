"""Find all cells of a drawn movie without a click, track them, and say who was born of whom."""

import sys
from pathlib import Path

import numpy as np

from napari_sam2 import Session, load_model
from napari_sam2.data.images.stack import Stack
from napari_sam2.data.pictures.overlay import write_overlay

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "find-cells")
folder.mkdir(parents=True, exist_ok=True)


def draw(*cells: tuple[float, float, float]) -> np.ndarray:
    """A frame with cells of (y, x, radius), bright on a dim ground."""
    rows, columns = np.ogrid[:112, :144]
    light = sum(1 / (1 + np.exp(np.hypot(rows - y, columns - x) - r)) for y, x, r in cells)
    return (2000 * light + np.random.default_rng(0).normal(300, 40, (112, 144))).clip(0).astype(np.uint16)


# Two cells that drift, and one that divides in the middle of the movie.
frames = []
for t in range(8):
    divided = [(36 - 2 * t, 40, 9), (44 + 2 * t, 40, 9)] if t >= 4 else [(40, 40, 13)]
    frames.append(draw((30, 100 + 2 * t, 11), (84, 96 - 2 * t, 10), *divided))

session = Session(load_model("sam2_nano"), Stack.from_array(np.stack(frames), "t"))
# What no track covers is looked for on every third frame; a newcomer beside a cell that shrank is its daughter.
for result in session.propagate_finding(every=3):
    print(f"frame {result.frame}: {len(result.object_ids)} objects")
for division in session.propose_divisions():
    session.take_division(division)

for _ in session.update():
    pass

print(session.lineage)
write_overlay(folder / "find_cells.png", session.stack, session.outputs.labels, session.outputs.scores)

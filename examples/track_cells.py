"""Track the cells of a generated time-lapse from one click each, and write what a paper needs."""

import sys
from pathlib import Path

from napari_sam2 import Session, load_model
from napari_sam2.data.formats.tiff_and_tables import write_labels_tiff, write_scores_csv
from napari_sam2.data.images.calibration import Calibration
from napari_sam2.data.images.stack import Stack
from napari_sam2.data.pictures.overlay import write_overlay
from napari_sam2.synthetic.samples import make_sample

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "track-cells")
folder.mkdir(parents=True, exist_ok=True)

sample = make_sample("cells")
stack = Stack.from_array(sample.frames, "t", calibration=Calibration(pixel_size=sample.pixel_size, unit=sample.unit))

session = Session(load_model("sam2_nano"), stack)
for prompt in sample.prompts:
    session.add_points(prompt["frame"], prompt["object"], prompt["points"], prompt["labels"])

for result in session.propagate(direction="outward"):
    seen = sum(result.object_scores > 0.5)
    print(f"frame {result.frame}: {seen} of {len(result.object_ids)} objects in view")

labels, scores = session.outputs.labels, session.outputs.scores
write_labels_tiff(folder / "labels.tif", labels, stack)
write_scores_csv(folder / "scores.csv", scores)
write_overlay(folder / "track_cells.png", stack, labels, scores, window=session.encoder.window)
print(session.scores.groupby("object")[["object_score", "area"]].mean())

"""Correct one frame of a tracked object, and track again only what the correction changed."""

import sys
from pathlib import Path

import numpy as np

from napari_sam2 import Session, load_model
from napari_sam2.data.pictures.overlay import write_overlay
from napari_sam2.synthetic.samples import make_sample

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "correct-and-update")
folder.mkdir(parents=True, exist_ok=True)

sample = make_sample("endoscope")
session = Session(load_model("sam2_nano"), sample.frames)
first = sample.prompts[0]
session.add_points(first["frame"], 1, first["points"], first["labels"])
for _ in session.propagate():
    pass

# Say exactly what the object is on one frame: that frame is now a conditioning frame like the first.
truth = sample.labels == first["object"]
frame = int(np.argmax(truth.any(axis=(1, 2)) & (np.arange(len(truth)) > 10)))
session.add_mask(frame, 1, truth[frame])
print("out of date now:", session.stale)

tracked = [result.frame for result in session.update()]
print(f"tracked again: frames {tracked[0]} to {tracked[-1]}")
write_overlay(folder / "correct_and_update.png", session.stack, session.outputs.labels, session.outputs.scores)

# A tracking run is a step, as a prompt is; edits inside `session.step` are one step together.
print("undoing:", session.undo_name)
session.undo()
print("out of date again:", session.stale)

"""Follow two organs of a generated scan through its slices, from a prompt each, and measure their volume."""

import sys
from pathlib import Path

import numpy as np

from napari_sam2 import Session, load_model
from napari_sam2.data.images.stack import Stack
from napari_sam2.data.pictures.overlay import write_overlay
from napari_sam2.synthetic.samples import make_sample

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "z-stack")
folder.mkdir(parents=True, exist_ok=True)

sample = make_sample("zstack")
session = Session(load_model("sam2_nano"), Stack.from_array(sample.frames, "z"))
# The slice on which an object is largest says most about it.
for object_id in (1, 2):
    truth = sample.labels == object_id
    widest = int(truth.sum(axis=(1, 2)).argmax())
    rows, columns = np.nonzero(truth[widest])
    session.add_box(widest, object_id, (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1))

for _ in session.propagate(direction="outward"):
    pass

voxel = np.prod([*sample.pixel_size, sample.step])
for object_id in session.object_ids:
    volume = (np.asarray(session.labels) == object_id).sum() * voxel
    print(f"object {object_id}: {volume:.0f} {sample.unit}^3")
write_overlay(folder / "z_stack.png", session.stack, session.outputs.labels, session.outputs.scores)

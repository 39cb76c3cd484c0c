"""Cut an object out of a generated film: on one colour, before a blurred background, and on nothing."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from napari_sam2 import Session, load_model
from napari_sam2.data.formats import Results, export_results
from napari_sam2.data.pictures.backgrounds import cut_out, on_blur, on_colour
from napari_sam2.synthetic.samples import make_sample

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "video-edit")
folder.mkdir(parents=True, exist_ok=True)

sample = make_sample("endoscope")
first = sample.prompts[0]
session = Session(load_model("sam2_nano"), sample.frames[:8])
session.add_points(0, 1, first["points"], first["labels"])
for _ in session.propagate():
    pass

# As a file: images with transparency; "cutout", "cutout-mp4" and "blur-mp4" are videos, with the extra [video].
results = Results(session.outputs.labels, session.stack, session.outputs.scores)
print("written to", export_results(results, "cutout-png", folder / "cutout"))

frame, labels = sample.frames[4], np.asarray(session.labels)[4]
grey = np.full_like(frame, 128)
cut = cut_out(frame, labels)
pictures = (
    frame,
    on_colour(frame, labels, (0, 177, 64)),
    on_blur(frame, labels, 0.03),
    np.where(cut[..., 3:], frame, grey),
)
Image.fromarray(np.hstack(pictures)).save(folder / "video_edit.png")

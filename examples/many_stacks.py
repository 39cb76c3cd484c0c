"""Track three stacks in a batch, as the command does, from a folder with a prompts file beside each."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from PIL import Image

from napari_sam2.cli import main
from napari_sam2.synthetic.samples import make_sample

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "many-stacks")
images, results = folder / "images", folder / "results"
images.mkdir(parents=True, exist_ok=True)

# Three parts of the sample stand for three dishes.
sample = make_sample("cells")
for number, (top, left) in enumerate([(0, 0), (0, 128), (128, 64)], 1):
    part = np.s_[:6, top : top + 128, left : left + 128]
    tifffile.imwrite(images / f"dish{number}.tif", sample.frames[part], imagej=True, metadata={"axes": "TYX"})
    sizes = np.bincount(sample.labels[part][0].ravel())[1:]
    rows, columns = np.nonzero(sample.labels[part][0] == sizes.argmax() + 1)
    prompt = {"frame": 0, "object": 1, "points": [[float(np.median(rows)), float(np.median(columns))]], "labels": [1]}
    entries = json.dumps({"version": 1, "prompts": [prompt]})
    (images / f"dish{number}.prompts.json").write_text(entries, encoding="utf-8")

status = main(["batch", str(images), "--output", str(results)])
print(pd.read_csv(results / "summary.csv")[["job", "state", "frames", "objects"]])

# The pictures of all jobs, one below the other.
pictures = [Image.open(results / f"dish{number}" / "overlay.png").convert("RGB") for number in (1, 2, 3)]
width, height = max(one.width for one in pictures), sum(one.height for one in pictures)
sheet, top = Image.new("RGB", (width, height), "white"), 0
for one in pictures:
    sheet.paste(one, (0, top))
    top += one.height
sheet.save(folder / "many_stacks.png")
sys.exit(status)

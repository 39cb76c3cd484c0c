"""Follow a cell through volumes over time, from a box on one plane of one volume."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from napari_sam2 import load_model
from napari_sam2.data.pictures.outlines import draw_objects
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.session.volumes.volume_session import VolumeSession

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "volumes-over-time")
folder.mkdir(parents=True, exist_ok=True)

# Three volumes of seven planes, in which a ball drifts to the right and a plane down each time.
rng = np.random.default_rng(0)
z, y, x = np.ogrid[:7, :96, :96]
balls = [((z - 2 - t) / 2.4) ** 2 + ((y - 40) / 16) ** 2 + ((x - 34 - 9 * t) / 16) ** 2 < 1 for t in range(3)]
volumes = np.stack([300 + 60 * rng.standard_normal(ball.shape) + 1500 * ball for ball in balls]).clip(0)

session = VolumeSession(load_model("sam2_nano"), volumes.astype(np.uint16))
session.add_prompt(1, Prompt(3, 1, box=(24, 27, 56, 59)))
for _ in session.propagate():
    pass

labels = np.asarray(session.labels)
for time, ball in enumerate(balls):
    shared = (ball & (labels[time] == 1)).sum() / (ball | (labels[time] == 1)).sum()
    print(f"time {time}: IoU {shared:.2f}")

# A row for each time point, planes from left to right.
grey = (volumes / volumes.max() * 255).astype(np.uint8)
rows = [
    np.hstack([np.asarray(draw_objects(np.dstack([p] * 3), found, (144, 144))) for p, found in zip(*both, strict=True)])
    for both in zip(grey, labels, strict=True)
]
Image.fromarray(np.vstack(rows)).save(folder / "volumes_over_time.png")

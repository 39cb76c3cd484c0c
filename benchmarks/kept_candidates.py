"""Candidates of frames, kept in files: what is done with them can be tried again without the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_sam2.session.features.frame_encoder import FrameEncoder
from napari_sam2.session.population.finder import FindOptions, ObjectFinder
from napari_sam2.session.population.proposals.candidates import Candidate


class KeepingFinder(ObjectFinder):
    """Looks at a frame once, and takes what it found there from a folder afterwards."""

    def __init__(self, encoder: FrameEncoder, folder: Path) -> None:
        super().__init__(encoder)
        self._folder = folder

    def candidates(self, frame: int, options: FindOptions) -> list[Candidate]:
        path = self._folder / f"{frame:04}.npz"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            _write(path, super().candidates(frame, options))
        return _read(path)


def _write(path: Path, made: list[Candidate]) -> None:
    bits = np.concatenate([one.mask.ravel() for one in made]) if made else np.zeros(0, bool)
    boxes = np.array([one.box for one in made], np.int32).reshape(-1, 4)
    np.savez_compressed(path, boxes=boxes, weights=[one.weight for one in made], bits=np.packbits(bits))


def _read(path: Path) -> list[Candidate]:
    with np.load(path) as kept:
        boxes, weights, bits = (kept[name] for name in ("boxes", "weights", "bits"))
    made, start, pixels = [], 0, np.unpackbits(bits).astype(bool)
    for (y0, x0, y1, x1), weight in zip(boxes.tolist(), weights.tolist(), strict=True):
        size = (y1 - y0) * (x1 - x0)
        mask = pixels[start : start + size].reshape(y1 - y0, x1 - x0)
        made.append(Candidate((slice(y0, y1), slice(x0, x1)), mask, weight))
        start += size
    return made

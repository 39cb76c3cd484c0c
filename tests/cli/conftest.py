"""A model of random weights, a small stack, and the command to run on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from commandline import DiskStack, Finished, Run, draw_disk, write_entries

from napari_sam2.cli import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The real entry point, in this process."""

    def run_main(*words: object) -> Finished:
        capsys.readouterr()
        try:
            status = main([str(word) for word in words])
        except SystemExit as end:
            status = int(end.code or 0)
        return Finished(status, *capsys.readouterr())

    return run_main


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that has learned nothing: enough for everything but good masks."""
    import torch

    from napari_sam2.model.config import CONFIGS
    from napari_sam2.model.sam2 import build_sam2
    from napari_sam2.weights.load import save_checkpoint

    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_checkpoint(build_sam2(CONFIGS["sam2_nano"]), path, dtype="float16")
    return path


@pytest.fixture
def fast(checkpoint: Path) -> list[object]:
    """Options that make a run short."""
    return ["--checkpoint", checkpoint, "--image-size", 64, "--overlay", "none"]


@pytest.fixture
def disk(tmp_path: Path) -> DiskStack:
    """Eight uint16 frames of 40 x 56 pixels of 0.5 x 0.25 um, every 2 s, and three objects."""
    frames, masks = draw_disk(8)
    sizes = {"axes": "TYX", "unit": "um", "finterval": 2.0}
    tifffile.imwrite(tmp_path / "disk.tif", frames, imagej=True, resolution=(4, 2), metadata=sizes)
    tifffile.imwrite(tmp_path / "mask.tif", masks[0].astype(np.uint8))
    entries = [
        {"frame": 0, "object": 1, "mask": "mask.tif"},
        {"frame": 0, "object": 2, "points": [[30, 40]], "labels": [1]},
        {"frame": 5, "object": 3, "box": [2, 3, 14, 20]},
    ]
    return DiskStack(tmp_path / "disk.tif", write_entries(tmp_path / "prompts.json", entries), masks)

"""A model of random weights, a small stack, and the command to run on them."""

from __future__ import annotations

from pathlib import Path

import pytest
from commandline import DiskStack, Finished, Run, write_disk

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
    """Eight frames."""
    return write_disk(tmp_path, 8)

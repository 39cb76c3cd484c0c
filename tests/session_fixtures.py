"""A model of a few thousand weights: what is tested here is the session, not the masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_sam2 import Session
from napari_sam2.model.config import CONFIGS, Sam2Config
from napari_sam2.model.sam2 import Sam2, build_sam2
from napari_sam2.weights.load import save_checkpoint
from small_model import SMALL, build_hiding, build_small, drifting_textures, single_thread


@pytest.fixture
def one_thread() -> Iterator[None]:
    with single_thread():
        yield


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Sam2]:
    """Build a small model with random weights."""

    def make(seed: int = 0, *, presence: float = 0.5, config: Sam2Config = SMALL) -> Sam2:
        return build_small(seed, presence=presence, config=config)

    return make


@pytest.fixture(scope="session")
def model(make_model: Callable[..., Sam2]) -> Sam2:
    """Small model whose objects are visible almost always; shared, as sessions do not change it."""
    return make_model(3)


@pytest.fixture(scope="session")
def flickering_model() -> Sam2:
    """Small model whose objects are hidden on half of the frames."""
    return build_hiding()


@pytest.fixture(scope="session")
def frames() -> np.ndarray:
    return drifting_textures()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a model that has learned nothing."""
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_checkpoint(build_sam2(CONFIGS["sam2_nano"]), path)
    return path


@pytest.fixture
def session(model: Sam2, frames: np.ndarray) -> Session:
    return Session(model, frames)


@pytest.fixture
def tracked(session: Session) -> Session:
    """Two objects tracked over all twelve frames."""
    session.add_points(0, 1, [[10, 12]], [1])
    session.add_box(0, 2, (20, 20, 40, 44))
    list(session.propagate())
    return session

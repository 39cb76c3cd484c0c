"""A server on loopback, and a small model here and there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from slow_line import SlowLine

from napari_sam2 import load_model, save_checkpoint
from napari_sam2.model.sam2 import Sam2
from napari_sam2.remote.remote_model import RemoteModel
from served_model import serving
from small_model import build_small, drifting_textures, single_thread


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where a worker is that is started again whenever it ends."""
    with serving() as (address, _):
        yield address


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As many as the worker has."""
    with single_thread():
        yield


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a small model whose objects are visible almost always."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_checkpoint(build_small(3, presence=0.5), path)
    return path


@pytest.fixture(scope="session")
def here(weights: Path) -> Sam2:
    return load_model(checkpoint=weights)


@pytest.fixture(scope="session")
def there(weights: Path, address: str) -> Sam2:
    return load_model(checkpoint=weights, device=address)


@pytest.fixture(scope="session")
def frames() -> np.ndarray:
    return drifting_textures()[:8]


@pytest.fixture
def slow(address: str, weights: Path) -> Iterator[tuple[SlowLine, RemoteModel]]:
    """The model behind a line on which all takes longer, and that can be cut."""
    with SlowLine(address, seconds=0.02) as line:
        model = load_model(checkpoint=weights, device=line.address)
        assert isinstance(model, RemoteModel)
        yield line, model
        model.line.close()

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import CONTENT, Server

from napari_sam2.weights.catalog import CATALOG, CatalogEntry


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NAPARI_SAM2_WEIGHTS_URL", raising=False)
    return tmp_path / "home"


@pytest.fixture
def entry(server: Server, home: Path) -> CatalogEntry:
    return dataclasses.replace(
        CATALOG["sam2.1_hiera_tiny"],
        name="sample",
        file_name="sample.pt",
        url=f"{server.url}/sample.pt",
        mirrors=(),
        size_bytes=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
    )

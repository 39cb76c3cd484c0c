"""Dask's own certificates: who has one may connect, and nobody else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import dask
import distributed  # noqa: F401 - brings its settings with it
import numpy as np
import pytest

from napari_sam2 import Session, load_model
from napari_sam2.model.sam2 import Sam2
from napari_sam2.remote.line import ClusterError
from served_model import serving
from session_state import assert_same_sessions


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate that is its own authority, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=napari-sam2"]
    subprocess.run(["openssl", *words, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


@pytest.mark.slow
def test_only_who_has_a_certificate_connects(
    certificate: tuple[Path, Path], weights: Path, here: Sam2, frames: np.ndarray
) -> None:
    cert, key = map(str, certificate)
    ours = {"ca-file": cert, "client.cert": cert, "client.key": key}
    with serving("--tls-ca-file", cert, "--tls-cert", cert, "--tls-key", key) as (address, _):
        assert address.startswith("tls://127.0.0.1:")
        with dask.config.set({f"distributed.comm.tls.{name}": value for name, value in ours.items()}):
            there = load_model(checkpoint=weights, device=address)
            sessions = [Session(model, frames) for model in (here, there)]
            for session in sessions:
                session.add_points(0, 1, [[20, 20]], [1])
                list(session.propagate(max_frames=3))
            assert_same_sessions(*sessions)
            there.line.close()
        with pytest.raises(ClusterError, match="no worker answers"):
            load_model(checkpoint=weights, device=address.replace("tls", "tcp"))

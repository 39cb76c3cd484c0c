"""``napari-sam2 serve``, and ``--device`` with its address."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import dask
import distributed
import numpy as np
import pytest
import tifffile

from napari_sam2.cli import main


def test_segment_on_a_cluster_writes_what_it_writes_here(
    address: str, weights: Path, frames: np.ndarray, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "frames.tif", frames, photometric="minisblack")
    prompts = {"version": 1, "prompts": [{"frame": 0, "object": 1, "points": [[20, 20]], "labels": [1]}]}
    (tmp_path / "prompts.json").write_text(json.dumps(prompts), encoding="utf-8")
    for name, device in (("here", "cpu"), ("there", address)):
        words = ["segment", tmp_path / "frames.tif", "--prompts", tmp_path / "prompts.json", "--overlay", "none"]
        how = ["--checkpoint", weights, "--device", device, "--output", tmp_path / name]
        assert main([str(word) for word in (*words, *how)]) == 0
    for name in ("labels.tif", "scores.csv"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
    record = json.loads((tmp_path / "there" / "session.json").read_text(encoding="utf-8"))
    assert record["model"]["device"] == address


def test_it_listens_on_loopback_only(address: str) -> None:
    host, port = address.removeprefix("tcp://").split(":")
    assert host == "127.0.0.1"
    # This computer by the address that others know it by.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this computer is in no network")
        own = probe.getsockname()[0]
    with socket.socket() as caller, pytest.raises(OSError, match="refused"):
        caller.connect((own, int(port)))


def test_a_worker_computes_as_freely_as_this_process(address: str) -> None:
    with distributed.Client(address, set_as_default=False) as client:
        assert [*client.run(os.getenv, "MALLOC_TRIM_THRESHOLD_").values()] == [os.getenv("MALLOC_TRIM_THRESHOLD_")]
        assert [*client.run(dask.config.get, "distributed.worker.profile.enabled").values()] == [False]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--port", "70000"], "--port is a number from 0 to 65535, got 70000"),
        (["--threads", "0"], "--threads is a number from 1, got 0"),
        (["--tls-cert", "a.pem"], "go together: give all three, or none"),
        (["--tls-ca-file", "a", "--tls-cert", "b", "--tls-key", "c"], "there is no file 'a'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_listens(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *words]) == 2
    assert complaint in capsys.readouterr().err

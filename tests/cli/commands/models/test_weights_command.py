"""``napari-sam2 weights`` against files on disk and a server on this computer."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import Run, start_script

from napari_sam2.weights.catalog import CATALOG, cache_dir


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing on stderr, which the tests read."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address it is served at."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def download(name: str, address: str, home: Path) -> tuple[int, str, str]:
    environment = os.environ | {"NAPARI_SAM2_WEIGHTS_URL": address, "NAPARI_SAM2_HOME": str(home)}
    process = start_script("weights", "download", name, env=environment)
    out, err = process.communicate()
    return process.returncode, out, err


def test_list_names_everything_and_where_it_goes(run: Run) -> None:
    done = run("weights", "list")
    assert done.status == 0
    rows = {line.split()[0]: line for line in done.out.splitlines() if line.strip()}
    assert set(CATALOG) <= set(rows)
    assert "156.0 MB" in rows["sam2.1_hiera_tiny"]
    assert "Apache-2.0" in rows["sam2.1_hiera_tiny"]
    assert "research and education only" in rows["MedSAM2_latest"]
    assert str(cache_dir()) in done.out


def test_list_sees_what_was_put_there_by_hand(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path))
    assert "  no  " in next(line for line in run("weights", "list").out.splitlines() if "CTLesion" in line)
    (tmp_path / "MedSAM2_CTLesion.pt").write_bytes(b"weights")
    row = next(line for line in run("weights", "list").out.splitlines() if "CTLesion" in line)
    assert "7 bytes" in row
    assert "downloaded" in row


def test_download_shows_the_licence_before_and_the_path_after(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = served
    (folder / "MedSAM2_US_Heart.pt").write_bytes(os.urandom(300_000))
    status, out, err = download("MedSAM2_US_Heart", address, tmp_path / "home")
    assert status == 0, err
    path = tmp_path / "home" / "MedSAM2_US_Heart.pt"
    assert out == f"{path}\n"
    assert path.read_bytes() == (folder / path.name).read_bytes()
    assert err.startswith("napari-sam2: note: MedSAM2_US_Heart: ")
    assert "research and education only" in err.splitlines()[0]
    assert "100%" in err


def test_wrong_file_is_refused(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = served
    (folder / "sam2.1_hiera_tiny.pt").write_bytes(b"something else")
    status, out, err = download("sam2.1_hiera_tiny", address, tmp_path / "home")
    assert (status, out) == (2, "")
    assert err.splitlines()[-1].startswith("napari-sam2: error: ")
    assert CATALOG["sam2.1_hiera_tiny"].sha256 in err
    assert list((tmp_path / "home").glob("*.pt")) == []


def test_missing_file_names_address_place_and_the_model_that_needs_none(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    status, _, err = download("sam2.1_hiera_tiny", served[1], tmp_path / "home")
    line = err.splitlines()[-1]
    assert status == 2
    for part in (served[1], str(tmp_path / "home" / "sam2.1_hiera_tiny.pt"), "sam2_nano", "404"):
        assert part in line


def test_unknown_name(run: Run) -> None:
    done = run("weights", "download", "sam2.1_tiny")
    assert done.status == 2
    assert "'sam2.1_tiny'" in done.complaint


def test_verify(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    unknown = run("weights", "verify", checkpoint)
    assert unknown.status == 1
    assert str(checkpoint) in unknown.out
    renamed = shutil.copy(checkpoint, tmp_path / "sam2.1_hiera_tiny.pt")
    wrong = run("weights", "verify", renamed)
    assert wrong.status == 1
    assert f"expected {CATALOG['sam2.1_hiera_tiny'].sha256}" in wrong.out
    missing = run("weights", "verify", tmp_path / "gone.pt")
    assert missing.status == 2
    assert "gone.pt" in missing.complaint

"""Folders shared by all tests. Nothing heavy is imported here: many tests need neither torch nor Qt."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import hypothesis
import pytest

from many_examples import TIMES

# What they assert says which values it met.
HELPERS = ("batches", "commandline", "older_sessions", "session_driver", "session_state", "shown_session")
pytest.register_assert_rewrite(*HELPERS)

SHARED = Path(__file__).parents[2] / "shared"


def pytest_configure(config: pytest.Config) -> None:
    """Keep the user's napari settings, downloaded weights and the speed of the processor out of the tests.

    napari reads its variable once, at import, so this cannot wait for a fixture.
    """
    # Examples are counted, not timed.
    hypothesis.settings.register_profile("napari-sam2", deadline=None, max_examples=100 * TIMES)
    hypothesis.settings.load_profile("napari-sam2")
    folder = tempfile.TemporaryDirectory(prefix="napari-sam2-tests-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    os.environ["NAPARI_CONFIG"] = str(Path(folder.name, "settings.yaml"))
    os.environ["NAPARI_SAM2_HOME"] = str(Path(folder.name, "home"))
    os.environ["NAPARI_SAM2_CPU_DTYPE"] = "float32"
    # Threads of several test processes get in each other's way, and so do windows on one screen.
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        if "DISPLAY" in os.environ and shutil.which("Xvfb"):
            os.environ["DISPLAY"] = _own_screen(config)


def _own_screen(config: pytest.Config) -> str:
    """Start a virtual screen that ends with the tests; returns its name."""
    number, told = os.pipe()
    command = ["Xvfb", "-displayfd", str(told), "-screen", "0", "1600x1200x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[told], stderr=subprocess.DEVNULL)
    config.add_cleanup(server.wait)
    config.add_cleanup(server.terminate)
    os.close(told)
    with os.fdopen(number, encoding="ascii") as pipe:
        return f":{pipe.readline().strip()}"


def _folder_or_skip(what: str, *, variable: str, default: Path) -> Path:
    folder = Path(os.environ.get(variable, default))
    if not folder.is_dir():
        pytest.skip(f"no {what} at {folder}; set {variable} to the folder that has them")
    return folder


@pytest.fixture(scope="session")
def parity_dir() -> Path:
    """The reference outputs of SAM 2."""
    return _folder_or_skip("reference outputs", variable="NAPARI_SAM2_PARITY", default=SHARED / "parity")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The real labelled sequences."""
    return _folder_or_skip("labelled sequences", variable="NAPARI_SAM2_TEST_DATA", default=SHARED / "data")

"""Triton beside a window: a stand-in package says how it was imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Triton comes with PyTorch on Linux alone")
LOAD = "from napari_sam2 import load_model; load_model()"


def run(code: str, folder: Path) -> str:
    """What a program prints that finds the stand-in first."""
    paths = os.pathsep.join([str(folder), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize(("window", "said"), [("import qtpy.QtCore", "apart True\n"), ("pass", "")])
def test_it_keeps_to_its_own_libraries_where_there_may_be_a_window(tmp_path: Path, window: str, said: str) -> None:
    source = 'import os, sys\nprint("apart", bool(sys.getdlopenflags() & os.RTLD_DEEPBIND))\n'
    (tmp_path / "triton.py").write_text(source, encoding="utf-8")
    assert run(f"{window}\n{LOAD}", tmp_path) == said


def test_loading_a_model_loads_no_compiler(tmp_path: Path) -> None:
    assert run(f"{LOAD}\nimport sys; print('torch._dynamo' in sys.modules)", tmp_path) == "False\n"

"""Labelled sequences are found and described in UTF-8, whatever the system's language."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

CODE = (
    "import sys\n"
    "from napari_sam2.evaluation.labelled_sequences import read_sequences\n"
    "print(*(sequence.axis for sequence in read_sequences(sys.argv[1])))\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_the_description_is_read_in_any_locale(tmp_path: Path, encoding: str) -> None:
    one = tmp_path / "a"
    one.mkdir()
    tifffile.imwrite(one / "frames.tif", np.zeros((5, 32, 32), np.uint8))
    tifffile.imwrite(one / "labels.tif", np.ones((5, 32, 32), np.uint8))
    meta = json.dumps({"axis": "z", "note": "Müller, 0.5 µm"}, ensure_ascii=False)
    (one / "meta.json").write_text(meta, encoding=encoding)
    env = {**os.environ, "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", CODE, str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("z\n", 0), done.stderr

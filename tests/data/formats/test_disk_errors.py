"""A disk that is full or cannot be written to: one clear line, and nothing that was there is harmed."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from napari_sam2.data import Stack
from napari_sam2.data.formats import FORMATS, Results, export_results

SHAPE = (2, 64, 80)

# No file may grow beyond 100 bytes: what a full disk says, without filling one.
FULL = """
import json, resource, sys
from pathlib import Path
import numpy as np
from napari_sam2.data import Stack
from napari_sam2.data.formats import FORMATS, Results, export_results
folder, *names = sys.argv[1:]
rng = np.random.default_rng(0)
labels = rng.integers(0, 3, (2, 32, 40)).astype(np.uint16).repeat(2, axis=1).repeat(2, axis=2)
results = Results(labels, Stack.from_array(rng.integers(0, 255, {shape}).astype(np.uint8), "t"))
for name in names:
    # Whatever is loaded on first use must be there before.
    export_results(results, name, Path(folder, "free", FORMATS[name].filename))
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
told = {}
for name in names:
    try:
        export_results(results, name, Path(folder, "full", FORMATS[name].filename))
    except OSError as error:
        told[name] = str(error)
sys.stdout.write(json.dumps(told))
""".replace("{shape}", str(SHAPE))


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files, which Windows does not")
def test_full_disk(tmp_path: Path) -> None:
    # Scores of no object are a line, which fits any disk.
    installed = {name for name, one in FORMATS.items() if all(find_spec(module) for module in one.modules)}
    names = sorted(installed - {"csv", "dicom-seg"})
    full = tmp_path / "full"
    full.mkdir()
    files = [FORMATS[name].filename for name in names if FORMATS[name].is_own is None]
    for file in files:
        (full / file).write_text("precious", encoding="utf-8")
    command = [sys.executable, "-c", FULL, str(tmp_path), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert sorted(told) == names
    for name, message in told.items():
        assert str(full / FORMATS[name].filename) in message
        assert "\n" not in message
    assert sorted(one.name for one in full.iterdir()) == sorted(files), "no draft is left"
    assert {(full / file).read_text(encoding="utf-8") for file in files} == {"precious"}


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, where nobody makes files, root included")
@pytest.mark.parametrize("name", ["tiff", "ctc", "coco", "tracks"])
def test_folder_that_cannot_be_written_to(name: str) -> None:
    results = Results(np.ones(SHAPE, np.uint16), Stack.from_array(np.zeros(SHAPE, np.uint8)))
    with pytest.raises(OSError, match="/proc") as error:
        export_results(results, name, Path("/proc") / FORMATS[name].filename)
    assert error.value.strerror


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    results = Results(np.ones(SHAPE, np.uint16), Stack.from_array(np.zeros(SHAPE, np.uint8)))
    with pytest.raises(OSError, match="file"):
        export_results(results, "coco", tmp_path / "file" / "coco.json")
    with pytest.raises(ValueError, match="file is a file, but the format ctc is a folder"):
        export_results(results, "ctc", tmp_path / "file")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"

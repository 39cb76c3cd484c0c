"""Every example runs as a user would run it, and makes the picture that the gallery shows of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_sam2.weights.catalog import get_entry

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
GALLERY = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
# Writing the files takes a minute, and looking for objects, slices, stacks and eight cells takes a while, too.
SLOW = {"track_with_onnx", "find_cells", "many_stacks", "track_cells", "z_stack"}
# It makes no picture.
PLAIN = {"track_with_onnx"}
# Grey values: on other machines, outlines lie a little elsewhere.
MOST_DIFFERENT = 6.0


@pytest.mark.parametrize(
    "script",
    [pytest.param(path, marks=[pytest.mark.slow] if path.stem in SLOW else [], id=path.stem) for path in EXAMPLES],
)
def test_example_runs(script: Path, tmp_path: Path) -> None:
    if not get_entry("sam2_nano").path.is_file():
        pytest.skip("this source tree has no bundled weights")
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    if script.stem in PLAIN:
        assert done.stderr == ""
        # Its files are there now: it tracks the same where neither PyTorch nor this package can be imported.
        barred = "import runpy, sys; sys.modules |= dict.fromkeys(['torch', 'napari_sam2']);"
        code = f"{barred} runpy.run_path({str(script)!r}, run_name='__main__')"
        again = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert again.returncode == 0, again.stderr
        assert len(again.stdout.splitlines()) == 6 and done.stdout.endswith(again.stdout)
        return
    (made,) = tmp_path.rglob(f"{script.stem}.png")
    pictures = [Image.open(path).convert("RGB") for path in (made, ROOT / "docs/images/gallery" / made.name)]
    assert pictures[0].size == pictures[1].size, "run scripts/make_gallery.py"
    one, other = (np.asarray(picture, float) for picture in pictures)
    assert np.abs(one - other).mean() < MOST_DIFFERENT, "run scripts/make_gallery.py"


@pytest.mark.parametrize("script", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_the_gallery_has_the_example(script: Path) -> None:
    assert f"examples/{script.name}" in GALLERY
    assert script.stem in PLAIN or f"](images/gallery/{script.stem}.png)" in GALLERY

"""Files that are cut short or empty: one line that names the file, never a stack that is not what it seems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_sam2.data import MissingExtraError, Prompt, Stack, open_stack
from napari_sam2.data.prompts.fit import check_prompt
from napari_sam2.data.readers.open_stack import open_volumes

TIFFS: dict[str, dict[str, Any]] = {
    "imagej": {"imagej": True, "metadata": {"axes": "ZYX", "spacing": 2.0, "unit": "um"}, "resolution": (2, 2)},
    "ome": {"ome": True, "metadata": {"axes": "ZYX", "PhysicalSizeZ": 2.0}, "compression": "zlib"},
    "plain": {"photometric": "minisblack"},
    "compressed": {"photometric": "minisblack", "compression": "zlib"},
    "big": {"bigtiff": True, "ome": True, "metadata": {"axes": "ZYX"}},
}


@pytest.mark.parametrize("name", TIFFS)
# 2026-11: what tifffile has to say about such files is logged, and some of it warned of.
@pytest.mark.filterwarnings("ignore::UserWarning:tifffile")
def test_a_tiff_cut_anywhere_is_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / "cut.tif"
    array = np.random.default_rng(0).integers(0, 999, (6, 20, 28)).astype(np.uint16)
    tifffile.imwrite(path, array, **TIFFS[name])
    whole, calibration = path.read_bytes(), open_stack(path).calibration
    told = 0
    for share in (0.01, 0.3, 0.6, 0.9, 0.98, 0.99, 0.999):
        path.write_bytes(whole[: int(len(whole) * share)])
        try:
            with open_stack(path) as stack:
                np.testing.assert_array_equal(np.stack([stack.read(i) for i in range(stack.n_frames)]), array)
                # The last bytes of some files say nothing.
                assert stack.calibration == calibration
        except ValueError as error:
            assert "cut.tif" in str(error)
            assert "\n" not in str(error)
            told += 1
    assert told >= 6


@pytest.mark.parametrize("name", ["e.tif", "e.png", "e.npy", "e.nii", "e.nii.gz", "e.mp4", "e.dcm", "folder", "e.zarr"])
def test_empty_files_and_folders(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.mkdir() if name in ("folder", "e.zarr") else path.write_bytes(b"")
    try:
        with pytest.raises(ValueError, match=path.name):
            open_stack(path)
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("shape", [(0, 20, 30), (3, 0, 30), (3, 20, 0)])
def test_stacks_without_pixels(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "none.npy", np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="has no pixels"):
        open_stack(tmp_path / "none.npy")
    with pytest.raises(ValueError, match="has no pixels"):
        Stack.from_array(np.zeros(shape, np.uint8), rgb=False)


@pytest.mark.parametrize("shape", [(0, 4, 20, 30), (3, 0, 20, 30), (3, 4, 0, 30)])
def test_volumes_without_pixels(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "none.npy", np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="has no pixels"):
        open_volumes(tmp_path / "none.npy")


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Prompt(9, 4, box=(1, 1, 5, 5)), "object 4 on frame 9: there is no frame 9: the stack has frames 0 to 8"),
        (Prompt(0, 4, [[20, 3]], [1]), r"object 4 on frame 0: the point \(y=20, x=3\) is outside"),
        (Prompt(0, 4, box=(30, 1, 35, 5)), "object 4 on frame 0: the box"),
        (Prompt(0, 4, mask=np.ones((20, 31), bool)), r"object 4 on frame 0: .*shape \(20, 30\)"),
    ],
)
def test_prompts_that_lie_outside(prompt: Prompt, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_prompt(prompt, (9, 20, 30))

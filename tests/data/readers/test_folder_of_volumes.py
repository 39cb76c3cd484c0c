"""Folders with a volume for each time point, as the Cell Tracking Challenge has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam2.data import Selection, open_stack
from napari_sam2.data.prompts.label_image import read_label_prompts
from napari_sam2.data.readers.open_stack import open_volumes

VOLUMES = np.random.default_rng(0).integers(0, 60000, (3, 5, 12, 16)).astype(np.uint16)


@pytest.mark.parametrize("kind", ["plain", "imagej", "compressed"])
def test_a_file_for_each_time_point(tmp_path: Path, kind: str) -> None:
    for t, volume in enumerate(VOLUMES):
        how = {"plain": {}, "imagej": {"imagej": True, "metadata": {"axes": "ZYX", "spacing": 2.0, "unit": "um"}}}
        options = how.get(kind, {"compression": "zlib"})
        tifffile.imwrite(tmp_path / f"t{t:03d}.tif", volume, photometric="minisblack", **options)
    with open_stack(tmp_path, axis="t", selection=Selection(at=3)) as stack:
        assert stack.shape == (3, 12, 16)
        np.testing.assert_array_equal(stack.read(2), VOLUMES[2, 3])
    with open_stack(tmp_path, axis="z", selection=Selection(at=1)) as stack:
        np.testing.assert_array_equal(stack.part(crop=(1, 2, 9, 11)).read(4), VOLUMES[1, 4, 1:9, 2:11])
        assert stack.step == (2.0 if kind == "imagej" else None)
    with open_volumes(tmp_path) as volumes:
        assert (volumes.n_times, volumes.n_planes) == (3, 5)


def test_volumes_that_do_not_fit(tmp_path: Path) -> None:
    for t, volume in enumerate((VOLUMES[0], VOLUMES[1], VOLUMES[2, :3])):
        tifffile.imwrite(tmp_path / f"t{t}.tif", volume, photometric="minisblack", metadata=None)
    expected = "t2.tif is 3 planes of 12 x 16 uint16 grey, but the folder's other images are 5 planes of"
    with pytest.raises(ValueError, match=expected):
        open_stack(tmp_path)
    for t in range(2):
        tifffile.imwrite(tmp_path / f"t{t}.tif", VOLUMES[t], imagej=True, metadata={"axes": "TYX"})
    with pytest.raises(ValueError, match=r"holds 5 frames where a single image or a volume is wanted"):
        open_stack(tmp_path)


def test_labels_of_the_first_volume_in_a_folder(tmp_path: Path) -> None:
    labels = np.zeros(VOLUMES.shape[1:], np.uint16)
    labels[2, 3:7, 4:9] = 7
    tifffile.imwrite(tmp_path / "man_seg000.tif", labels)
    (prompt,) = read_label_prompts(tmp_path)
    assert (prompt.frame, prompt.object_id, int(prompt.mask.sum())) == (2, 7, 20)

"""Labels of a file on the frames of an image that lies elsewhere, runs another way or has other voxels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_sam2.data import Stack, open_stack
from napari_sam2.data.formats import Results, export_results
from napari_sam2.data.images.axes import Axis
from napari_sam2.data.images.geometry import Geometry
from napari_sam2.data.images.selection import Selection
from napari_sam2.data.prompts.label_image import read_label_prompts

SHAPE = (5, 20, 24)
AFFINE = np.array([[-0.5, 0.02, 0, 60], [0.02, -0.75, 0.1, -40], [0, 0.1, 3, -100], [0, 0, 0, 1.0]])


def block() -> np.ndarray:
    labels = np.zeros(SHAPE, np.int16)
    labels[1:3, 4:10, 14:22] = 3
    return labels


def nifti(path: Path, voxels_zyx: np.ndarray, affine: Any) -> Path:
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")
    nibabel.save(nibabel.Nifti1Image(voxels_zyx.transpose(2, 1, 0), np.asarray(affine, float)), path)
    return path


def zarr_labels(path: Path, labels: np.ndarray, axes: tuple[Axis, ...]) -> Path:
    pytest.importorskip("zarr", reason="zarr is not installed")
    stack = Stack.from_array(np.zeros(labels.shape, np.uint8), axes[0].name)
    stack.geometry = Geometry(axes, Selection(axis=axes[0].name))
    return export_results(Results(labels, stack), "ome-zarr", path)


def found(path: Path, image: Path) -> np.ndarray:
    """The masks of object 3 that a file prompts on an image."""
    with open_stack(image) as stack:
        masks = np.zeros(stack.shape, bool)
        for prompt in read_label_prompts(path, stack):
            assert prompt.object_id == 3
            masks[prompt.frame] = prompt.mask
    return masks


@pytest.mark.parametrize("along", [(0,), (1,), (2,), (0, 1, 2)], ids=["x", "y", "z", "all"])
def test_voxels_that_run_the_other_way(tmp_path: Path, along: tuple[int, ...]) -> None:
    image = nifti(tmp_path / "scan.nii.gz", block(), AFFINE)
    flip = np.eye(4)
    for axis in along:
        flip[axis, axis], flip[axis, 3] = -1, SHAPE[2 - axis] - 1
    labels = nifti(tmp_path / "labels.nii.gz", np.flip(block(), [2 - axis for axis in along]), AFFINE @ flip)
    np.testing.assert_array_equal(found(labels, image), block() == 3)


def test_voxels_in_another_order_of_axes(tmp_path: Path) -> None:
    image = nifti(tmp_path / "scan.nii.gz", block(), AFFINE)
    labels = nifti(tmp_path / "labels.nii.gz", block().transpose(2, 0, 1), AFFINE[:, [1, 2, 0, 3]])
    np.testing.assert_array_equal(found(labels, image), block() == 3)


def test_finer_and_coarser_voxels_and_a_part(tmp_path: Path) -> None:
    image = nifti(tmp_path / "scan.nii.gz", block(), AFFINE)
    half = np.diag([0.5, 0.5, 0.5, 1])
    half[:3, 3] = -0.25
    fine = nifti(tmp_path / "fine.nii.gz", np.kron(block(), np.ones((2, 2, 2), np.int16)), AFFINE @ half)
    np.testing.assert_array_equal(found(fine, image), block() == 3)
    part = nifti(
        tmp_path / "part.nii.gz",
        block()[1:, 3:, 10:],
        AFFINE @ [[1, 0, 0, 10], [0, 1, 0, 3], [0, 0, 1, 1], [0, 0, 0, 1]],
    )
    np.testing.assert_array_equal(found(part, image), block() == 3)
    single = nifti(
        tmp_path / "slice.nii.gz", block()[2:3], AFFINE @ [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]]
    )
    np.testing.assert_array_equal(found(single, image), (block() == 3) & (np.arange(5) == 2)[:, None, None])
    double = np.diag([2.0, 2, 1, 1])
    double[:2, 3] = 0.5
    coarse = nifti(tmp_path / "coarse.nii.gz", block()[:, ::2, ::2], AFFINE @ double)
    np.testing.assert_array_equal(found(coarse, image), block() == 3)


def test_ome_zarr_by_scale_translation_and_unit(tmp_path: Path) -> None:
    def axes(shape: tuple[int, ...], unit: str, factor: float, at: tuple[float, float, float]) -> tuple[Axis, ...]:
        scales = (2.0 * factor, 0.5 * factor, 0.25 * factor)
        return tuple(map(Axis, "zyx", shape, scales, np.multiply(at, factor).tolist(), (unit,) * 3))

    image = zarr_labels(tmp_path / "image.zarr", block(), axes(SHAPE, "um", 1, (10, 20, 30)))
    part = zarr_labels(tmp_path / "part.zarr", block()[1:, 3:, 10:], axes((4, 17, 14), "nm", 1000, (12, 21.5, 32.5)))
    np.testing.assert_array_equal(found(part, image), block() == 3)


def test_labels_that_lie_elsewhere_are_refused(tmp_path: Path) -> None:
    image = nifti(tmp_path / "scan.nii.gz", block(), AFFINE)
    away = AFFINE.copy()
    away[0, 3] += 500
    with pytest.raises(ValueError, match=r"none of the labels in .*away.nii.gz lies on the image"):
        found(nifti(tmp_path / "away.nii.gz", block(), away), image)
    beside = AFFINE.copy()
    beside[:3, 3] += AFFINE[:3, 0] * 5
    more = block()
    more[:, :, 20:] = 4
    with pytest.warns(UserWarning, match=r"no pixel of the image lies in \[4\]"):
        found(nifti(tmp_path / "beside.nii.gz", more, beside), image)
    in_time = block()[:, None].transpose(3, 2, 1, 0)
    nibabel = pytest.importorskip("nibabel")
    nibabel.save(nibabel.Nifti1Image(in_time, AFFINE), tmp_path / "time.nii.gz")
    with pytest.raises(ValueError, match=r"the labels in .* run along time, and the frames of the image along depth"):
        with open_stack(tmp_path / "time.nii.gz", axis="t") as stack:
            assert stack.axis == "t"
        found(tmp_path / "time.nii.gz", image)


def test_files_that_say_sizes_only_count_by_index(tmp_path: Path) -> None:
    def tiff(name: str, size: float) -> Path:
        metadata = {"axes": "ZYX", "unit": "um", "spacing": 2.0}
        tifffile.imwrite(
            tmp_path / name, block().astype(np.uint16), imagej=True, resolution=(1 / size,) * 2, metadata=metadata
        )
        return tmp_path / name

    image = tiff("image.tif", 0.5)
    np.testing.assert_array_equal(found(tiff("labels.tif", 0.5), image), block() == 3)
    with pytest.raises(ValueError, match=r"pixels of 0.25 um and the image of 0.5 um"):
        found(tiff("finer.tif", 0.25), image)
    # A scan says where it lies, and the labels written beside it as TIFF do not.
    scan = nifti(tmp_path / "scan.nii.gz", block(), np.diag([-0.0005, -0.0005, 0.002, 1]))
    np.testing.assert_array_equal(found(image, scan), block() == 3)

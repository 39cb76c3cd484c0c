"""A closed image holds no file, and a read from it is an error whatever the file is."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest
import tifffile
from PIL import Image

from napari_sam2.data import Selection, Stack, open_stack
from napari_sam2.data.images.volume_series import VolumeSeries
from napari_sam2.data.readers.open_stack import open_volumes

if TYPE_CHECKING:
    from conftest import SeriesWriter

FRAMES = np.random.default_rng(0).integers(0, 250, (6, 32, 48)).astype(np.uint8)


def plain_tiff(folder: Path) -> Path:
    tifffile.imwrite(folder / "plain.tif", FRAMES, metadata=None)
    return folder / "plain.tif"


def compressed_tiff(folder: Path) -> Path:
    tifffile.imwrite(folder / "pages.tif", FRAMES, compression="zlib", metadata=None)
    return folder / "pages.tif"


def images(folder: Path) -> Path:
    for number, frame in enumerate(FRAMES):
        Image.fromarray(frame).save(folder / f"{number}.png")
    return folder


def tiffs(folder: Path) -> Path:
    for number, frame in enumerate(FRAMES):
        tifffile.imwrite(folder / f"{number}.tif", frame, metadata=None)
    return folder


def numpy_file(folder: Path) -> Path:
    np.save(folder / "stack.npy", FRAMES)
    return folder / "stack.npy"


def video(folder: Path) -> Path:
    pytest.importorskip("av", reason="PyAV is not installed")
    from napari_sam2.data.pictures.video_file import write_video

    write_video(folder / "clip.mp4", (np.repeat(frame[..., None], 3, axis=-1) for frame in FRAMES), rate=10)
    return folder / "clip.mp4"


def zarr_array(folder: Path) -> Path:
    zarr = pytest.importorskip("zarr", reason="zarr is not installed")
    zarr.create_array(folder / "stack.zarr", data=FRAMES, chunks=(1, 32, 48))
    return folder / "stack.zarr"


def nifti(folder: Path, name: str = "scan.nii") -> Path:
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")
    nibabel.save(nibabel.Nifti1Image(FRAMES.T, np.eye(4)), folder / name)
    return folder / name


def compressed_nifti(folder: Path) -> Path:
    return nifti(folder, "scan.nii.gz")


WRITERS = (
    plain_tiff, compressed_tiff, images, tiffs, numpy_file, video, zarr_array, nifti, compressed_nifti,
)  # fmt: skip


def open_files(below: Path) -> list[str]:
    return [file.path for file in psutil.Process().open_files() if file.path.startswith(str(below))]


def assert_closed(stack: Stack, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is closed: open it again"):
        stack.read(1)


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_every_kind_of_file(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    path = write(tmp_path)
    stack = open_stack(path)
    part = stack.part(crop=(4, 4, 20, 20))
    stack.read(2)
    stack.close()
    for one in (stack, part):
        assert_closed(one, path.name)
    assert open_files(tmp_path) == []
    stack.close()
    assert open_files(tmp_path) == []


def test_a_dicom_series(tmp_path: Path, write_series: SeriesWriter) -> None:
    write_series(tmp_path, FRAMES.astype(np.int16))
    with open_stack(tmp_path) as stack:
        stack.read(0)
    assert_closed(stack, tmp_path.name)
    assert open_files(tmp_path) == []


def test_channels_and_volumes(tmp_path: Path) -> None:
    path = tmp_path / "hyper.tif"
    image = np.stack([FRAMES, FRAMES], axis=1).reshape(2, 3, 2, 32, 48)
    tifffile.imwrite(path, image, imagej=True, metadata={"axes": "TZCYX"})
    with open_stack(path, axis="t", selection=Selection(at=1, channels=(0, 1))) as stack:
        stack.read(0)
    assert_closed(stack, path.name)
    with open_volumes(path, selection=Selection(channels=(0, 1))) as volumes:
        volume = volumes.volume(1)
        volume.read(0)
    for one in (volume, volumes.through_time(0)):
        assert_closed(one, path.name)
    assert open_files(tmp_path) == []


def test_arrays_too() -> None:
    with Stack.from_array(FRAMES) as stack:
        stack.read(0)
    assert_closed(stack, "the array")
    with VolumeSeries.from_array(FRAMES[None]) as volumes:
        volumes.planes.read(0)
    assert_closed(volumes.planes, "the array")


def test_a_stack_that_is_garbage_is_closed(tmp_path: Path) -> None:
    stack = open_stack(plain_tiff(tmp_path))
    assert open_files(tmp_path)
    del stack
    gc.collect()
    assert open_files(tmp_path) == []


def test_a_closed_video_does_not_end_the_process(tmp_path: Path) -> None:
    # Decoding a closed container is no exception but a segmentation fault.
    code = (
        "import sys\n"
        "from napari_sam2.data import open_stack\n"
        "stack = open_stack(sys.argv[1])\n"
        "stack.read(0)\n"
        "stack.close()\n"
        "stack.read(5)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(video(tmp_path))],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("clip.mp4 is closed: open it again to read from it")

"""OME-Zarr images and plain zarr arrays as stacks."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_sam2.data import Calibration, Selection, open_stack
from napari_sam2.data.images.pixels.contrast import Window, stretch

zarr = pytest.importorskip("zarr", reason="zarr is not installed")

IMAGE = np.random.default_rng(0).integers(0, 60000, (2, 3, 5, 32, 48)).astype(np.uint16)
UNITS = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}
KINDS = {"t": "time", "c": "channel"}
SCALE = {"t": 2.0, "c": 1.0, "z": 1.5, "y": 0.5, "x": 0.25}


def write_image(folder: Path, array: np.ndarray, axes: str, version: str) -> Path:
    """Write two levels as the specification says, by hand."""
    group = zarr.create_group(folder, zarr_format=2 if version == "0.4" else 3)
    datasets = []
    for level in range(2):
        part = array[..., :: 2**level, :: 2**level]
        named = {} if version == "0.4" else {"dimension_names": list(axes)}
        made = group.create_array(
            str(level), shape=part.shape, dtype=part.dtype, chunks=(1,) * (part.ndim - 2) + (16, 16), **named
        )
        made[:] = part
        scale = [SCALE[axis] * (2**level if axis in "yx" else 1) for axis in axes]
        datasets.append({"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    described = [{"name": a, "type": KINDS.get(a, "space")} | ({"unit": UNITS[a]} if a in UNITS else {}) for a in axes]
    said: dict[str, Any] = {"multiscales": [{"version": version, "axes": described, "datasets": datasets}]}
    said["omero"] = {
        "channels": [
            {"label": name, "color": "FF0000", "window": {"start": 0, "end": end, "min": 0, "max": 65535}}
            for name, end in (("DAPI", 30000), ("GFP", 60000), ("red", 100))
        ]
    }
    group.attrs.update(said if version == "0.4" else {"ome": said | {"version": version}})
    return folder


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_any_plane_of_an_image(tmp_path: Path, version: str) -> None:
    path = write_image(tmp_path / "image.ome.zarr", IMAGE, "tczyx", version)
    with open_stack(path, axis="z", selection=Selection(at=1, channels=(2,))) as stack:
        assert (stack.shape, stack.dtype) == ((5, 32, 48), np.uint16)
        assert stack.calibration == Calibration((0.5, 0.25), 1.5, "um", "um")
        np.testing.assert_array_equal(stack.read(4), IMAGE[1, 2, 4])
    with open_stack(path, axis="t", selection=Selection(at=3, channels=(0,), level=1)) as stack:
        assert stack.calibration == Calibration((1.0, 0.5), 2.0, "um", "s")
        np.testing.assert_array_equal(stack.read(1), IMAGE[1, 0, 3, ::2, ::2])
        np.testing.assert_array_equal(stack.part(crop=(1, 2, 9, 20)).read(0), IMAGE[0, 0, 3, ::2, ::2][1:9, 2:20])
    with open_stack(path, axis="t", selection=Selection(at=3, channels=("red", "DAPI"))) as stack:
        assert stack.geometry.selection.channels == (2, 0)
    with pytest.raises(ValueError, match=r"0 \(DAPI\), 1 \(GFP\), 2 \(red\): choose"):
        open_stack(path, axis="t", selection=Selection(at=0))
    with pytest.raises(ValueError, match=r"no level 2: there are the levels 0 \(32 x 48\), 1 \(16 x 24\)"):
        open_stack(path, selection=Selection(level=2))


def test_windows_of_the_channels(tmp_path: Path) -> None:
    path = write_image(tmp_path / "image.zarr", IMAGE[:, :, 0], "tcyx", "0.5")
    with open_stack(path, selection=Selection(channels=(1, 0))) as stack:
        np.testing.assert_array_equal(stack.read(1)[..., 0], stretch(IMAGE[1, 1, 0], Window(0, 60000)))
        np.testing.assert_array_equal(stack.read(1)[..., 1], stretch(IMAGE[1, 0, 0], Window(0, 30000)))


def test_what_ome_zarr_py_writes(tmp_path: Path) -> None:
    writer = pytest.importorskip("ome_zarr.writer", reason="ome-zarr is not installed")
    path = tmp_path / "written.ome.zarr"
    writer.write_image(IMAGE[0, 0], zarr.open_group(path, mode="w"), axes="zyx")
    with open_stack(path) as stack:
        assert (stack.axis, stack.shape, stack.calibration) == ("z", (5, 32, 48), Calibration())
        np.testing.assert_array_equal(stack.read(3), IMAGE[0, 0, 3])


def test_axes_of_one_entry_are_no_choice(tmp_path: Path) -> None:
    path = write_image(tmp_path / "image.zarr", IMAGE[:1, :1], "tczyx", "0.4")
    with open_stack(path) as stack:
        assert (stack.axis, stack.shape, stack.step) == ("z", (5, 32, 48), 1.5)


def test_only_the_chunks_of_a_crop_are_read(tmp_path: Path) -> None:
    path = write_image(tmp_path / "image.zarr", IMAGE[0, 0], "zyx", "0.4")
    with open_stack(path) as stack:
        part = stack.part(crop=(0, 0, 16, 16))
        chunk = path / "0" / "2.1.1"
        assert chunk.is_file()
        chunk.write_bytes(b"no chunk")
        np.testing.assert_array_equal(part.read(2), IMAGE[0, 0, 2, :16, :16])
        with pytest.raises(ValueError, match=r"image.zarr cannot be read at \(2,\)"):
            stack.read(2)


def test_a_converted_file_with_one_image(tmp_path: Path) -> None:
    root = zarr.create_group(tmp_path / "converted.zarr", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    write_image(tmp_path / "converted.zarr" / "0", IMAGE[0, 0], "zyx", "0.4")
    np.testing.assert_array_equal(open_stack(tmp_path / "converted.zarr").read(1), IMAGE[0, 0, 1])
    write_image(tmp_path / "converted.zarr" / "1", IMAGE[0, 0], "zyx", "0.4")
    with pytest.raises(ValueError, match=r"the images 0, 1: name one, such as .*converted.zarr/0"):
        open_stack(tmp_path / "converted.zarr")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_plain_arrays(tmp_path: Path, zarr_format: int) -> None:
    array = zarr.create_array(tmp_path / "plain.zarr", data=IMAGE[0, 0], zarr_format=zarr_format)
    np.testing.assert_array_equal(open_stack(tmp_path / "plain.zarr", axis="z").read(2), IMAGE[0, 0, 2])
    assert array.shape == (5, 32, 48)


def test_folders_that_are_no_image(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "empty.zarr")
    with pytest.raises(ValueError, match=r"empty.zarr holds no image"):
        open_stack(tmp_path / "empty.zarr")
    zarr.create_group(tmp_path / "bare.zarr").create_array("raw", data=IMAGE[0, 0])
    with pytest.raises(ValueError, match=r"bare.zarr holds the arrays raw: name one, such as .*raw"):
        open_stack(tmp_path / "bare.zarr")
    assert len(open_stack(tmp_path / "bare.zarr" / "raw")) == len(IMAGE[0, 0])
    path = write_image(tmp_path / "torn.zarr", IMAGE[0, 0], "zyx", "0.5")
    (path / "1" / "zarr.json").unlink()
    with pytest.raises(ValueError, match=r"torn.zarr cannot be read as an OME-Zarr image: .*1"):
        open_stack(path)
    (path / "zarr.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"torn.zarr cannot be read"):
        open_stack(path)
    path = write_image(tmp_path / "odd.zarr", IMAGE[0, 0], "zyx", "0.5")
    group = zarr.open_group(path)
    said = dict(group.attrs)
    said["ome"]["multiscales"][0]["axes"][0]["name"] = "wavelength"
    group.attrs.update(said)
    with pytest.raises(ValueError, match=r"odd.zarr has the axes .*W"):
        open_stack(path)


@pytest.mark.parametrize("nested", [False, True])
def test_a_version_that_is_not_known_is_named(tmp_path: Path, nested: bool) -> None:
    path = write_image(tmp_path / "image.ome.zarr", IMAGE, "tczyx", "0.5" if nested else "0.4")
    group = zarr.open_group(path)
    said = dict(group.attrs)
    if nested:
        said["ome"]["version"] = "0.6"
    else:
        said["multiscales"][0]["version"] = "0.6"
    group.attrs.update(said)
    with pytest.raises(ValueError, match=r"image of version 0\.6: this program reads 0\.1 to 0\.5"):
        open_stack(path)


@pytest.mark.parametrize("kind", ["plate", "well"])
def test_a_plate_is_many_images(tmp_path: Path, kind: str) -> None:
    zarr.create_group(tmp_path / "p.zarr").attrs.update({"ome": {"version": "0.5", kind: {}}})
    with pytest.raises(ValueError, match=f"is a {kind} of many images: name the folder of one"):
        open_stack(tmp_path / "p.zarr")


@pytest.mark.parametrize("name", ["image.zarr.zip", "image.ome.zarr.zip", "image.ozx"])
@pytest.mark.parametrize("top", ["", "image.ome.zarr"])
def test_zarr_in_a_zip_file(tmp_path: Path, name: str, top: str) -> None:
    """As zarr's own store writes it, and as a folder is zipped with its name."""
    write_image(tmp_path / "folder" / top, IMAGE, "tczyx", "0.5")
    path = tmp_path / name
    with zipfile.ZipFile(path, "w") as file:
        for one in sorted((tmp_path / "folder").rglob("*")):
            file.write(one, one.relative_to(tmp_path / "folder"))
    with open_stack(path, axis="z", selection=Selection(at=1, channels=(2,), level=1)) as stack:
        assert stack.calibration == Calibration((1.0, 0.5), 1.5, "um", "um")
        np.testing.assert_array_equal(stack.read(4), IMAGE[1, 2, 4, ::2, ::2])
    # Closed with the stack: on Windows it could not be moved otherwise.
    path.rename(tmp_path / "moved.zip")


def test_zip_files_without_an_image(tmp_path: Path) -> None:
    path = tmp_path / "image.zarr.zip"
    path.write_bytes(b"no zip file")
    with pytest.raises(ValueError, match=r"image.zarr.zip cannot be read as an OME-Zarr image"):
        open_stack(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "nothing")
    with pytest.raises(ValueError, match=r"image.zarr.zip is a zip file without zarr in it"):
        open_stack(path)
    with zipfile.ZipFile(path, "w") as file:
        group = zarr.create_group(tmp_path / "two")
        for name in "ab":
            group.create_array(name, shape=(3, 4), dtype="u1")
        for one in sorted((tmp_path / "two").rglob("*")):
            file.write(one, one.relative_to(tmp_path / "two"))
    with pytest.raises(ValueError, match=r"holds the arrays a, b: zip the one to track by itself"):
        open_stack(path)


@pytest.mark.parametrize("scale", [(1.0, 0.25, 1.0), (2.0, 1.0, 0.5)])
def test_a_pixel_of_which_one_side_is_1_is_calibrated(tmp_path: Path, scale: tuple[float, float, float]) -> None:
    shift = tuple(0.0 if one == 1 else 25.75 for one in scale)
    group = zarr.open_group(tmp_path / "image.zarr", mode="w")
    group.create_array("0", data=np.zeros((3, 6, 8), np.uint8))
    transforms = [{"type": "scale", "scale": list(scale)}, {"type": "translation", "translation": list(shift)}]
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    datasets = [{"path": "0", "coordinateTransformations": transforms}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    with open_stack(tmp_path / "image.zarr") as stack:
        np.testing.assert_allclose(stack.geometry.to_world((2, 3, 4)), np.multiply((2, 3, 4), scale) + shift)

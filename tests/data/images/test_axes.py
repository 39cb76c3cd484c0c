"""Images with more axes than a stack: what is tracked, at which place of the others, in which channels."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam2.data import Calibration, Selection, Stack, open_stack
from napari_sam2.data.images.pixels.contrast import Window, stretch

SIZES = {"t": 4, "z": 5, "c": 3, "y": 12, "x": 14, "s": 3}


def image(axes: str, dtype: str = "uint16") -> np.ndarray:
    shape = [SIZES[letter] for letter in axes]
    return np.random.default_rng(0).integers(0, 250, shape).astype(dtype)


def plane(array: np.ndarray, axes: str, **at: int) -> np.ndarray:
    """What NumPy says is the plane at these indices, (Y, X) or (Y, X, S)."""
    letters = list(axes)
    for letter, index in at.items():
        array = array.take(index, axis=letters.index(letter))
        letters.remove(letter)
    order = [letters.index(letter) for letter in "yxs" if letter in letters]
    return array.transpose(order)


def write_tiff(path: Path, axes: str, kind: str) -> np.ndarray:
    array = image(axes)
    options = {"imagej": True} if kind == "imagej" else {"ome": True, "photometric": "minisblack"}
    metadata = {"axes": axes.upper(), "unit": "um"} if kind == "imagej" else {"axes": axes.upper()}
    tifffile.imwrite(path, array, metadata=metadata, compression="zlib" if "c" in axes else None, **options)
    return array


@pytest.mark.parametrize("kind", ["imagej", "ome"])
@pytest.mark.parametrize(
    ("axes", "axis", "selection", "at"),
    [
        ("tzyx", "t", Selection(at=3), {"z": 3}),
        ("tzyx", "z", Selection(at=2), {"t": 2}),
        ("tcyx", None, Selection(channels=(1,)), {"c": 1}),
        ("zcyx", None, Selection(channels=(2,)), {"c": 2}),
        ("tzcyx", "t", Selection(at=1, channels=(2,)), {"z": 1, "c": 2}),
        ("tzcyx", "z", Selection(at=1, channels=(0,)), {"t": 1, "c": 0}),
    ],
)
def test_tiff(tmp_path: Path, kind: str, axes: str, axis: str | None, selection: Selection, at: dict[str, int]) -> None:
    path = tmp_path / "image.tif"
    array = write_tiff(path, axes, kind)
    with open_stack(path, axis=axis, selection=selection) as stack:
        tracked = axis or axes[0]
        assert stack.axis == tracked
        assert stack.shape == (SIZES[tracked], 12, 14)
        assert stack.dtype == np.uint16
        for frame in (SIZES[tracked] - 1, 0):
            np.testing.assert_array_equal(stack.read(frame), plane(array, axes, **at, **{tracked: frame}))


@pytest.mark.parametrize(
    ("axes", "axis", "selection", "message"),
    [
        ("tzyx", None, Selection(), r"both time \(4\) and depth \(5\): choose the one to track"),
        ("tzyx", "t", Selection(), r"5 entries in depth \(z\), 0 to 4: choose one with at"),
        ("tzyx", "z", Selection(at=4), r"4 entries in time \(t\), 0 to 3: there is none at 4"),
        ("tyx", "t", Selection(at=1), r"no second axis to take index 1 of: the axes T \(4\), Y, X"),
        ("cyx", None, Selection(), r"3 channels, .*choose one, or up to three"),
        ("tcyx", None, Selection(channels=(0, 3)), "3 channels, .*there is no channel 3"),
        ("tyx", None, Selection(channels=(1,)), "one channel: there is no channel 1"),
        ("tyx", None, Selection(level=1), r"no level 1: there are the levels 0 \(12 x 14\)"),
    ],
)
def test_choices_that_are_missing_or_do_not_exist(
    tmp_path: Path, axes: str, axis: str | None, selection: Selection, message: str
) -> None:
    path = tmp_path / "image.tif"
    write_tiff(path, axes, "ome")
    with pytest.raises(ValueError, match=f"image.tif has .*{message}"):
        open_stack(path, axis=axis, selection=selection)


def test_axes_that_no_stack_has(tmp_path: Path) -> None:
    path = tmp_path / "angles.tif"
    tifffile.imwrite(path, image("tzyx"), metadata={"axes": "TAYX"})
    with pytest.raises(ValueError, match=r"axes T \(4\), A \(5\), Y \(12\), X \(14\).*file of its own"):
        open_stack(path)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"at": -1}, "at is an index from 0, not -1"),
        ({"channels": (0, 1, 2, 3)}, "up to 3 different ones"),
        ({"channels": (1, 1)}, "up to 3 different ones"),
        ({"channels": (0, 1, 2), "windows": ((0, 1), (0, 2))}, "2 contrast windows do not match 3 channels"),
    ],
)
def test_selections_that_make_no_sense(bad: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Selection(**bad)


@pytest.mark.parametrize("axes", ["tzyx", "xyzt", "tyxs", "ctyx", "tczyx", "syxt", "yxt"])
def test_arrays_with_named_axes(axes: str) -> None:
    array = image(axes)
    selection = Selection(at=2 if {*"tz"} <= {*axes} else None, channels=(1,) if "c" in axes else ())
    stack = Stack.from_array(array, "t", axes=axes, selection=selection)
    fixed = {letter: index for letter, index in (("z", 2), ("c", 1)) if letter in axes}
    assert stack.shape == (4, 12, 14)
    for frame in range(4):
        np.testing.assert_array_equal(stack.read(frame), plane(array, axes, **fixed, t=frame))


@pytest.mark.parametrize("axes", ["tyx", "tzyxs", "ttyx", "tzqx", "tzcc"])
def test_names_that_do_not_fit_the_array(axes: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"axes {axes!r} do not fit an array of shape (4, 5, 12, 14)")):
        Stack.from_array(image("tzyx"), axes=axes)


def test_lazy_arrays_are_read_plane_by_plane() -> None:
    dask = pytest.importorskip("dask.array", reason="dask is not installed")
    computed: list[tuple[int, ...]] = []

    def block(block_info: dict) -> np.ndarray:
        computed.append(tuple(block_info[None]["chunk-location"]))
        return np.full((1, 1, 6, 7), 7, np.uint16)

    chunks = ((1,) * 4, (1,) * 5, (6, 6), (7, 7))
    lazy = dask.map_blocks(block, chunks=chunks, dtype=np.uint16, meta=np.empty((0, 0, 0, 0)))
    stack = Stack.from_array(lazy, "z", axes="tzyx", selection=Selection(at=3))
    assert stack.part(crop=(0, 7, 5, 14)).read(2).shape == (5, 7)
    assert computed == [(3, 2, 0, 1)]


def test_zarr_arrays_and_multiscale_lists() -> None:
    zarr = pytest.importorskip("zarr", reason="zarr is not installed")
    array = image("tyx")
    levels = [zarr.array(array), zarr.array(array[:, ::2, ::2]), zarr.array(array[:, ::4, ::4])]
    for level, step in enumerate((1, 2, 4)):
        stack = Stack.from_array(levels, selection=Selection(level=level))
        np.testing.assert_array_equal(stack.read(1), array[1, ::step, ::step])
    with pytest.raises(ValueError, match=r"no level 3: there are the levels 0 \(12 x 14\), 1 \(6 x 7\), 2 \(3 x 4\)"):
        Stack.from_array(levels, selection=Selection(level=3))
    assert Stack.from_array([array[0], array[1]]).shape == (2, 12, 14), "images of one size are frames"


def test_data_of_a_napari_layer() -> None:
    layers = pytest.importorskip("napari.layers", reason="napari is not installed")
    array = image("tyx")
    layer = layers.Image([array, array[:, ::2, ::2]], multiscale=True, contrast_limits=(0, 255))
    np.testing.assert_array_equal(Stack.from_array(layer.data).read(3), array[3])
    np.testing.assert_array_equal(
        Stack.from_array(layer.data, selection=Selection(level=1)).read(3), array[3, ::2, ::2]
    )


@pytest.mark.parametrize(("channels", "order"), [((0, 2), [0, 2, None]), ((2, 0, 1), [2, 0, 1])])
def test_channels_shown_together(channels: tuple[int, ...], order: list[int | None]) -> None:
    array = image("tcyx")
    windows = ((0, 100), (50, 200), (10, 255))[: len(channels)]
    stack = Stack.from_array(array, axes="tcyx", selection=Selection(channels=channels, windows=windows))
    assert (stack.is_rgb, stack.dtype, stack.shape) == (True, np.uint8, (4, 12, 14))
    for colour, channel in enumerate(order):
        shown = stack.read(2)[..., colour]
        if channel is None:
            assert not shown.any()
        else:
            np.testing.assert_array_equal(shown, stretch(array[2, channel], Window(*windows[colour])))


def test_windows_of_channels_come_from_the_file_or_from_the_pixels(tmp_path: Path) -> None:
    array = image("tcyx")
    path = tmp_path / "channels.tif"
    tifffile.imwrite(path, array, imagej=True, metadata={"axes": "TCYX", "Ranges": (0.0, 50.0, 0.0, 500.0, 0.0, 100.0)})
    with open_stack(path, selection=Selection(channels=(0, 2))) as stack:
        np.testing.assert_array_equal(stack.read(1)[..., 0], stretch(array[1, 0], Window(0, 50)))
        np.testing.assert_array_equal(stack.read(1)[..., 1], stretch(array[1, 2], Window(0, 100)))
    array[:, 1] *= 100
    stack = Stack.from_array(array, axes="tcyx", selection=Selection(channels=(0, 1)))
    for colour in (0, 1):
        low, high = np.percentile(array[:, colour], (0.1, 99.9))
        np.testing.assert_array_equal(stack.read(3)[..., colour], stretch(array[3, colour], Window(low, high)))


def test_names_of_channels_are_said(tmp_path: Path) -> None:
    path = tmp_path / "named.ome.tif"
    names = {"axes": "TCYX", "Channel": {"Name": ["DAPI", "GFP", "phase"]}}
    tifffile.imwrite(path, image("tcyx"), metadata=names, photometric="minisblack")
    with pytest.raises(ValueError, match=r"0 \(DAPI\), 1 \(GFP\), 2 \(phase\): choose one"):
        open_stack(path)


def write_named(path: Path, *names: str) -> Path:
    tifffile.imwrite(
        path, image("tcyx"), metadata={"axes": "TCYX", "Channel": {"Name": names}}, photometric="minisblack"
    )
    return path


@pytest.mark.parametrize(
    ("names", "asked", "numbers"),
    [
        (("DAPI", "GFP", "phase"), ("GFP",), (1,)),
        (("DAPI", "GFP", "phase"), ("gfp", 0), (1, 0)),
        (("gfp", "GFP", "phase"), ("GFP",), (1,)),
        # Wavelengths are names; a small number is that of a channel all the same.
        (("405", "488", "1"), (488, 1), (1, 1)),
        (("405", "488", "1"), ("1",), (2,)),
    ],
)
def test_channels_by_name(
    tmp_path: Path, names: tuple[str, ...], asked: tuple[int | str, ...], numbers: tuple[int, ...]
) -> None:
    path = write_named(tmp_path / "named.ome.tif", *names)
    for one, number in zip(asked, numbers, strict=True):
        with open_stack(path, selection=Selection(channels=(one,))) as stack:
            assert stack.geometry.selection.channels == (number,)
            np.testing.assert_array_equal(stack.read(2), image("tcyx")[2, number])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("GPF",), r"0 \(DAPI\), 1 \(GFP\), 2 \(phase\): there is no channel GPF \(did you mean GFP\?\)"),
        (("yellow",), r"2 \(phase\): there is no channel yellow$"),
        ((488,), "there is no channel 488"),
        (("GFP", 1), r"up to 3 different ones, not \[1, 1\]"),
    ],
)
def test_channels_that_are_not_there(tmp_path: Path, asked: tuple[int | str, ...], message: str) -> None:
    path = write_named(tmp_path / "named.ome.tif", "DAPI", "GFP", "phase")
    with pytest.raises(ValueError, match=message):
        open_stack(path, selection=Selection(channels=asked))


def test_two_channels_of_one_name(tmp_path: Path) -> None:
    path = write_named(tmp_path / "named.ome.tif", "GFP", "GFP", "phase")
    with pytest.raises(ValueError, match="2 channels are called GFP: choose one by its number"):
        open_stack(path, selection=Selection(channels=("GFP",)))


def test_a_selection_with_names_is_kept() -> None:
    selection = Selection(channels=("GFP", 2))
    assert Selection.from_json(selection.to_json()) == selection


def test_levels_of_a_tiff_pyramid(tmp_path: Path) -> None:
    array = image("tyx")
    path = tmp_path / "pyramid.ome.tif"
    sizes = {"axes": "TYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25, "TimeIncrement": 2}
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(array, subifds=1, metadata=sizes)
        writer.write(array[:, ::2, ::2], subfiletype=1)
    with open_stack(path, selection=Selection(level=1)) as stack:
        assert stack.calibration == Calibration((0.5, 1.0), 2.0, "um", "s")
        np.testing.assert_array_equal(stack.read(3), array[3, ::2, ::2])


def test_both_steps_of_a_hyperstack_are_known(tmp_path: Path) -> None:
    path = tmp_path / "steps.tif"
    sizes = {"axes": "TZYX", "spacing": 3, "finterval": 0.5, "unit": "um"}
    tifffile.imwrite(path, image("tzyx"), imagej=True, metadata=sizes)
    assert open_stack(path, axis="t", selection=Selection(at=0)).step == 0.5
    assert open_stack(path, axis="z", selection=Selection(at=0)).step == 3


@pytest.mark.parametrize(("axes", "selection"), [("tyx", None), ("tyxs", None), ("tzyx", Selection(at=1))])
def test_numpy_files(tmp_path: Path, axes: str, selection: Selection | None) -> None:
    array = image(axes)
    np.save(tmp_path / "array.npy", array)
    stack = open_stack(tmp_path / "array.npy", axis="t", selection=selection)
    np.testing.assert_array_equal(stack.read(3), array[3, 1] if selection else array[3])
    np.save(tmp_path / "objects.npy", np.array([{}, None]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"objects.npy cannot be read as a NumPy file"):
        open_stack(tmp_path / "objects.npy")

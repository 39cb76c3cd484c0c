from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2.data import Calibration, Selection, Stack, open_stack


def ramp(*shape: int, dtype: str = "uint16") -> np.ndarray:
    return (np.arange(np.prod(shape)) % 251).reshape(shape).astype(dtype)


@pytest.mark.parametrize(
    ("shape", "expected", "is_rgb"),
    [
        ((5, 7, 8), (5, 7, 8), False),
        ((5, 7, 8, 3), (5, 7, 8), True),
        ((5, 7, 8, 4), (5, 7, 8), True),
        ((7, 8), (1, 7, 8), False),
        ((7, 8, 3), (1, 7, 8), True),
        ((7, 8, 4), (1, 7, 8), True),
        ((3, 7, 8), (3, 7, 8), False),
    ],
)
def test_array_shapes(shape: tuple[int, ...], expected: tuple[int, ...], is_rgb: bool) -> None:
    array = ramp(*shape)
    stack = Stack.from_array(array)
    assert stack.shape == expected
    assert (len(stack), stack.n_frames, stack.height, stack.width) == (expected[0], *expected)
    assert stack.is_rgb is is_rgb
    first = array[0] if expected[0] > 1 else array
    np.testing.assert_array_equal(stack.read(0), first[..., :3] if is_rgb else first)


def test_rgb_override_settles_a_narrow_stack() -> None:
    array = ramp(6, 7, 3)
    assert Stack.from_array(array, rgb=False).shape == (6, 7, 3)
    assert Stack.from_array(array, rgb=True).shape == (1, 6, 7)


@pytest.mark.parametrize(
    ("shape", "rgb"), [((7,), None), ((2, 3, 7, 8), None), ((5, 7, 8), True), ((5, 7, 8, 3), False)]
)
def test_arrays_that_are_no_stack(shape: tuple[int, ...], rgb: bool | None) -> None:
    with pytest.raises(ValueError, match="choose one channel") as error:
        Stack.from_array(ramp(*shape), rgb=rgb)
    assert str(shape) in str(error.value)


def test_empty_and_complex_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="no pixels"):
        Stack.from_array(np.zeros((0, 4, 5)))
    with pytest.raises(ValueError, match="complex128"):
        Stack.from_array(np.zeros((2, 4, 5), complex))
    with pytest.raises(ValueError, match="'c'"):
        Stack.from_array(np.zeros((2, 4, 5)), "c")


def test_lists_are_arrays_too() -> None:
    assert Stack.from_array([[1, 2, 5], [3, 4, 5]], rgb=False).read(0).tolist() == [[1, 2, 5], [3, 4, 5]]


def test_dask_is_read_frame_by_frame() -> None:
    dask = pytest.importorskip("dask.array", reason="dask is not installed")
    computed: list[int] = []

    def block(block_info: dict) -> np.ndarray:
        computed.append(block_info[None]["chunk-location"][0])
        return np.full((1, 4, 5), computed[-1], np.uint16)

    lazy = dask.map_blocks(block, chunks=((1,) * 6, (4,), (5,)), dtype=np.uint16, meta=np.empty((0, 0, 0)))
    stack = Stack.from_array(lazy)
    assert computed == []
    assert stack.read(4).max() == 4
    assert computed == [4]


def test_read_gives_a_copy_in_native_order() -> None:
    array = ramp(2, 4, 5, dtype=">u2")
    stack = Stack.from_array(array)
    frame = stack.read(1)
    assert frame.dtype == stack.dtype == np.dtype("=u2")
    frame[:] = 0
    np.testing.assert_array_equal(stack.read(1), array[1])


@pytest.mark.parametrize("frame", [-1, 2, 1.0, True, "0", None])
def test_frames_that_do_not_exist(frame: object) -> None:
    with pytest.raises(ValueError, match="frame"):
        Stack.from_array(ramp(2, 4, 5)).read(frame)


def test_nan_is_said_once_for_all_parts_of_an_image() -> None:
    array = np.zeros((3, 4, 5), np.float32)
    array[1:, 0, :2] = np.nan, np.inf
    stack = Stack.from_array(array)
    assert stack.read(0).max() == 0
    with pytest.warns(UserWarning, match="frame 1 holds 2 values that are NaN or infinite") as said:
        stack.read(1)
        stack.read(2)
        stack.part(every=2).read(1)
    assert len(said) == 1


@pytest.mark.parametrize("channels", [(0,), (0, 1)])
def test_nan_can_be_refused(channels: tuple[int, ...]) -> None:
    array = np.zeros((3, 2, 4, 5), np.float32)
    array[1, 0, 0, :2] = np.nan, np.inf
    stack = Stack.from_array(array, axes="tcyx", selection=Selection(channels=channels, windows=((0, 1),)))
    stack.missing.refuse = True
    assert stack.read(0).max() == 0
    with pytest.raises(ValueError, match="frame 1 holds 2 values that are NaN"):
        stack.read(1)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("axes", "axis", "sizes"),
    [
        ("TYX", "t", {"finterval": 2.5}),
        ("ZYX", "z", {"spacing": 0.9}),
        ("TYXS", "t", {"finterval": 2.5}),
    ],
)
def test_imagej_tiff(tmp_path: Path, axes: str, axis: str, sizes: dict[str, float], compression: str | None) -> None:
    path = tmp_path / "stack.tif"
    array = ramp(6, 8, 9, 3, dtype="uint8") if axes.endswith("S") else ramp(6, 8, 9)
    tifffile.imwrite(
        path,
        array,
        imagej=True,
        resolution=(1 / 0.25, 1 / 0.5),
        metadata={"axes": axes, "unit": "um", **sizes},
        compression=compression,
    )
    stack = open_stack(path)
    assert (stack.axis, stack.is_rgb, stack.shape) == (axis, array.ndim == 4, (6, 8, 9))
    assert stack.pixel_size == pytest.approx((0.5, 0.25))
    assert (stack.unit, stack.step) == ("um", next(iter(sizes.values())))
    assert stack.step_unit == ("s" if axis == "t" else "um")
    assert stack.path == path
    for frame in (5, 0, 3):
        np.testing.assert_array_equal(stack.read(frame), array[frame])


def test_axis_given_by_hand_chooses_the_step(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, ramp(4, 8, 9), imagej=True, metadata={"axes": "TYX", "spacing": 3, "unit": "um"})
    stack = open_stack(path, axis="z")
    assert (stack.axis, stack.step, stack.step_unit) == ("z", 3.0, "um")
    with pytest.raises(ValueError, match="'x'"):
        open_stack(path, axis="x")


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_ome_tiff(tmp_path: Path, compression: str | None) -> None:
    path = tmp_path / "stack.ome.tif"
    array = ramp(5, 8, 9)
    metadata = {
        "axes": "ZYX",
        "PhysicalSizeX": 100,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.2,
        "PhysicalSizeYUnit": "µm",
        "PhysicalSizeZ": 1.5,
        "PhysicalSizeZUnit": "µm",
    }
    tifffile.imwrite(path, array, metadata=metadata, compression=compression)
    stack = open_stack(path)
    assert (stack.axis, stack.unit, stack.step_unit) == ("z", "nm", "nm")
    assert stack.pixel_size == pytest.approx((200, 100))
    assert stack.step == pytest.approx(1500)
    np.testing.assert_array_equal(stack.read(4), array[4])


def test_plain_tiffs(tmp_path: Path) -> None:
    array = ramp(6, 8, 9)
    tifffile.imwrite(tmp_path / "pages.tif", array, metadata=None, resolution=(72, 72))
    tifffile.imwrite(tmp_path / "shaped.tif", array, compression="zlib", predictor=True)
    tifffile.imwrite(tmp_path / "one.tif", array[0])
    tifffile.imwrite(tmp_path / "big.tif", array, bigtiff=True, byteorder=">")
    for name in ("pages.tif", "shaped.tif", "big.tif"):
        stack = open_stack(tmp_path / name)
        assert (stack.shape, stack.axis, stack.calibration) == ((6, 8, 9), "t", Calibration())
        np.testing.assert_array_equal(stack.read(2), array[2])
    np.testing.assert_array_equal(open_stack(tmp_path / "one.tif").read(0), array[0])


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_planar_rgb_tiff(tmp_path: Path, compression: str | None) -> None:
    planar = ramp(4, 3, 8, 9, dtype="uint8")
    path = tmp_path / "planar.tif"
    tifffile.imwrite(path, planar, photometric="rgb", planarconfig="separate", compression=compression)
    stack = open_stack(path)
    assert (stack.shape, stack.is_rgb) == ((4, 8, 9), True)
    np.testing.assert_array_equal(stack.read(1), np.moveaxis(planar[1], 0, -1))


def test_frames_compressed_together(tmp_path: Path) -> None:
    array = ramp(16, 32, 48)
    path = tmp_path / "volume.tif"
    tifffile.imwrite(path, array, volumetric=True, tile=(16, 16, 16), compression="zlib")
    np.testing.assert_array_equal(open_stack(path).read(9), array[9])


def test_a_stack_never_holds_its_frames(tmp_path: Path) -> None:
    """A damaged page leaves the others readable, which a reader of the whole file could not offer."""
    path = tmp_path / "stack.tif"
    array = np.random.default_rng(0).integers(0, 999, (6, 32, 32), np.uint16)
    tifffile.imwrite(path, array, compression="zlib", metadata=None)
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages[2].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + 20] = bytes(20)
    path.write_bytes(content)
    stack = open_stack(path)
    np.testing.assert_array_equal(stack.read(3), array[3])
    with pytest.raises(ValueError, match=r"frame 2 of .*stack.tif cannot be read"):
        stack.read(2)


def test_reading_from_threads(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    array = ramp(40, 64, 64)
    tifffile.imwrite(path, array, compression="zlib", metadata=None)
    stack = open_stack(path)
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(40), 4)).tolist()
    with ThreadPoolExecutor(8) as pool:
        frames = list(pool.map(stack.read, order))
    for frame, image in zip(order, frames, strict=True):
        np.testing.assert_array_equal(image, array[frame])


def test_files_are_closed(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, ramp(6, 8, 9), compression="zlib", metadata=None)

    def is_open() -> bool:
        handles = Path("/proc/self/fd")
        return any(handle.exists() and handle.resolve() == path for handle in handles.iterdir())

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("open files are listed on Linux only")
    with open_stack(path) as stack:
        stack.read(0)
        assert is_open()
    assert not is_open()
    stack = open_stack(path)
    del stack
    gc.collect()
    assert not is_open()


def test_files_that_are_no_stack(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing.tif does not exist"):
        open_stack(tmp_path / "nothing.tif")
    (tmp_path / "text.tif").write_text("not a TIFF file at all", encoding="utf-8")
    with pytest.raises(ValueError, match=r"text.tif cannot be read as a TIFF"):
        open_stack(tmp_path / "text.tif")
    (tmp_path / "film.xyz").write_bytes(b"....")
    with pytest.raises(ValueError, match=r"film.xyz is not a TIFF, PNG, JPEG, .*video"):
        open_stack(tmp_path / "film.xyz")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    with pytest.raises(ValueError, match=r"broken.png cannot be read"):
        open_stack(tmp_path / "broken.png")
    with tifffile.TiffWriter(tmp_path / "two.tif") as writer:
        writer.write(ramp(8, 9), metadata=None)
        writer.write(ramp(6, 5), metadata=None)
    with pytest.raises(ValueError, match="holds 2 images"):
        open_stack(tmp_path / "two.tif")


@pytest.mark.parametrize(
    "options",
    [
        {"imagej": True, "metadata": {"axes": "TYX"}},
        {"imagej": True, "metadata": {"axes": "TYX"}, "compression": "zlib"},
        {"ome": True, "metadata": {"axes": "TYX"}},
        {"compression": "zlib"},
        {},
        {"metadata": None, "compression": "zlib"},
        {"metadata": None, "bigtiff": True},
    ],
)
def test_a_file_cut_short_is_not_taken_for_a_shorter_stack(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "cut.tif"
    array = np.random.default_rng(0).integers(0, 999, (20, 64, 64)).astype(np.uint16)
    tifffile.imwrite(path, array, **options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(ValueError, match=r"cut.tif (cannot be read|is cut short)"):
        open_stack(path)


def test_folder_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 9, 2, 1):
        Image.fromarray(np.full((6, 7, 3), number, np.uint8)).save(tmp_path / f"Frame{number}.PNG")
    (tmp_path / "notes.txt").write_text("passed over", encoding="utf-8")
    (tmp_path / "._Frame1.png").write_text("passed over", encoding="utf-8")
    stack = open_stack(tmp_path, axis="z")
    assert (stack.shape, stack.is_rgb, stack.axis) == ((4, 6, 7), True, "z")
    assert [int(stack.read(frame)[0, 0, 0]) for frame in range(4)] == [1, 2, 9, 10]


def test_folder_of_tiffs_keeps_the_pixel_size(tmp_path: Path) -> None:
    for number in range(3):
        tifffile.imwrite(
            tmp_path / f"{number}.tif",
            ramp(6, 7) + number,
            imagej=True,
            resolution=(2, 2),
            metadata={"unit": "micron"},
        )
    stack = open_stack(tmp_path)
    assert stack.calibration == Calibration((0.5, 0.5), unit="um")
    np.testing.assert_array_equal(stack.read(2), ramp(6, 7) + 2)


@pytest.mark.parametrize(
    ("mode", "dtype", "is_rgb"),
    [
        ("L", "uint8", False),
        ("LA", "uint8", False),
        ("1", "uint8", False),
        ("I;16", "uint16", False),
        ("P", "uint8", True),
        ("RGBA", "uint8", True),
    ],
)
def test_png_kinds(tmp_path: Path, mode: str, dtype: str, is_rgb: bool) -> None:
    Image.new(mode, (9, 8), 1 if mode in ("I;16", "1") else 0).save(tmp_path / "image.png")
    for path in (tmp_path, tmp_path / "image.png"):
        stack = open_stack(path)
        assert (stack.shape, stack.dtype, stack.is_rgb) == ((1, 8, 9), np.dtype(dtype), is_rgb)
        assert stack.read(0).shape == ((8, 9, 3) if is_rgb else (8, 9))


def test_odd_image_in_a_folder_is_named(tmp_path: Path) -> None:
    for number in range(3):
        Image.new("L", (9, 8) if number else (5, 5)).save(tmp_path / f"{number}.png")
    with pytest.raises(ValueError, match=r"0.png is 5 x 5 uint8 grey, but .* are 8 x 9 uint8 grey"):
        open_stack(tmp_path)


def test_folders_that_are_no_stack(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no images"):
        open_stack(tmp_path)
    for name in ("1.jpg", "2.jpg", "preview.png"):
        Image.new("L", (9, 8)).save(tmp_path / name)
    with pytest.raises(ValueError, match=r"JPEG images and also preview.png"):
        open_stack(tmp_path)
    films = tmp_path / "films"
    films.mkdir()
    # Volumes of one size are one image; others are not.
    tifffile.imwrite(films / "a.tif", ramp(6, 8, 9))
    tifffile.imwrite(films / "b.tif", ramp(5, 8, 9))
    with pytest.raises(ValueError, match=r"b\.tif"):
        open_stack(films)


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "is_rgb"),
    [
        ("ctc_fluo_n2dh_sim01/frames.tif", (10, 495, 534), "uint16", False),
        ("davis_camel/frames", (90, 480, 854), "uint8", True),
        ("brats2013_flair_pat0005/frames.tif", (86, 240, 240), "float32", False),
    ],
)
def test_real_sequences(data_dir: Path, name: str, shape: tuple[int, ...], dtype: str, is_rgb: bool) -> None:
    stack = open_stack(data_dir / name)
    assert (stack.shape, stack.dtype, stack.is_rgb) == (shape, np.dtype(dtype), is_rgb)
    frame = stack.read(stack.n_frames // 2)
    if is_rgb:
        file = sorted((data_dir / name).iterdir())[stack.n_frames // 2]
        np.testing.assert_array_equal(frame, np.asarray(Image.open(file)))
    else:
        np.testing.assert_array_equal(frame, tifffile.imread(data_dir / name, key=stack.n_frames // 2))


def test_slices_are_those_of_one_volume() -> None:
    frames = np.zeros((6, 4, 4), np.uint8)
    depth, time = Stack.from_array(frames, "z"), Stack.from_array(frames, "t")
    assert depth.is_slices and not time.is_slices
    depth.n_planes = 3
    assert not depth.is_slices

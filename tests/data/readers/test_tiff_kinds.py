"""TIFF files as other programs leave them: compressed in every way, written frame by frame, of microscopes."""

from __future__ import annotations

import json
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2.data import open_stack
from napari_sam2.data.images.axes import Axis

FRAMES = np.random.default_rng(0).integers(0, 255, (4, 24, 32)).astype(np.uint8)


def read_all(path: Path) -> np.ndarray:
    with open_stack(path) as stack:
        return np.stack([stack.read(frame) for frame in range(stack.n_frames)])


@pytest.mark.parametrize("codec", ["tiff_lzw", "jpeg", "group3", "group4", "packbits", "tiff_adobe_deflate", "zstd"])
def test_compressions_as_pillow_writes_them(tmp_path: Path, codec: str) -> None:
    bilevel = codec.startswith("group")
    images = [Image.fromarray(frame > 120 if bilevel else frame) for frame in FRAMES]
    images[0].save(tmp_path / "a.tif", save_all=True, append_images=images[1:], compression=codec)
    read = read_all(tmp_path / "a.tif")
    assert read.shape == FRAMES.shape
    if codec != "jpeg":
        np.testing.assert_array_equal(read, FRAMES > 120 if bilevel else FRAMES)


@pytest.mark.parametrize("codec", ["lzw", "zstd", "lzma", "lerc", "webp", "jpegxl", "jpeg2000", "packbits"])
@pytest.mark.parametrize("colour", [False, True])
def test_compressions_as_tifffile_writes_them(tmp_path: Path, codec: str, colour: bool) -> None:
    colour = colour or codec == "webp"
    array = np.repeat(FRAMES[..., None], 3, axis=-1) if colour else FRAMES
    photometric = "rgb" if colour else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", array, compression=codec, photometric=photometric)
    assert read_all(tmp_path / "a.tif").shape == array.shape


def test_a_compression_that_nobody_knows_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, FRAMES, compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(path) as tif:
        places = [page.tags[259].valueoffset for page in tif.pages]
    data = bytearray(path.read_bytes())
    for place in places:
        data[place : place + 2] = (50123).to_bytes(2, "little")
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.tif"), open_stack(path) as stack:
        stack.read(0)


@pytest.mark.parametrize("how", ["loop", "append", "ome", "mixed", "colour"])
def test_written_frame_by_frame(tmp_path: Path, how: str) -> None:
    path, frames = tmp_path / "a.tif", FRAMES
    if how == "append":
        for i, frame in enumerate(frames):
            tifffile.imwrite(path, frame, append=i > 0)
    elif how == "colour":
        frames = np.repeat(FRAMES[..., None], 3, axis=-1)
        with tifffile.TiffWriter(path) as tif:
            for frame in frames:
                tif.write(frame, photometric="rgb", compression="zlib")
    else:
        with tifffile.TiffWriter(path, ome=how == "ome") as tif:
            for i, frame in enumerate(frames):
                # Frames that are stored in different ways come in several series, which must not be read one after the
                # other.
                metadata = {"metadata": None} if how == "mixed" else {}
                tif.write(frame, compression="zlib" if i % 2 or how == "loop" else None, **metadata)
    np.testing.assert_array_equal(read_all(path), frames)


def test_volumes_written_one_by_one_are_not_guessed_at(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for _ in range(3):
            tif.write(np.concatenate([FRAMES, FRAMES]), photometric="minisblack")
    with pytest.raises(ValueError, match="holds 3 images of shapes"):
        open_stack(tmp_path / "a.tif")


def test_a_thumbnail_is_no_second_image(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(FRAMES[0], metadata=None)
        tif.write(FRAMES[0, ::4, ::4], subfiletype=1, metadata=None)
    np.testing.assert_array_equal(read_all(tmp_path / "a.tif"), FRAMES[:1])


@pytest.mark.parametrize("count", [3, 4])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_few_grey_frames_are_no_colour(tmp_path: Path, count: int, compression: str | None, dtype: str) -> None:
    frames = FRAMES[:count].astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tifffile.imwrite(tmp_path / "a.tif", frames, compression=compression)
    with pytest.warns(UserWarning, match="taken for frames"):
        np.testing.assert_array_equal(read_all(tmp_path / "a.tif"), frames)


@pytest.mark.parametrize("name", ["a.btf", "a.tf8", "a.stk", "a.lsm", "a.dat", "a", "a.png", "a.TIF"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_a_tiff_is_known_by_its_content(tmp_path: Path, name: str, bigtiff: bool) -> None:
    with (tmp_path / name).open("wb") as file:
        tifffile.imwrite(file, FRAMES, bigtiff=bigtiff, photometric="minisblack")
    np.testing.assert_array_equal(read_all(tmp_path / name), FRAMES)


def test_a_folder_knows_its_images_by_their_content(tmp_path: Path) -> None:
    for i, frame in enumerate(FRAMES):
        Image.fromarray(frame).save(tmp_path / f"{i}.dat", format="PNG")
    (tmp_path / "notes.txt").write_text("not an image", encoding="utf-8")
    np.testing.assert_array_equal(read_all(tmp_path), FRAMES)


def test_metamorph(tmp_path: Path) -> None:
    """UIC tags, which no library writes: put together by hand."""
    path, n = tmp_path / "a.stk", len(FRAMES)
    planes = [word for i in range(n) for word in (3, 2, 2460000, 1000 + 500 * i, 2460000, 0)]
    extra = [(33628, 4, 6, (0,) * 6, True), (33629, 5, 3 * n, tuple(planes), True)]
    tifffile.imwrite(path, FRAMES[0], extratags=extra, metadata=None, byteorder="<")
    with tifffile.TiffFile(path) as tif:
        tags = tif.pages[0].tags
        entries, where = tags[33628].valueoffset, {code: tags[code].offset for code in (33628, 33629)}
        # All planes lie behind one another, and only the first has a page.
        strips = tags[273].value[0]
    data = bytearray(path.read_bytes())
    assert strips + FRAMES[0].nbytes == len(data)
    data += FRAMES[1:].tobytes()
    end = len(data)
    data += struct.pack("<4I", 1, 4, 1, 8) + struct.pack("<I", 3) + b"um\0"
    data[entries : entries + 24] = struct.pack("<6I", 4, end, 5, end + 8, 6, end + 16)
    for code, count in ((33628, 3), (33629, n)):
        data[where[code] + 4 : where[code] + 8] = struct.pack("<I", count)
    path.write_bytes(data)
    with open_stack(path) as stack:
        assert (stack.shape, stack.axis, stack.pixel_size, stack.unit) == (FRAMES.shape, "z", (0.125, 0.25), "um")
        assert (stack.step, stack.step_unit) == (1.5, "um")
    np.testing.assert_array_equal(read_all(path), FRAMES)


def test_micromanager(tmp_path: Path) -> None:
    summary = {"z-step_um": 2, "Interval_ms": 500}
    said = {"PixelSizeUm": 0.325, "XPositionUm": 1200.5, "YPositionUm": -40, "Summary": summary}
    extra = [(51123, 2, 0, json.dumps(said), True)]
    tifffile.imwrite(tmp_path / "a.tif", FRAMES, photometric="minisblack", extratags=extra)
    with open_stack(tmp_path / "a.tif", axis="t") as stack:
        assert (stack.pixel_size, stack.unit, stack.step, stack.step_unit) == ((0.325, 0.325), "um", 0.5, "s")
        assert [axis.translation for axis in stack.axes] == [0, -40, 1200.5]


def test_fei(tmp_path: Path) -> None:
    said = "[Scan]\r\nPixelWidth=4e-09\r\nPixelHeight=5e-09\r\n[Stage]\r\nStageX=0.001\r\n"
    tifffile.imwrite(tmp_path / "a.tif", FRAMES[0], extratags=[(34682, 2, 0, said, True)])
    with open_stack(tmp_path / "a.tif") as stack:
        assert stack.pixel_size == pytest.approx((0.005, 0.004))
        assert stack.unit == "um"
        assert stack.axes[-1].translation == pytest.approx(1000)


def test_damaged_notes_of_a_microscope_do_no_harm(tmp_path: Path) -> None:
    extra = [(34682, 2, 0, "[Scan]\r\nPixelWidth=wide\r\n", True)]
    tifffile.imwrite(tmp_path / "a.tif", FRAMES[0], extratags=extra)
    with open_stack(tmp_path / "a.tif") as stack:
        assert stack.pixel_size is None


def test_ome_stage_position(tmp_path: Path) -> None:
    plane = {"PositionX": [0.5] * 4, "PositionXUnit": ["mm"] * 4, "PositionY": [3.0] * 4}
    sizes = {"axes": "TYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(tmp_path / "a.ome.tif", FRAMES, ome=True, metadata=sizes | {"Plane": plane})
    with open_stack(tmp_path / "a.ome.tif") as stack:
        # A position without a unit of length is one on no known scale.
        assert stack.axes[1:] == (Axis("y", 24, 0.5, 0.0, "um"), Axis("x", 32, 0.5, 500.0, "um"))


def test_channels_of_an_lsm_page(tmp_path: Path) -> None:
    """A page of an LSM file holds all channels of a plane. No library writes such files: the part that reads it."""
    from napari_sam2.data.readers.tiff import PageSource, _layout

    array = np.arange(3 * 2 * 5 * 6, dtype=np.uint16).reshape(3, 2, 5, 6)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, photometric="minisblack", planarconfig="separate", metadata=None)
    tif = tifffile.TiffFile(path)
    series = tifffile.TiffPageSeries(list(tif.pages), array.shape, array.dtype, "ZCYX", kind="lsm")
    source = PageSource(tif, path, _layout(series, path), 2)
    try:
        np.testing.assert_array_equal(source.read((2, 1)), array[2, 1])
    finally:
        source.close()

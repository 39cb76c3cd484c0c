"""CZI, ND2 and LIF by way of bioio. Only CZI files can be written here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_sam2.data import MissingExtraError, Selection, open_stack
from napari_sam2.data.files.optional_packages import load_extra

FRAMES = (np.arange(3 * 2 * 20 * 30).reshape(3, 2, 20, 30) % 251).astype(np.uint8)


def is_installed() -> bool:
    try:
        load_extra("bioio", "this test")
    except MissingExtraError:
        return False
    return True


needs_bioio = pytest.mark.skipif(not is_installed(), reason="bioio is not installed")


@pytest.mark.skipif(is_installed(), reason="bioio is installed")
@pytest.mark.parametrize("name", ["a.czi", "a.nd2", "A.LIF"])
def test_without_the_extra_its_name_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(MissingExtraError, match=r'pip install "napari-sam2\[bioio\]"'):
        open_stack(tmp_path / name)


@needs_bioio
def test_czi(tmp_path: Path) -> None:
    czi = pytest.importorskip("pylibCZIrw.czi")
    with czi.create_czi(str(tmp_path / "a.czi")) as document:
        for t, channels in enumerate(FRAMES):
            for c, plane in enumerate(channels):
                document.write(data=plane[..., None], plane={"T": t, "C": c, "Z": 0})
        document.write_metadata("a", channel_names={0: "red", 1: "green"}, scale_x=1e-7, scale_y=2e-7, scale_z=3e-7)
    with pytest.raises(ValueError, match=r"2 channels, 0 \(red\), 1 \(green\)"):
        open_stack(tmp_path / "a.czi")
    with open_stack(tmp_path / "a.czi", selection=Selection(channels=(1,))) as stack:
        assert (stack.shape, stack.axis, stack.unit) == ((3, 20, 30), "t", "um")
        assert stack.pixel_size == pytest.approx((0.2, 0.1))
        np.testing.assert_array_equal(stack.read(2), FRAMES[2, 1])
    with pytest.raises(ValueError, match=r"holds 1 series: .*there is no '7' among them"):
        open_stack(tmp_path / "a.czi", selection=Selection(channels=(1,), series="7"))


@needs_bioio
@pytest.mark.parametrize("name", ["a.czi", "a.nd2", "a.lif"])
def test_a_file_that_is_none_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no such file at all" * 100)
    with pytest.raises(ValueError, match=f"{name} cannot be read"):
        open_stack(tmp_path / name)

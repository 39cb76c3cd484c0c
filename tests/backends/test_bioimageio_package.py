"""A package passes the tests of bioimage.io, and holds all that its readers need."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_sam2.backends.bioimageio_package import (
    PackageNotes,
    check_package_path,
    example_inputs,
    expected_outputs,
    write_package,
)
from napari_sam2.data.files import optional_packages
from napari_sam2.data.files.optional_packages import MissingExtraError
from small_model import build_small

NOTES = PackageNotes("Small model", "Segments what is clicked on", ["A. Person"], "CC-BY-4.0", "small.pt", "Mind it.")


def test_what_is_expected_is_what_the_model_says_of_the_drawn_image() -> None:
    inputs = example_inputs()
    assert {name: array.dtype.name for name, array in inputs.items()} == {
        "image": "float32",
        "points": "float32",
        "point_labels": "int64",
        "mask_prompts": "uint8",
    }
    # A click, a box, and a click with a mask, each of another object.
    assert inputs["point_labels"].tolist() == [[[1, -1], [2, 3], [1, -1]]]
    assert [bool(mask.any()) for mask in inputs["mask_prompts"][0]] == [False, False, True]
    outputs = expected_outputs(build_small(0, presence=1.0), inputs)
    assert outputs["masks"].shape == (1, 3, *inputs["image"].shape[-2:])
    assert outputs["scores"].shape == outputs["object_scores"].shape == (1, 3)


def test_what_is_there_is_not_replaced(tmp_path: Path) -> None:
    pytest.importorskip("bioimageio.spec", reason="the extra [bioimageio] is not installed")
    path = tmp_path / "model.zip"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="is there already"):
        check_package_path(path)
    assert path.read_bytes() == b"mine"


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(optional_packages.importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"pip install \"napari-sam2\[bioimageio\]\""):
        write_package(build_small(0, presence=1.0), tmp_path / "model.zip", NOTES)


# Writing and testing take a minute.
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_package_passes_the_tests_of_bioimageio(tmp_path: Path) -> None:
    core = pytest.importorskip("bioimageio.core", reason="the extra [bioimageio] is not installed")
    pytest.importorskip("onnxruntime")
    path = write_package(build_small(0, presence=8.0), tmp_path / "model.zip", NOTES)
    summary = core.test_model(path)
    assert summary.status == "passed", summary.format()
    names = [detail.name for detail in summary.details]
    # What PyTorch computed is what comes out, and images, objects and clicks of other numbers go in.
    assert "Reproduce test outputs from test inputs (onnx)" in names
    assert sum("size parameter" in name for name in names) == 3

    with zipfile.ZipFile(path) as package:
        readme = package.read("README.md").decode()
        cover = Image.open(io.BytesIO(package.read("cover.png")))
        assert not any(name.endswith(".py") for name in package.namelist())
    assert "small.pt, CC-BY-4.0. Mind it." in readme
    assert cover.size == (512, 256)
    assert len(np.unique(np.asarray(cover))) > 50
    model = core.load_description(path)
    assert [author.name for author in model.authors] == ["A. Person"]
    assert "2408.00714" in str(model.cite[0].doi)

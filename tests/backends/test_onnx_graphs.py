"""What onnxruntime computes from the written files is what the model computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_sam2.backends.onnx_graphs import graphs_of, write_graphs
from napari_sam2.benchmark.models import stand_in
from napari_sam2.data.files import optional_packages
from napari_sam2.data.files.optional_packages import MissingExtraError
from napari_sam2.model.sam2 import Sam2
from napari_sam2.weights.catalog import get_entry
from napari_sam2.weights.load import load_model
from small_model import SMALL, build_small

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

NAMES = "image_encoder", "prompt_decoder", "memory_encoder", "memory_attention"
LENGTHS = [{"objects": 1, "clicks": 1, "maps": 1, "looks": 1}, {"objects": 3, "clicks": 4, "maps": 7, "looks": 16}]


def drawn(example: torch.Tensor, shape: list[int], rng: np.random.Generator) -> np.ndarray:
    kind = example.numpy().dtype
    if kind == np.float32:
        return rng.random(shape, np.float32)
    return rng.integers(0, {"uint8": 256, "bool": 2}.get(kind.name, 4), shape).astype(kind)


def assert_equal_to_onnx(model: Sam2, folder: Path, *names: str) -> None:
    paths = {path.stem: path for path in write_graphs(model, folder, names or NAMES)}
    assert tuple(paths) == (names or NAMES)
    for name, graph in graphs_of(model).items():
        if name not in paths:
            continue
        session = onnxruntime.InferenceSession(paths[name], providers=["CPUExecutionProvider"])
        assert [one.name for one in session.get_outputs()] == list(graph.module.outputs)
        for number, lengths in enumerate(LENGTHS if graph.free else LENGTHS[:1]):
            rng = np.random.default_rng(number)
            inputs: dict[str, Any] = {}
            for key, example in graph.inputs.items():
                free = graph.free.get(key, {})
                shape = [lengths[free[axis]] if axis in free else side for axis, side in enumerate(example.shape)]
                inputs[key] = drawn(example, shape, rng)
            with torch.no_grad():
                expected = graph.module(**{key: torch.from_numpy(value) for key, value in inputs.items()})
            expected = expected if isinstance(expected, tuple) else (expected,)
            for own, answer in zip(expected, session.run(None, inputs), strict=True):
                size = max(float(own.abs().max()), 1.0)
                np.testing.assert_allclose(answer / size, own.numpy() / size, rtol=0, atol=1e-3, err_msg=name)


def test_a_file_computes_what_a_small_model_does(tmp_path: Path) -> None:
    # The one of the most inputs; writing all takes a minute.
    assert_equal_to_onnx(build_small(0, presence=1.0), tmp_path / "onnx", "memory_attention")


@pytest.mark.slow
@pytest.mark.parametrize("generation", ["2.0", "2.1"])
def test_files_compute_what_a_small_model_does(tmp_path: Path, generation: str) -> None:
    config = replace(SMALL, generation=generation)
    assert_equal_to_onnx(build_small(0, presence=1.0, config=config), tmp_path / "onnx")


@pytest.mark.slow
def test_files_compute_what_the_bundled_model_does(tmp_path: Path) -> None:
    if not get_entry("sam2_nano").path.is_file():
        pytest.skip("this source tree has no bundled weights")
    assert_equal_to_onnx(load_model("sam2_nano", preset="exact", device="cpu"), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["tiny", "small", "base_plus", "large"])
def test_files_compute_what_the_four_sizes_do(tmp_path: Path, size: str) -> None:
    # No weight depends on the side of the input. Besides the encoder, sizes do not differ.
    model = stand_in(f"sam2.1_hiera_{size}", preset="exact", device="cpu", image_size=256)
    assert_equal_to_onnx(model, tmp_path, *(NAMES if size == "tiny" else ("image_encoder",)))


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(optional_packages.importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"pip install \"napari-sam2\[onnx\]\""):
        write_graphs(build_small(0, presence=1.0), tmp_path)

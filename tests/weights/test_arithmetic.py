"""What a CPU is told to compute in: what was measured, kept or said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_sam2 import load_model
from napari_sam2.model.precision import precision_of
from napari_sam2.model.sam2 import Sam2
from napari_sam2.weights.arithmetic import available_arithmetics, choose_arithmetic, quickest
from napari_sam2.weights.source import source_of

needs_choice = pytest.mark.skipif(len(available_arithmetics()) < 2, reason="this CPU has one arithmetic only")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where choices are kept, empty, and nothing said of them."""
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path))
    monkeypatch.delenv("NAPARI_SAM2_CPU_DTYPE")
    return tmp_path / "arithmetic"


@pytest.fixture(scope="module")
def exact() -> Sam2:
    return load_model(device="cpu", preset="exact")


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({"float32": 0.2, "mixed": 0.1}, "mixed"),
        ({"float32": 0.1, "mixed": 0.2}, "float32"),
        # Too near to tell.
        ({"float32": 0.1, "mixed": 0.099}, "float32"),
        ({"float32": 0.1}, "float32"),
        ({"float32": 0.2, "mixed": 0.15, "int8": 0.1}, "int8"),
    ],
)
def test_the_quickest_is_chosen(seconds: dict[str, float], chosen: str) -> None:
    choice = quickest(seconds)
    assert choice.dtype == chosen
    assert all(f"{name} {taken / seconds['float32']:.2f}" in choice.reason for name, taken in seconds.items())


@needs_choice
def test_a_choice_is_kept(folder: Path, exact: Sam2) -> None:
    first = choose_arithmetic(exact)
    (path,) = folder.iterdir()
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert kept["seconds"] == first.seconds
    # Another answer than any measurement gives shows that it was read.
    for chosen in ("float32", "mixed"):
        kept["seconds"] = {"float32": 1000.0, "mixed": 1000.0} | {chosen: 1.0}
        path.write_text(json.dumps(kept), encoding="utf-8")
        assert choose_arithmetic(exact).dtype == chosen
    assert len(list(folder.iterdir())) == 1


@needs_choice
def test_a_preset_loads_what_was_kept(folder: Path) -> None:
    model = load_model(device="cpu")
    source = source_of(model)
    assert source is not None
    assert source.arithmetic is not None
    assert source.arithmetic.dtype == precision_of(model)
    (path,) = folder.iterdir()
    kept = json.loads(path.read_text(encoding="utf-8"))
    for chosen in ("float32", "mixed"):
        path.write_text(
            json.dumps(kept | {"seconds": {"float32": 1000.0, "mixed": 1000.0} | {chosen: 1.0}}), encoding="utf-8"
        )
        assert precision_of(load_model(device="cpu")) == chosen
        assert precision_of(load_model(device="cpu", dtype="float32")) == "float32"
        assert precision_of(load_model(device="cpu", dtype="mixed")) == "mixed"
        assert precision_of(load_model(device="cpu", preset="exact")) == "float32"


@needs_choice
@pytest.mark.parametrize(
    "damage", ["", "[]", "{", '{"about": {}, "seconds": {"float32": 1, "mixed": 2}}', "\udcff", "nan", "null"]
)
def test_a_broken_file_is_measured_again(folder: Path, exact: Sam2, damage: str) -> None:
    choose_arithmetic(exact)
    (path,) = folder.iterdir()
    whole = json.loads(path.read_text(encoding="utf-8"))
    if damage == "nan":
        damage = json.dumps(whole | {"seconds": {"float32": float("nan"), "mixed": -1.0}})
    path.write_bytes(damage.encode(errors="surrogateescape"))
    choice = choose_arithmetic(exact)
    assert json.loads(path.read_text(encoding="utf-8")) == whole | {"seconds": choice.seconds}


@needs_choice
def test_nothing_can_be_kept(folder: Path, exact: Sam2) -> None:
    folder.write_text("a file where the folder should be", encoding="utf-8")
    assert choose_arithmetic(exact).seconds.keys() == {"float32", "mixed"}


@needs_choice
def test_other_instructions_are_another_measurement(folder: Path, exact: Sam2, monkeypatch: pytest.MonkeyPatch) -> None:
    for instructions in ("", "AVX512_CORE_BF16"):
        # Read by oneDNN when it is loaded, which it is already.
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", instructions)
        choose_arithmetic(exact)
    assert len(list(folder.iterdir())) == 2


def test_what_is_said_is_taken(folder: Path, exact: Sam2, monkeypatch: pytest.MonkeyPatch) -> None:
    for said in ("float32", "mixed"):
        monkeypatch.setenv("NAPARI_SAM2_CPU_DTYPE", said)
        choice = choose_arithmetic(exact)
        assert (choice.dtype, choice.seconds) == (said, {})
        assert "NAPARI_SAM2_CPU_DTYPE" in choice.reason
    monkeypatch.setenv("NAPARI_SAM2_CPU_DTYPE", "float8")
    with pytest.raises(ValueError, match="NAPARI_SAM2_CPU_DTYPE is one of float32, mixed, got 'float8'"):
        choose_arithmetic(exact)
    assert not folder.exists()

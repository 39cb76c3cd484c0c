"""Every scenario of the reference outputs, through the public session, in float32 on the CPU."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_sam2 import Session, load_model

LOGIT_TOLERANCE = 1e-3
SLOW = {"tiny21_full_size", "large21_multimask", "base_plus21_box_and_point_512"}


def _folder() -> Path | None:
    import os

    given = os.environ.get("NAPARI_SAM2_PARITY")
    folder = Path(given) if given else Path(__file__).parents[3] / "shared" / "parity"
    return folder if folder.is_dir() else None


def _scenarios() -> list[Any]:
    folder = _folder()
    if folder is None:
        return [pytest.param("none", marks=pytest.mark.skip("no reference outputs (set NAPARI_SAM2_PARITY)"))]
    names = sorted(path.stem for path in folder.glob("*.json"))
    return [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in names]


@pytest.fixture
def stand_in_checkpoint(tmp_path: Path, parity_dir: Path):
    """Write a checkpoint file in the official layout with the reference run's stand-in weights."""
    spec = importlib.util.spec_from_file_location("synth_weights", parity_dir / "synth_weights.py")
    assert spec is not None and spec.loader is not None
    synth = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(synth)

    def make(scenario: dict[str, Any]) -> Path:
        shapes = json.loads((parity_dir / "shapes" / f"{scenario['variant']}.json").read_text(encoding="utf-8"))
        weights = synth.state_dict(shapes, scenario["weights_seed"])
        weights |= {k: np.asarray(v, np.float32) for k, v in scenario["weights_overrides"].items()}
        path = tmp_path / "stand_in.pt"
        torch.save({"model": {k: torch.from_numpy(v).reshape(shapes[k]) for k, v in weights.items()}}, path)
        return path

    return make


def _run(session: Session, op: dict[str, Any], mask: np.ndarray | None) -> Any:
    kind = op["op"]
    if kind == "points":
        return session.add_points(
            op["frame"], op["object"], op["points"], op["labels"], replace=op.get("replace", True)
        )
    if kind == "box":
        return session.add_box(op["frame"], op["object"], op["box"], points=op.get("points"), labels=op.get("labels"))
    if kind == "mask":
        return session.add_mask(op["frame"], op["object"], mask)
    if kind == "clear":
        return session.clear_prompts(op["frame"], op["object"])
    if kind == "remove":
        return session.remove_object(op["object"])
    assert kind == "propagate"
    # The reference counts the frames after the start.
    most = op["max_frames"] + 1 if op.get("max_frames") is not None else None
    direction = "backward" if op.get("reverse") else "forward"
    start = op.get("start")
    if start is None:
        start = min(prompt.frame for prompt in session.prompts)
    return list(session.propagate(start, direction, max_frames=most))


def _assert_same_masks(ours: np.ndarray, packed: np.ndarray, near_zero: np.ndarray) -> None:
    theirs = np.unpackbits(packed, axis=-1, count=ours.shape[-1]).astype(bool)
    assert not ((ours != theirs) & ~near_zero).any()


def _compare_prompt(preview: Any, stored: dict[str, np.ndarray], key: str) -> None:
    assert list(preview.object_ids) == stored[f"{key}_ids"].tolist()
    if f"{key}_logits" in stored:
        np.testing.assert_allclose(preview.logits, stored[f"{key}_logits"], rtol=0, atol=LOGIT_TOLERANCE)
    else:
        _assert_same_masks(preview.masks, stored[f"{key}_masks_packed"], np.abs(preview.logits) < LOGIT_TOLERANCE)


def _compare_tracking(results: list[Any], stored: dict[str, np.ndarray], key: str) -> None:
    assert [r.frame for r in results] == stored[f"{key}_frames"].tolist()
    for index, result in enumerate(results):
        assert list(result.object_ids) == stored[f"{key}_ids"].tolist()
        score = stored[f"{key}_object_score_logits"][index]
        np.testing.assert_allclose(result.object_score_logits, score, rtol=0, atol=LOGIT_TOLERANCE)
        sure = np.abs(score) > LOGIT_TOLERANCE
        low_res = stored[f"{key}_low_res_logits"][index]
        np.testing.assert_allclose(result.low_res_logits[sure], low_res[sure], rtol=0, atol=LOGIT_TOLERANCE)
        pointers = stored[f"{key}_object_pointers"][index]
        np.testing.assert_allclose(result.object_pointers[sure], pointers[sure], rtol=0, atol=LOGIT_TOLERANCE)
        near_zero = np.abs(result.logits) < LOGIT_TOLERANCE
        near_zero[~sure] = True
        _assert_same_masks(result.masks, stored[f"{key}_masks_packed"][index], near_zero)


@pytest.mark.parametrize("name", _scenarios())
def test_scenario(name: str, parity_dir: Path, stand_in_checkpoint) -> None:
    scenario = json.loads((parity_dir / f"{name}.json").read_text(encoding="utf-8"))
    with np.load(parity_dir / f"{name}.npz") as file:
        stored = dict(file)
    model = load_model(
        checkpoint=stand_in_checkpoint(scenario),
        device="cpu",
        preset="exact",
        image_size=scenario["image_size"],
    )
    session = Session(model, stored["frames"], fill_hole_area=0)
    for index, op in enumerate(scenario["ops"]):
        answer = _run(session, op, stored.get(f"op{index}_mask"))
        if op["op"] == "propagate":
            _compare_tracking(answer, stored, f"op{index}")
        elif op["op"] in ("points", "box", "mask"):
            _compare_prompt(answer, stored, f"op{index}")

"""The graph of a still image and prompts answers as the model does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from napari_sam2.backends.prompt_graph import PromptedImageGraph, prompted_image
from napari_sam2.model.sam2 import ImageFeatures, MaskPrediction, Sam2
from small_model import build_small

SIDE = 64


@pytest.fixture(scope="module")
def model() -> Sam2:
    return build_small(0, presence=8.0)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """(48, 80, 3) uint8."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 10, 3), np.uint8))
    return np.asarray(coarse.resize((80, 48), Image.Resampling.BICUBIC))


def ask(model: Sam2, image: np.ndarray, points: list, labels: list, mask: np.ndarray | None = None) -> list[np.ndarray]:
    """Masks, scores and object scores of the objects."""
    tensors = {
        "image": torch.from_numpy(np.moveaxis(image, -1, 0).copy())[None].float() / 255,
        "points": torch.tensor([points], dtype=torch.float32),
        "point_labels": torch.tensor([labels]),
        "mask_prompts": torch.zeros(1, len(points), *image.shape[:2], dtype=torch.uint8),
    }
    if mask is not None:
        tensors["mask_prompts"][0, 0] = torch.from_numpy(mask)
    with torch.no_grad():
        return [out[0].numpy() for out in PromptedImageGraph(model)(**tensors)]


def answer(model: Sam2, image: np.ndarray, points: list, labels: list) -> MaskPrediction:
    """What the model says of the same prompts, in its own coordinates."""
    small = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    scale = torch.tensor([SIDE / image.shape[1], SIDE / image.shape[0]])
    with torch.no_grad():
        features: ImageFeatures = model.encode_image(torch.from_numpy(np.moveaxis(small, -1, 0).copy())[None])
        return model.decode(
            model.without_memory(features),
            features,
            points_bpxy=torch.tensor([points]) * scale,
            labels_bp=torch.tensor([labels]),
        )


@pytest.mark.parametrize(
    ("points", "labels"),
    [
        ([[30.0, 20.0]], [1]),
        ([[30.0, 20.0], [60.0, 10.0]], [1, 0]),
        ([[10.0, 8.0], [50.0, 40.0]], [2, 3]),
    ],
    ids=["a click", "two clicks", "a box"],
)
def test_a_prompt_is_answered_as_by_the_model(model: Sam2, image: np.ndarray, points: list, labels: list) -> None:
    masks, scores, presence = ask(model, image, [points], [labels])
    expected = answer(model, image, points, labels)
    large = torch.nn.functional.interpolate(expected.low_res_bhw[None], image.shape[:2], mode="bilinear")
    assert (masks[0] == (large[0, 0] > 0).numpy()).mean() > 0.99
    assert masks[0].any()
    assert scores[0] == pytest.approx(float(expected.ious_b), abs=1e-3)
    assert presence[0] == pytest.approx(float(expected.object_score_logits_b.sigmoid()), abs=1e-3)


def test_objects_do_not_disturb_each_other(model: Sam2, image: np.ndarray) -> None:
    alone, together = [], []
    for points, labels in (([[30.0, 20.0], [0.0, 0.0]], [1, -1]), ([[10.0, 8.0], [50.0, 40.0]], [2, 3])):
        alone.append(ask(model, image, [points], [labels])[0][0])
        together.append((points, labels))
    masks = ask(model, image, *map(list, zip(*together, strict=True)))[0]
    np.testing.assert_array_equal(masks, alone)


def test_a_rough_mask_is_a_prompt_of_its_object_only(model: Sam2, image: np.ndarray) -> None:
    points, labels = [[[30.0, 20.0]], [[30.0, 20.0]]], [[1], [1]]
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[10:30, 20:50] = 1
    _, plain, _ = ask(model, image, points, labels)
    _, drawn, _ = ask(model, image, points, labels, mask)
    assert plain[0] == pytest.approx(plain[1], abs=1e-6)
    assert drawn[0] != pytest.approx(plain[0], abs=1e-6)
    assert drawn[1] == pytest.approx(plain[1], abs=1e-6)


def test_an_object_that_is_not_there_has_no_mask(image: np.ndarray) -> None:
    masks, _, presence = ask(build_small(0, presence=-50.0), image, [[[30.0, 20.0]]], [[1]])
    assert presence[0] < 0.5
    assert not masks.any()


def test_the_examples_to_record_with_are_answered(model: Sam2) -> None:
    graph = prompted_image(model)
    with torch.no_grad():
        outputs = graph.module(**graph.inputs)
    assert [tuple(out.shape) for out in outputs] == [(1, 3, 80, 96), (1, 3), (1, 3)]

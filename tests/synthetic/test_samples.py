from __future__ import annotations

import json

import numpy as np
import pytest

from napari_sam2.data import Stack, choose_window, read_prompts, to_rgb8
from napari_sam2.synthetic.samples import SAMPLES, Sample, make_sample

FORMS = {
    "cells": ((30, 256, 256), np.uint16, "t"),
    "zstack": ((24, 256, 256), np.float32, "z"),
    "endoscope": ((30, 240, 320, 3), np.uint8, "t"),
}


@pytest.fixture(scope="module", params=list(FORMS))
def sample(request: pytest.FixtureRequest) -> Sample:
    return make_sample(request.param)


def presence(sample: Sample, object_id: int) -> np.ndarray:
    return (sample.labels == object_id).any(axis=(1, 2))


def test_names() -> None:
    assert set(SAMPLES) == set(FORMS)


def test_form(sample: Sample) -> None:
    shape, dtype, axis = FORMS[sample.name]
    assert sample.frames.shape == shape
    assert sample.frames.dtype == dtype
    assert sample.labels.shape == shape[:3]
    assert sample.axis == axis
    assert np.isfinite(sample.frames).all()


def test_is_the_same_every_time(sample: Sample) -> None:
    again = make_sample(sample.name)
    np.testing.assert_array_equal(again.frames, sample.frames)
    np.testing.assert_array_equal(again.labels, sample.labels)
    assert again.prompts == sample.prompts


def test_prompts_are_a_valid_file_and_on_their_objects(sample: Sample, tmp_path) -> None:
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps({"version": 1, "prompts": list(sample.prompts)}), encoding="utf-8")
    prompts = read_prompts(path)
    assert len(prompts) == len(sample.prompts) >= 3
    for prompt in prompts:
        truth = sample.labels[prompt.frame] == prompt.object_id
        if prompt.points is not None:
            (y, x), (label,) = prompt.points[0], prompt.labels
            assert label == 1
            assert truth[int(y), int(x)]
        else:
            y0, x0, y1, x1 = (int(value) for value in prompt.box)
            assert truth.sum() == truth[y0:y1, x0:x1].sum() > 0


def test_objects_stand_out_in_what_the_model_sees(sample: Sample) -> None:
    window = choose_window(Stack.from_array(sample.frames, axis=sample.axis))
    for entry in sample.prompts:
        seen = to_rgb8(sample.frames[entry["frame"]], window).astype(float)
        truth = sample.labels[entry["frame"]] == entry["object"]
        outside = seen[sample.labels[entry["frame"]] == 0].mean(axis=0)
        assert np.abs(seen[truth].mean(axis=0) - outside).max() > 10


def test_endoscope_hides_a_polyp_and_loses_the_tool() -> None:
    sample = make_sample("endoscope")
    polyp, tool = presence(sample, 2), presence(sample, 3)
    assert polyp[0]
    assert polyp[-1]
    assert 3 <= (~polyp).sum() <= 15
    assert not tool[0]
    assert not tool[-1]
    assert tool[~polyp].all()


def test_slices_have_a_size_and_a_step() -> None:
    sample = make_sample("zstack")
    assert sample.pixel_size == (0.9, 0.9)
    assert (sample.step, sample.unit) == (3.0, "mm")
    lesion = presence(sample, 4)
    assert 0 < lesion.sum() < len(lesion)


def test_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'cell': choose one of cells, zstack, endoscope"):
        make_sample("cell")

"""What a worker keeps, reads for itself, and has to be sent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from napari_sam2 import load_model
from napari_sam2.remote.frames_there import FramesThere, KeptFrames, LackingFrameError
from napari_sam2.remote.model_actor import ModelActor
from napari_sam2.remote.packing import PackedArray, PackedTensor
from napari_sam2.remote.protocol import Lacking, ModelThere, Refused, StackThere, WeightsFile, frame_key
from napari_sam2.session.model_parts import PartsSettings
from napari_sam2.weights.hash_file import hash_file


def stack_there(frames: np.ndarray, path: Path | None = None) -> StackThere:
    where = None if path is None else str(path)
    return StackThere(frames.shape, frames.dtype.str, "t", PartsSettings(), where)


def test_frames_that_were_sent_are_kept_within_a_budget(frames: np.ndarray) -> None:
    keys = [frame_key(frame) for frame in frames]
    packed = [PackedArray.of(frame) for frame in frames]
    kept = KeptFrames(budget=len(packed[0].data) + len(packed[1].data))
    source = FramesThere(stack_there(frames), kept)
    source.keys.update(enumerate(keys))
    for key, one in zip(keys[:2], packed, strict=False):
        kept.put({key: one})
    np.testing.assert_array_equal(source.read(0), frames[0])
    np.testing.assert_array_equal(source.read(1, (slice(3, 9), slice(2, 5))), frames[1][3:9, 2:5])
    # The one used longest ago goes.
    source.read(0)
    kept.put({keys[2]: packed[2]})
    assert keys[1] not in kept.keys
    with pytest.raises(LackingFrameError) as lack:
        source.read(1)
    assert lack.value.frame == 1


def test_a_file_counts_only_for_frames_that_are_the_same(frames: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "frames.tif"
    other = frames.copy()
    other[1, 0, 0] ^= 1
    tifffile.imwrite(path, other, photometric="minisblack")
    source = FramesThere(stack_there(frames, path), KeptFrames())
    source.keys.update({t: frame_key(frame) for t, frame in enumerate(frames)})
    assert source.sees_file
    np.testing.assert_array_equal(source.read(0), frames[0])
    with pytest.raises(LackingFrameError):
        source.read(1)
    source.close()
    # Nothing there, or something else.
    assert not FramesThere(stack_there(frames, tmp_path / "none.tif"), KeptFrames()).sees_file
    assert not FramesThere(stack_there(frames[:3], path), KeptFrames()).sees_file


def test_a_checkpoint_that_the_worker_lacks_is_sent(weights: Path) -> None:
    actor, there = ModelActor(), WeightsFile("/not/on/this/computer/small.safetensors", hash_file(weights))
    how = {"dtype": "float32", "device": "cpu"}
    assert isinstance(actor.load(load_model, how, there), Lacking)
    loaded = actor.load(load_model, how, WeightsFile(there.path, there.sha256, weights.read_bytes()))
    assert isinstance(loaded, ModelThere)
    assert (loaded.sha256, loaded.config.image_size) == (there.sha256, 64)
    refused = actor.load(load_model, {**how, "preset": "none"}, WeightsFile(str(weights), there.sha256))
    assert isinstance(refused, Refused)
    assert "preset is one of" in str(refused.error)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_tensors_arrive_as_they_left(dtype: torch.dtype, layout: torch.memory_format) -> None:
    sent = torch.randn(2, 16, 9, 7).to(dtype, memory_format=layout)
    came = PackedTensor.of(sent).unpack(torch.device("cpu"))
    assert came.dtype == sent.dtype
    assert came.stride() == sent.stride()
    assert torch.equal(came, sent)

"""What the engine does on the worker's thread, without a window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from napari_sam2.data.images.stack import Stack
from napari_sam2.plugin.layers.prompt_spec import Place, Wish
from napari_sam2.plugin.worker.engine import open_engine
from napari_sam2.weights.load import load_model


def test_clicks_with_a_small_model_are_answered_on_one_thread(checkpoint: Path, frames: np.ndarray) -> None:
    model = load_model(checkpoint=checkpoint, device="cpu")
    engine = open_engine(model, Stack.from_array(frames), None, zoom="off")
    threads: list[int] = []
    model.sam_mask_decoder.register_forward_hook(lambda *_: threads.append(torch.get_num_threads()))
    usual = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        report = engine.sync({Place(0, 1): Wish(points=((20.0, 30.0, 1),))}, None)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(usual)
    assert threads == [1]
    assert [update.frame for update in report.frames] == [0]

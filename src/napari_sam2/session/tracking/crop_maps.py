"""Memory maps and predictions in the crop of an object, and in the part of it that the model looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from napari_sam2.model.sam2 import MaskPrediction
from napari_sam2.session.zoom.crop import align, off_by
from napari_sam2.session.zoom.crop_size import whole_if_none
from napari_sam2.session.zoom.shared_windows import SharedWindow, part_of_memory

from .crop_follower import CropChoice
from .memory_bank import FrameMemory


def kept_map(map_bchw: Tensor, crop: CropChoice) -> Tensor:
    """A copy of an object's memory map that covers its crop, whatever part of it the model looked at."""
    return map_bchw.clone() if crop.part is None else crop.part.widen_map(map_bchw)


def widened(prediction: MaskPrediction, crops: Sequence[CropChoice]) -> MaskPrediction:
    """The same with masks that cover the crops, where the model looked at parts of them."""
    if crops[0].part is None:
        return prediction
    visible = (prediction.object_score_logits_b > 0).tolist()
    wide = [
        crop.part.widen_logits(masks, visible=there) if crop.part else masks
        for crop, masks, there in zip(crops, prediction.candidates_bkhw, visible, strict=True)
    ]
    return replace(prediction, candidates_bkhw=torch.stack(wide))


def map_in_crop(memory: FrameMemory, crop: CropChoice, frame_size: tuple[int, int]) -> Tensor:
    """Resample a memory map to what the model looks at now."""
    source, target = whole_if_none(memory.view, frame_size), whole_if_none(crop.view, frame_size)
    # How far the object has gone since.
    moved = (0.0, 0.0)
    if memory.place is not None and crop.place is not None:
        moved = crop.place.y - memory.place.y, crop.place.x - memory.place.x
    if crop.part is None:
        # Crops of one size go with the object: what they show lies at about the same spot in each, unless they
        # were shared.
        cell = target.height / memory.map_bchw.shape[-2], target.width / memory.map_bchw.shape[-1]
        if source.size == target.size and max(off_by(source, target, moved=moved, cell=cell)) < 1:
            return memory.map_bchw
    elif memory.place is not None and crop.place is not None:
        # Of a crop that is shared, the model looks at the part around the object.
        seen = SharedWindow(target, crop.part)
        part = part_of_memory(source, memory.place, seen=seen, now=crop.place)
        if part is not None:
            return part.of(memory.map_bchw)
    # Otherwise the map is resampled, shifted by as much as the object has moved, so that it shows the object where
    # it is expected now.
    aligned = align(memory.map_bchw, source, target, moved=moved)
    return aligned if crop.part is None else crop.part.of(aligned)

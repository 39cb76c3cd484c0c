"""Image and prompts in, masks and scores out: the whole of SAM 2 on a still image as one ONNX graph."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam2.model.mask_decoder import STABILITY_THRESHOLD, resize_logits, stability
from napari_sam2.model.prompt_encoder import PAD_LABEL
from napari_sam2.model.sam2 import Sam2

from .onnx_graphs import Graph, ModelPart

# Logits that stand for a drawn mask: -10 outside, 10 inside.
MASK_SCALE = 10.0


class PromptedImageGraph(ModelPart):
    """Answers prompts of any number of objects on an image of any size."""

    outputs = ("masks", "scores", "object_scores")

    def forward(self, image: Tensor, points: Tensor, point_labels: Tensor, mask_prompts: Tensor) -> tuple[Tensor, ...]:
        """Answer the prompts of n objects on an image.

        ``image``: (1, 3, Y, X) RGB in 0 to 1; ``points``: (1, n, p, 2) as (x, y) in its pixels; ``point_labels``:
        (1, n, p) int64, 1 on the object, 0 off it, 2 and 3 a box's top left and bottom right, -1 no point;
        ``mask_prompts``: (1, n, Y, X) uint8, empty for no mask. The masks are (1, n, Y, X) uint8, the scores (1, n).
        """
        model, encoder = self.model, self.model.sam_prompt_encoder
        side, size = model.config.image_size, (image.shape[2], image.shape[3])
        # Squeezed into the model's square input and rounded to 8 bits, as frames are.
        square = F.interpolate(image * 255, (side, side), mode="bicubic", antialias=True)
        features = model.encode_image(square.round().clamp(0, 255))
        labels = point_labels[0]
        scale = torch.stack([torch.ones(()) * side / size[1], torch.ones(()) * side / size[0]])
        # A mask goes in as logits, and only for the objects that have one.
        drawn = F.interpolate(mask_prompts[0, :, None].float(), (side // 4, side // 4), mode="bilinear", antialias=True)
        has_mask = drawn.flatten(1).amax(dim=1) > 0
        dense = torch.where(
            has_mask[:, None, None, None], encoder.encode_mask((2 * drawn - 1) * MASK_SCALE), encoder.no_mask()
        )
        conditioned = model.without_memory(features).expand(labels.shape[0], -1, -1, -1)
        output = model.sam_mask_decoder(
            conditioned,
            features.high_res,
            sparse_bnc=encoder.encode_points(points[0] * scale, labels),
            dense_bchw=dense,
            image_code_bchw=encoder.pe_layer.grid(side // 16, side // 16),
        )
        # One click is ambiguous: the best of three proposals answers it, and whatever mask 0 has no steady answer to.
        told = ((labels != PAD_LABEL).sum(dim=1) > 1) | has_mask
        steady = stability(output.masks_bkhw[:, 0]) >= STABILITY_THRESHOLD
        chosen = (output.ious_bk[:, 1:].argmax(dim=1) + 1).masked_fill(told & steady, 0)[:, None]
        cells = chosen[..., None, None].expand(-1, 1, *output.masks_bkhw.shape[-2:])
        logits = resize_logits(output.masks_bkhw.gather(1, cells), size)[:, 0]
        visible = output.object_score_logits_b > 0
        masks = (logits > 0) & visible[:, None, None]
        ious = output.ious_bk.gather(1, chosen)[:, 0]
        return masks.to(torch.uint8)[None], ious[None], output.object_score_logits_b.sigmoid()[None]


def prompted_image(model: Sam2) -> Graph:
    """The graph, with three objects of two points each to record it with."""
    pixels = {2: "rows", 3: "columns"}
    return Graph(
        PromptedImageGraph(model),
        {
            "image": torch.zeros(1, 3, 80, 96),
            "points": torch.zeros(1, 3, 2, 2),
            "point_labels": torch.ones(1, 3, 2, dtype=torch.long),
            "mask_prompts": torch.zeros(1, 3, 80, 96, dtype=torch.uint8),
        },
        {
            "image": pixels,
            "points": {1: "objects", 2: "clicks"},
            "point_labels": {1: "objects", 2: "clicks"},
            "mask_prompts": {1: "objects", **pixels},
        },
    )

"""The parts of a model as ONNX graphs, to be run without PyTorch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim

from napari_sam2.data.files.optional_packages import load_extra
from napari_sam2.model.layers import sine_position_map
from napari_sam2.model.memory_attention import MemoryTokens
from napari_sam2.model.sam2 import ImageFeatures, Sam2

OPSET = 18


class ModelPart(nn.Module):
    """A part of a model, with plain tensors in and out."""

    # Names of what comes out.
    outputs: tuple[str, ...]

    def __init__(self, model: Sam2) -> None:
        super().__init__()
        self.model = model


class ImageGraph(ModelPart):
    """Encodes a frame."""

    outputs = ("s4", "s8", "s16", "unconditioned")

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """``image``: (1, 3, H, W) uint8 RGB; the decoder takes ``unconditioned`` before anything is remembered."""
        features = self.model.encode_image(image)
        return features.s4_bchw, features.s8_bchw, features.s16_bchw, self.model.without_memory(features)


class DecoderGraph(ModelPart):
    """Answers prompts, of objects of one frame."""

    outputs = ("masks", "ious", "object_scores", "pointers")

    def forward(
        self, s4: Tensor, s8: Tensor, conditioned: Tensor, points: Tensor, labels: Tensor
    ) -> tuple[Tensor, ...]:
        """``points``: (n, p, 2) as (x, y) in pixels of the input; ``labels``: (n, p), 1 and 0, 2 and 3 for a box.

        All four masks come out, as logits at a quarter of the input's size, with a predicted IoU and a pointer each.
        """
        features = ImageFeatures(s4, s8, conditioned)
        output = self.model.run_decoder(conditioned, features, points_bpxy=points, labels_bp=labels)
        visible = output.object_score_logits_b > 0
        shown = self.model.obj_ptr_proj(output.mask_tokens_bkc)
        pointers = torch.where(visible[:, None, None], shown, self.model.no_obj_ptr[None])
        return output.masks_bkhw, output.ious_bk, output.object_score_logits_b, pointers


class MemoryGraph(ModelPart):
    """Turns masks of a frame into memory maps."""

    outputs = ("memory",)

    def forward(self, s16: Tensor, mask: Tensor, visible: Tensor) -> Tensor:
        """``mask``: (n, 1, H, W) in [0, 1] at the input's size; ``visible``: (n,) bool."""
        features = ImageFeatures(s16, s16, s16)
        return self.model.remember(features, mask, visible_b=visible)


class ConditioningGraph(ModelPart):
    """Conditions a frame on what is remembered of one object."""

    outputs = ("conditioned",)

    def forward(self, s16: Tensor, memories: Tensor, slots: Tensor, pointers: Tensor, distances: Tensor) -> Tensor:
        """``memories``: (m, c, h, w), ``slots``: (m,), 0 for prompted frames, else how many frames ago.

        ``pointers``: (k, channels), ``distances``: (k,) in frames, divided by the longest that counts.
        """
        config, device = self.model.config, str(s16.device)
        # Maps with their place and age, one behind the other, then pointers with their age.
        place = sine_position_map(config.memory_dim, *s16.shape[-2:], device).flatten(2).transpose(1, 2)
        codes = place + self.model.maskmem_tpos_enc[(slots - 1) % config.num_memories, 0]
        parts = config.d_model // config.memory_dim
        ages = self.model.pointer_time_code(distances).repeat_interleave(parts, dim=0)
        flat = (1, -1, config.memory_dim)
        tokens = MemoryTokens(
            torch.cat((memories.flatten(2).transpose(1, 2).reshape(flat), pointers.reshape(flat)), dim=1),
            torch.cat((codes.reshape(flat), ages.reshape(flat)), dim=1),
            pointers=parts * pointers.shape[0],
        )
        out: Tensor = self.model.memory_attention(
            s16, sine_position_map(config.d_model, *s16.shape[-2:], device), tokens
        )
        return out


@dataclass(frozen=True)
class Graph:
    """A part of the model, inputs to record it with, and which of their axes may have any length."""

    module: ModelPart
    inputs: Mapping[str, Tensor]
    free: Mapping[str, Mapping[int, str]]


def graphs_of(model: Sam2) -> dict[str, Graph]:
    """The four graphs, by the name of their file."""
    config = model.config
    side, c = config.image_size, config.d_model
    cells = side // 16
    s16 = torch.zeros(1, c, cells, cells)
    decoded = {
        "s4": torch.zeros(1, c // 8, side // 4, side // 4),
        "s8": torch.zeros(1, c // 4, side // 8, side // 8),
        "conditioned": torch.zeros(2, c, cells, cells),
        "points": torch.zeros(2, 3, 2),
        "labels": torch.ones(2, 3, dtype=torch.long),
    }
    masks = {"s16": s16, "mask": torch.zeros(2, 1, side, side), "visible": torch.ones(2, dtype=torch.bool)}
    remembered = {
        "s16": s16,
        "memories": torch.zeros(3, config.memory_dim, cells, cells),
        "slots": torch.arange(3),
        "pointers": torch.zeros(5, c),
        "distances": torch.arange(5) / 15,
    }
    objects = {0: "objects"}
    return {
        "image_encoder": Graph(ImageGraph(model), {"image": torch.zeros(1, 3, side, side, dtype=torch.uint8)}, {}),
        "prompt_decoder": Graph(
            DecoderGraph(model),
            decoded,
            {"conditioned": objects, "points": {0: "objects", 1: "clicks"}, "labels": {0: "objects", 1: "clicks"}},
        ),
        "memory_encoder": Graph(MemoryGraph(model), masks, {"mask": objects, "visible": objects}),
        "memory_attention": Graph(
            ConditioningGraph(model),
            remembered,
            {"memories": {0: "maps"}, "slots": {0: "maps"}, "pointers": {0: "looks"}, "distances": {0: "looks"}},
        ),
    }


def write_graphs(model: Sam2, folder: Path, names: Collection[str] = ()) -> list[Path]:
    """Write a model's graphs into a folder, as ``NAME.onnx`` each.

    ``model``: with float32 weights, loaded with the preset ``exact``. ``names``: only these.
    """
    for package in ("onnx", "onnxscript"):
        load_extra(package, "an export to ONNX")
    folder.mkdir(parents=True, exist_ok=True)
    graphs = graphs_of(model).items()
    return [write_graph(graph, folder / f"{name}.onnx") for name, graph in graphs if not names or name in names]


def write_graph(graph: Graph, path: Path) -> Path:
    """Write one graph into a file."""
    shapes = {name: {axis: Dim(length) for axis, length in graph.free.get(name, {}).items()} for name in graph.inputs}
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter warns of its own parts that are about to change.
        warnings.simplefilter("ignore")
        # It says which operators of torchvision it does without.
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        # Codes of positions are made once and kept: for real, not while the graph is recorded.
        graph.module(**graph.inputs)
        torch.onnx.export(
            graph.module.eval(),
            kwargs=dict(graph.inputs),
            f=path,
            input_names=list(graph.inputs),
            output_names=list(graph.module.outputs),
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    return path

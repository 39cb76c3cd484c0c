"""SAM 2: the parts put together as five verbs without state (spec sections 3.8 to 3.10 and 10).

``encode_image`` once per frame; ``without_memory`` or ``condition`` the features; ``decode`` prompts (or
``adopt_mask``); ``remember`` the result. What is remembered, and for how long, is the caller's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .centre_head import CentreHead, CentreMaps
from .config import DEFAULT_OPTIONS, IMAGE_MEAN, IMAGE_STD, InferenceOptions, Sam2Config
from .cpu_kernels import Linear
from .image_encoder import ImageEncoder
from .layers import MLP, middle_of, sine_position_map, sine_time_code
from .mask_decoder import DecoderOutput, MaskDecoder, resize_logits, single_mask
from .memory_attention import MemoryAttention, MemoryTokens
from .memory_encoder import MemoryEncoder
from .prompt_encoder import PromptEncoder
from .timing.thread_plan import ThreadPlan

NO_OBJECT_LOGIT = -1024.0
MASK_LOGIT = 10.0
MEMORY_MASK_SCALE, MEMORY_MASK_BIAS = 20.0, -10.0


@dataclass(frozen=True)
class ImageFeatures:
    """What is kept of a frame: ready for decoding, independent of prompts."""

    # Strides 4 and 8, already projected for the mask decoder: (batch, d_model / 8 and / 4, ...).
    s4_bchw: Tensor
    s8_bchw: Tensor
    # Stride 16: (batch, d_model, h, w).
    s16_bchw: Tensor

    @property
    def high_res(self) -> tuple[Tensor, Tensor]:
        """The two finer maps, as the decoder takes them."""
        return self.s4_bchw, self.s8_bchw


@dataclass(frozen=True)
class SpatialMemory:
    """A memory map and the slot that says how old it is."""

    # (objects, memory_dim, h, w).
    features_bchw: Tensor
    # 0 for a conditioning frame, else how many frames ago (1 is the previous frame).
    slot: int


@dataclass(frozen=True)
class PointerMemory:
    """An object pointer and its distance in time."""

    # (objects, d_model).
    pointer_bc: Tensor
    # Frames between then and now, counted along the direction of tracking.
    distance: int


@dataclass(frozen=True)
class MaskPrediction:
    """Masks of one frame, a batch item per object."""

    # (objects, k, h, w) float32 logits at a quarter of the input size; k is 3 or 1. All -1024 where the object is
    # hidden.
    candidates_bkhw: Tensor
    # (objects, k) float32 predicted IoU.
    candidate_ious_bk: Tensor
    # (objects,) index of the chosen candidate.
    best_b: Tensor
    # (objects,) float32; positive means that the object is there.
    object_score_logits_b: Tensor
    # (objects, d_model) object pointers.
    pointers_bc: Tensor

    @property
    def low_res_bhw(self) -> Tensor:
        """Logits of the chosen candidate, (objects, h, w)."""
        return self.candidates_bkhw[torch.arange(len(self.best_b), device=self.best_b.device), self.best_b]

    @property
    def ious_b(self) -> Tensor:
        """Predicted IoU of the chosen candidate, (objects,)."""
        return self.candidate_ious_bk.gather(1, self.best_b[:, None]).squeeze(1)


# From (objects, k, h, w) logits and (objects, k) predicted IoUs to the (objects,) index of the chosen candidate.
CandidatePick: TypeAlias = Callable[[Tensor, Tensor], Tensor]


def highest_iou(candidates_bkhw: Tensor, ious_bk: Tensor) -> Tensor:
    """Choose the candidate of the highest predicted IoU, as the reference does."""
    return ious_bk.argmax(dim=1)


class Sam2(nn.Module):
    """A member of the SAM 2 family, generation 2.0.

    Parameters
    ----------
    config : Sam2Config
        Sizes.
    options : InferenceOptions
        How the model is meant to be run; read by whoever chooses what it attends to.
    """

    def __init__(self, config: Sam2Config, options: InferenceOptions = DEFAULT_OPTIONS) -> None:
        super().__init__()
        c = config.d_model
        self.config = config
        self.options = options
        self.image_encoder = ImageEncoder(config.trunk, c)
        self.sam_prompt_encoder = PromptEncoder(c, config.image_size)
        self.sam_mask_decoder = MaskDecoder(c, config.decoder_hidden)
        self.memory_encoder = MemoryEncoder(c, config.memory_dim, config.fuser_layers)
        self.memory_attention = MemoryAttention(
            c, config.memory_dim, depth=config.memory_attention_layers, hidden=config.memory_attention_hidden
        )
        self.obj_ptr_proj = MLP(c, c, c, c)
        self.mask_downsample = nn.Conv2d(1, 1, kernel_size=4, stride=4)
        self.maskmem_tpos_enc = nn.Parameter(torch.zeros(config.num_memories, 1, 1, config.memory_dim))
        self.no_mem_embed = nn.Parameter(torch.zeros(1, 1, c))
        # Never read with the official settings, but part of every checkpoint.
        self.no_mem_pos_enc = nn.Parameter(torch.zeros(1, 1, c))
        self.no_obj_ptr = nn.Parameter(torch.zeros(1, c))
        # Not part of SAM 2: only models that were trained with one have it.
        self.centre_head: CentreHead | None = None
        # Not saved either: how many threads frames are tracked on, where that was found out.
        self.threads: ThreadPlan | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.no_obj_ptr.device

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of the weights."""
        return self.no_obj_ptr.dtype

    def encode_image(self, rgb_bchw: Tensor) -> ImageFeatures:
        """Encode frames.

        ``rgb_bchw``: (batch, 3, H, W) uint8 RGB; H and W are multiples of 32.
        """
        # Normalised in float32, then rounded once to the weights' type.
        mean = torch.tensor(IMAGE_MEAN, device=rgb_bchw.device)[:, None, None]
        std = torch.tensor(IMAGE_STD, device=rgb_bchw.device)[:, None, None]
        normalised = ((rgb_bchw.float() / 255 - mean) / std).to(self.dtype)
        decoder = self.sam_mask_decoder
        return ImageFeatures(*self.image_encoder(normalised, (decoder.conv_s0, decoder.conv_s1)))

    def find_centres(self, features: ImageFeatures) -> CentreMaps | None:
        """Say where objects are, prompted by nothing; ``None`` for a model without a head for it."""
        if self.centre_head is None:
            return None
        maps: CentreMaps = self.centre_head(features.s4_bchw, features.s8_bchw, features.s16_bchw)
        return maps

    def without_memory(self, features: ImageFeatures) -> Tensor:
        """Stride-16 features for a frame on which nothing is remembered yet: (batch, d_model, h, w)."""
        return features.s16_bchw + self.no_mem_embed.view(1, -1, 1, 1)

    def condition(
        self,
        features: ImageFeatures,
        memories: Sequence[SpatialMemory],
        *,
        pointers: Sequence[PointerMemory] = (),
        pointer_span: int = 1,
        within: int | None = None,
    ) -> Tensor:
        """Condition the stride-16 features on what is remembered of each object.

        ``within``: side, in cells, of the grid of which features and memories are the middle; their own by default.
        """
        # Memory maps first, pointers behind them: attention turns the former by their place and leaves the latter.
        height, width = features.s16_bchw.shape[-2:]
        position_map = self._position_map(self.config.d_model, height, width, within=within)
        tokens = self._memory_tokens(memories, within)
        if pointers:
            pointer_tokens, time_code = self._pointer_tokens(pointers, pointer_span)
            tokens = MemoryTokens(
                torch.cat((tokens.values_bnc, pointer_tokens), dim=1),
                torch.cat((tokens.codes_bnc, time_code), dim=1),
                pointers=pointer_tokens.shape[1],
                cell=tokens.cell,
            )
        out: Tensor = self.memory_attention(features.s16_bchw, position_map, tokens)
        return out

    def _position_map(self, channels: int, height: int, width: int, *, within: int | None) -> Tensor:
        whole = sine_position_map(channels, within or height, within or width, str(self.device))
        return middle_of(whole, height, width)

    def _memory_tokens(self, memories: Sequence[SpatialMemory], within: int | None) -> MemoryTokens:
        height, width = memories[0].features_bchw.shape[-2:]
        cell = self.options.memory_cell
        position = _pooled_tokens(self._position_map(self.config.memory_dim, height, width, within=within), cell)
        maps = [_pooled_tokens(m.features_bchw.to(self.dtype), cell) for m in memories]
        # Slot 0, the conditioning frames, uses the last row of the table, the previous frame the first.
        codes = [position.to(self.dtype) + self.maskmem_tpos_enc[m.slot - 1, 0] for m in memories]
        return MemoryTokens(torch.cat(maps, dim=1), torch.cat(codes, dim=1), cell=cell)

    def _pointer_tokens(self, pointers: Sequence[PointerMemory], span: int) -> tuple[Tensor, Tensor]:
        # A pointer is wider than a memory token, so it becomes several tokens with the same time code.
        parts = self.config.d_model // self.config.memory_dim
        stacked = torch.stack([p.pointer_bc for p in pointers], dim=1).to(self.dtype)
        tokens = stacked.reshape(len(stacked), parts * len(pointers), -1)
        distances = torch.tensor([float(p.distance) for p in pointers], device=self.device)
        code = self.pointer_time_code(distances / max(span, 1))
        return tokens, code.repeat_interleave(parts, dim=0)[None]

    def pointer_time_code(self, relative_n: Tensor) -> Tensor:
        """Time code of object pointers: none in this generation, (n, memory_dim) zeros."""
        return torch.zeros(relative_n.shape[0], self.config.memory_dim, device=self.device, dtype=self.dtype)

    def decode(
        self,
        conditioned_bchw: Tensor,
        features: ImageFeatures,
        *,
        points_bpxy: Tensor,
        labels_bp: Tensor,
        pick: CandidatePick = highest_iou,
        within: int | None = None,
    ) -> MaskPrediction:
        """Predict masks from conditioned features and the points on this frame, if any.

        `choose` says what ``pick`` is, `condition` what ``within`` is.
        """
        output = self.run_decoder(
            conditioned_bchw, features, points_bpxy=points_bpxy, labels_bp=labels_bp, within=within
        )
        return self.choose(output, num_points=points_bpxy.shape[1], pick=pick)

    def choose(self, output: DecoderOutput, *, num_points: int, pick: CandidatePick = highest_iou) -> MaskPrediction:
        """Turn the decoder's four masks into the answer for a prompt of that many points.

        ``pick``: chooses where there are three candidates, from their logits and predicted IoUs.
        """
        # One click, or none, is ambiguous: then the model proposes three masks. A box counts as two points.
        if num_points <= 1:
            candidates, ious = output.masks_bkhw[:, 1:], output.ious_bk[:, 1:]
            best = pick(candidates, ious)
            token = output.mask_tokens_bkc[torch.arange(len(best), device=best.device), best + 1]
        else:
            candidates, ious = single_mask(output)
            best = torch.zeros(len(ious), dtype=torch.long, device=ious.device)
            token = output.mask_tokens_bkc[:, 0]
        # A hidden object has no mask and the pointer that says so.
        visible = output.object_score_logits_b > 0
        return MaskPrediction(
            candidates_bkhw=torch.where(visible[:, None, None, None], candidates, NO_OBJECT_LOGIT),
            candidate_ious_bk=ious,
            best_b=best,
            object_score_logits_b=output.object_score_logits_b,
            pointers_bc=self._pointer(token, visible),
        )

    def run_decoder(
        self,
        conditioned_bchw: Tensor,
        features: ImageFeatures,
        *,
        points_bpxy: Tensor,
        labels_bp: Tensor,
        mask_logits_b1hw: Tensor | None = None,
        within: int | None = None,
    ) -> DecoderOutput:
        """Run prompt encoder and mask decoder; `decode` says what the arguments are, `choose` what follows."""
        encoder = self.sam_prompt_encoder
        dense = encoder.no_mask() if mask_logits_b1hw is None else encoder.encode_mask(mask_logits_b1hw)
        height, width = conditioned_bchw.shape[-2:]
        output: DecoderOutput = self.sam_mask_decoder(
            conditioned_bchw,
            features.high_res,
            sparse_bnc=encoder.encode_points(points_bpxy, labels_bp),
            dense_bchw=dense,
            image_code_bchw=middle_of(encoder.pe_layer.grid(within or height, within or width), height, width),
        )
        return output

    def _pointer(self, token_bc: Tensor, visible_b: Tensor) -> Tensor:
        return torch.where(visible_b[:, None], self.obj_ptr_proj(token_bc), self.no_obj_ptr)

    def adopt_mask(self, features: ImageFeatures, mask_b1hw: Tensor) -> MaskPrediction:
        """Take the user's mask as the result; the decoder only supplies the object pointer.

        ``mask_b1hw``: (objects, 1, H, W) binary masks at input size.
        """
        batch, (height, width) = mask_b1hw.shape[0], mask_b1hw.shape[-2:]
        mask = mask_b1hw.float()
        # The mask itself is the answer, as logits that are sure of it.
        logits = F.interpolate(
            mask * (2 * MASK_LOGIT) - MASK_LOGIT, (height // 4, width // 4), mode="bilinear", antialias=True
        )
        # The head sees the features without any memory, and a learned reduction of the mask in place of a prompt.
        output = self.run_decoder(
            features.s16_bchw,
            features,
            points_bpxy=mask.new_zeros(batch, 0, 2),
            labels_bp=torch.zeros(batch, 0, dtype=torch.long, device=mask.device),
            mask_logits_b1hw=self.mask_downsample(mask.to(self.dtype)),
        )
        # The pointer is the head's; whether the object is there, the mask says.
        pointer = self._pointer(output.mask_tokens_bkc[:, 0], output.object_score_logits_b > 0)
        visible = mask.flatten(1).any(dim=1)
        return MaskPrediction(
            candidates_bkhw=logits,
            candidate_ious_bk=mask.new_ones(batch, 1),
            best_b=torch.zeros(batch, dtype=torch.long, device=mask.device),
            object_score_logits_b=torch.where(visible, MASK_LOGIT, -MASK_LOGIT),
            pointers_bc=torch.where(visible[:, None], pointer, self.no_obj_ptr),
        )

    def remember(self, features: ImageFeatures, mask_b1hw: Tensor, *, visible_b: Tensor) -> Tensor:
        """Encode masks as memory maps.

        ``mask_b1hw``: (objects, 1, H, W) at input size, in [0, 1]: see `soft_mask` and `hard_mask`.
        ``visible_b``: (objects,) bool: is the object there at all.
        """
        # Spread over what the encoder was trained on: -10 outside, 10 inside.
        scaled = (mask_b1hw * MEMORY_MASK_SCALE + MEMORY_MASK_BIAS).to(self.dtype)
        return self.mark_hidden(self.memory_encoder(features.s16_bchw, scaled), visible_b)

    def mark_hidden(self, memory_bchw: Tensor, visible_b: Tensor) -> Tensor:
        """Mark memories of hidden objects: not done in this generation."""
        return memory_bchw


class Sam21(Sam2):
    """Generation 2.1: pointers know their age, memories know whether the object was hidden."""

    def __init__(self, config: Sam2Config, options: InferenceOptions = DEFAULT_OPTIONS) -> None:
        super().__init__(config, options)
        self.no_obj_embed_spatial = nn.Parameter(torch.zeros(1, config.memory_dim))
        self.obj_ptr_tpos_proj = Linear(config.d_model, config.memory_dim)

    def pointer_time_code(self, relative_n: Tensor) -> Tensor:
        """Projected sine code of signed relative time, (n, memory_dim)."""
        code = sine_time_code(relative_n, self.config.d_model)
        out: Tensor = self.obj_ptr_tpos_proj(code.to(self.dtype))
        return out

    def mark_hidden(self, memory_bchw: Tensor, visible_b: Tensor) -> Tensor:
        """Add a learned vector to the memories of objects that are not there."""
        hidden = ~visible_b[:, None, None, None]
        return memory_bchw + hidden.to(memory_bchw.dtype) * self.no_obj_embed_spatial[..., None, None]


def _pooled_tokens(map_bchw: Tensor, cell: int) -> Tensor:
    pooled = map_bchw if cell == 1 else F.avg_pool2d(map_bchw, cell)
    return pooled.flatten(2).transpose(1, 2)


def upsample_to_input(low_res_bhw: Tensor, config: Sam2Config, *, cells: int | None = None) -> Tensor:
    """Resize (objects, h, w) logits to the model's input: (objects, 1, image_size, image_size).

    ``cells``: side of the part of the grid that they cover; all of it by default.
    """
    side = config.image_size * (cells or config.grid_size) // config.grid_size
    return resize_logits(low_res_bhw[:, None], (side, side))


def soft_mask(logits: Tensor) -> Tensor:
    """Mask for the memory of a tracked frame: probabilities."""
    return logits.sigmoid()


def hard_mask(logits: Tensor) -> Tensor:
    """Mask for the memory of a prompted frame: zeros and ones."""
    return (logits > 0).to(logits.dtype)


def build_sam2(config: Sam2Config, options: InferenceOptions = DEFAULT_OPTIONS) -> Sam2:
    """Build the class of the config's generation, in evaluation mode, with freshly drawn weights.

    Layers keep PyTorch's initialisation; embeddings and free parameters come from a narrow normal distribution.
    """
    model = (Sam21 if config.generation == "2.1" else Sam2)(config, options)
    trunk = model.image_encoder.trunk
    with torch.no_grad():
        for parameter in (trunk.pos_embed, trunk.pos_embed_window, *model.parameters(recurse=False)):
            nn.init.trunc_normal_(parameter, std=0.02)
    return model.eval()

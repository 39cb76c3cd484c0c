"""Two-way transformer between prompt tokens and image, with mask, IoU and object-score heads (spec section 3.7)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .cpu_kernels import PointwiseConv
from .layers import MLP, Attention, LayerNorm2d, embedding

STABILITY_DELTA = 0.05
STABILITY_THRESHOLD = 0.98


@dataclass(frozen=True)
class DecoderOutput:
    """What the decoder says of one prompt set per batch item; mask 0 is the single-mask answer."""

    # (batch, 4, h, w) float32 logits.
    masks_bkhw: Tensor
    # (batch, 4) float32 predicted IoU, in [0, 1].
    ious_bk: Tensor
    # (batch, 4, channels).
    mask_tokens_bkc: Tensor
    # (batch,) float32; positive means that the object is there.
    object_score_logits_b: Tensor


class TwoWayLayer(nn.Module):
    """Tokens attend to themselves and the image, then the image attends to the tokens; post-norm."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.self_attn = Attention(channels, 8)
        self.norm1 = nn.LayerNorm(channels)
        self.cross_attn_token_to_image = Attention(channels, 8, inner_channels=channels // 2)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = MLP(channels, hidden, channels)
        self.norm3 = nn.LayerNorm(channels)
        self.norm4 = nn.LayerNorm(channels)
        self.cross_attn_image_to_token = Attention(channels, 8, inner_channels=channels // 2)

    def attend_tokens(self, tokens_bnc: Tensor, token_code_bnc: Tensor) -> Tensor:
        """Self-attention among the tokens, with their code added and a residual."""
        q = tokens_bnc + token_code_bnc
        out: Tensor = tokens_bnc + self.self_attn(q, q, tokens_bnc)
        return out

    def forward(
        self, tokens_bnc: Tensor, image_bnc: Tensor, *, token_code_bnc: Tensor, image_code_bnc: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return updated tokens and image, of the shapes given."""
        # Tokens agree among themselves, then ask the image.
        tokens = self.norm1(self.attend_tokens(tokens_bnc, token_code_bnc))
        q, k = tokens + token_code_bnc, image_bnc + image_code_bnc
        tokens = self.norm2(tokens + self.cross_attn_token_to_image(q, k, image_bnc))
        tokens = self.norm3(tokens + self.mlp(tokens))
        # The image asks the tokens back, so that its features know what was prompted.
        k = tokens + token_code_bnc
        update = self.cross_attn_image_to_token(image_bnc + image_code_bnc, k, tokens)
        return tokens, self.norm4(image_bnc + update)


class FirstTwoWayLayer(TwoWayLayer):
    """The first layer, whose self-attention has neither code nor residual: the tokens are their own code there."""

    def attend_tokens(self, tokens_bnc: Tensor, token_code_bnc: Tensor) -> Tensor:
        """Replace the tokens by what self-attention makes of them."""
        out: Tensor = self.self_attn(tokens_bnc, tokens_bnc, tokens_bnc)
        return out


class TwoWayTransformer(nn.Module):
    """Two layers and a last look of the tokens at the image."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([FirstTwoWayLayer(channels, hidden), TwoWayLayer(channels, hidden)])
        self.final_attn_token_to_image = Attention(channels, 8, inner_channels=channels // 2)
        self.norm_final_attn = nn.LayerNorm(channels)

    def forward(self, tokens_bnc: Tensor, image_bnc: Tensor, image_code_bnc: Tensor) -> tuple[Tensor, Tensor]:
        """Return updated tokens and image, of the shapes given."""
        tokens, image = tokens_bnc, image_bnc
        for layer in self.layers:
            tokens, image = layer(tokens, image, token_code_bnc=tokens_bnc, image_code_bnc=image_code_bnc)
        # A last look, at an image that has heard of the prompts.
        update = self.final_attn_token_to_image(tokens + tokens_bnc, image + image_code_bnc, image)
        return self.norm_final_attn(tokens + update), image


class MaskDecoder(nn.Module):
    """Prompt tokens and image features in; masks, IoUs and an object score out."""

    num_masks = 4

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        c = channels
        self.transformer = TwoWayTransformer(c, hidden)
        self.iou_token = embedding(1, c)
        self.mask_tokens = embedding(self.num_masks, c)
        self.obj_score_token = embedding(1, c)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(c, c // 4, kernel_size=2, stride=2),
            LayerNorm2d(c // 4),
            nn.GELU(),
            nn.ConvTranspose2d(c // 4, c // 8, kernel_size=2, stride=2),
            nn.GELU(),
        )
        self.conv_s0 = PointwiseConv(c, c // 8)
        self.conv_s1 = PointwiseConv(c, c // 4)
        self.output_hypernetworks_mlps = nn.ModuleList(MLP(c, c, c, c // 8) for _ in range(self.num_masks))
        self.iou_prediction_head = MLP(c, c, c, self.num_masks)
        self.pred_obj_score_head = MLP(c, c, c, 1)

    def _upscale(self, image_bchw: Tensor, s4_bchw: Tensor, s8_bchw: Tensor) -> Tensor:
        # The stride-8 features are added before the norm, the stride-4 features before the last activation.
        up1, norm, gelu, up2, last = self.output_upscaling
        x = gelu(norm(up1(image_bchw) + s8_bchw))
        out: Tensor = last(up2(x) + s4_bchw)
        return out

    def forward(
        self,
        features_bchw: Tensor,
        high_res: tuple[Tensor, Tensor],
        *,
        sparse_bnc: Tensor,
        dense_bchw: Tensor,
        image_code_bchw: Tensor,
    ) -> DecoderOutput:
        """Decode one prompt set per batch item; any input with a batch of one is shared by all items.

        ``high_res``: stride-4 and stride-8 features after ``conv_s0`` and ``conv_s1``.
        """
        batch, (height, width) = sparse_bnc.shape[0], features_bchw.shape[-2:]
        own = torch.cat((self.obj_score_token.weight, self.iou_token.weight, self.mask_tokens.weight))
        tokens = torch.cat((own[None].expand(batch, -1, -1), sparse_bnc), dim=1)
        image = (features_bchw + dense_bchw).flatten(2).transpose(1, 2)
        code = image_code_bchw.to(image.dtype).flatten(2).transpose(1, 2)
        tokens, image = self.transformer(tokens, image, code)

        image_map = image.transpose(1, 2).reshape(batch, -1, height, width)
        upscaled = self._upscale(image_map, *high_res)
        mask_tokens = tokens[:, 2 : 2 + self.num_masks]
        weights = torch.stack([mlp(mask_tokens[:, k]) for k, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1)
        masks = torch.einsum("bkc,bchw->bkhw", weights, upscaled)
        return DecoderOutput(
            masks_bkhw=masks.float(),
            ious_bk=self.iou_prediction_head(tokens[:, 1]).float().sigmoid(),
            mask_tokens_bkc=mask_tokens,
            object_score_logits_b=self.pred_obj_score_head(tokens[:, 0]).float().squeeze(-1),
        )


def stability(mask_logits_bhw: Tensor) -> Tensor:
    """Share of a mask that is still there when the threshold is raised: (batch,) in [0, 1]."""
    inner = (mask_logits_bhw > STABILITY_DELTA).flatten(1).sum(1).float()
    outer = (mask_logits_bhw > -STABILITY_DELTA).flatten(1).sum(1).float()
    return torch.where(outer > 0, inner / outer.clamp(min=1), 1.0)


def single_mask(output: DecoderOutput) -> tuple[Tensor, Tensor]:
    """Choose mask 0 where it is stable, else the best of the other three.

    Result: (batch, 1, h, w) logits and (batch, 1) predicted IoU.
    """
    best = output.ious_bk[:, 1:].argmax(dim=1) + 1
    chosen = torch.where(stability(output.masks_bkhw[:, 0]) >= STABILITY_THRESHOLD, 0, best)
    items = torch.arange(len(chosen), device=chosen.device)
    return output.masks_bkhw[items, chosen][:, None], output.ious_bk[items, chosen][:, None]


def resize_logits(logits_bkhw: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear resize of logits, without anti-aliasing, in float32."""
    return F.interpolate(logits_bkhw.float(), size, mode="bilinear", align_corners=False)

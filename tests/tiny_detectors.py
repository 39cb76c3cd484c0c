"""Zero-shot detectors of a few thousand random weights, in folders as transformers saves them."""

from __future__ import annotations

import json
from pathlib import Path

import torch

WORDS = ("nucleus", "cell", "polyp", "a", "of", ".", "the")


def _spread(model: torch.nn.Module) -> torch.nn.Module:
    """Boxes of random weights lie at the edges, and scores are 0 or 1; smaller weights leave them in between."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if any(part in name for part in ("box_head", "bbox_embed", "class_head.logit")):
                parameter *= 0.1
    return model


def save_owl(folder: Path) -> Path:
    """An OWLv2."""
    from transformers import (
        CLIPTokenizer,
        Owlv2Config,
        Owlv2ForObjectDetection,
        Owlv2ImageProcessor,
        Owlv2Processor,
    )

    folder.mkdir(parents=True)
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=16)
    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"bos_token_id": len(tokens) - 2, "eos_token_id": len(tokens) - 1, "pad_token_id": 0}
    config = Owlv2Config(
        text_config=small | ends | {"vocab_size": len(tokens), "max_position_embeddings": 16},
        vision_config=small | {"image_size": 64, "patch_size": 16},
        projection_dim=32,
    )
    size = {"height": 64, "width": 64}
    torch.manual_seed(0)
    _spread(Owlv2ForObjectDetection(config)).save_pretrained(folder)
    Owlv2Processor(Owlv2ImageProcessor(size=size), tokenizer).save_pretrained(folder)
    return folder


def save_dino(folder: Path) -> Path:
    """A Grounding DINO."""
    from transformers import (
        BertConfig,
        BertTokenizer,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        SwinConfig,
    )

    folder.mkdir(parents=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    tokenizer = BertTokenizer(str(folder / "vocab.txt"))
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            image_size=64,
            embed_dim=8,
            depths=[1, 1, 1],
            num_heads=[1, 1, 1],
            window_size=4,
            out_features=["stage2", "stage3"],
        ),
        text_config=BertConfig(
            vocab_size=len(words),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=32,
        ),
        d_model=32,
        encoder_layers=1,
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        decoder_layers=2,
        decoder_ffn_dim=16,
        decoder_attention_heads=2,
        num_queries=9,
        num_feature_levels=3,
        max_text_len=32,
    )
    torch.manual_seed(0)
    _spread(GroundingDinoForObjectDetection(config)).save_pretrained(folder)
    images = GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
    GroundingDinoProcessor(images, tokenizer).save_pretrained(folder)
    return folder

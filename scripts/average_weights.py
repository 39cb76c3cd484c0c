"""Average the weights of two models of one architecture, such as those before and after a further training.

A head that only the second one has is taken from it. Parts of the model may have shares of their own::

    .venv/bin/python scripts/average_weights.py sam2_nano milestones/NEWER.safetensors OUT.safetensors [--share 0.5]
        [--part image_encoder=0.7 sam_mask_decoder=0.5]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_sam2.model.sam2 import Sam2
from napari_sam2.weights.load import load_model, save_checkpoint


def load(name: str) -> Sam2:
    """Load a checkpoint, or a model of the catalogue."""
    if Path(name).is_file():
        return load_model(checkpoint=name, device="cpu", dtype="float32")
    return load_model(name, device="cpu", dtype="float32")


def share_of_part(text: str) -> tuple[str, float]:
    """Read ``PART=SHARE``."""
    part, _, share = text.partition("=")
    return part, float(share)


def main() -> None:
    """Write the averaged weights."""
    parser = argparse.ArgumentParser(description="average the weights of two models")
    parser.add_argument("first", metavar="MODEL", help="name or file")
    parser.add_argument("second", metavar="MODEL", help="name or file")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--share", type=float, default=0.5, help="share of the second one (default: %(default)s)")
    parser.add_argument(
        "--part", type=share_of_part, nargs="+", default=[], metavar="PART=SHARE", help="share of one part of the model"
    )
    args = parser.parse_args()
    shares = dict(args.part)
    first, model = load(args.first).state_dict(), load(args.second)
    if unknown := shares.keys() - {key.partition(".")[0] for key in first}:
        parser.error(f"no part of the model is called {', '.join(sorted(unknown))}")
    mixed = {
        key: weight if key not in first else first[key].lerp(weight, shares.get(key.partition(".")[0], args.share))
        for key, weight in model.state_dict().items()
    }
    model.load_state_dict(mixed)
    save_checkpoint(model, args.out, dtype="float16")


if __name__ == "__main__":
    main()

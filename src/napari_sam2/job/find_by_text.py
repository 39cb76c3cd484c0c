"""Prompts from a text: what a detector finds on the first frame is tracked through the others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from napari_sam2.option_fields import option

from .options import JobOptions


@dataclass(frozen=True)
class TextOptions:
    """What is looked for, and by which detector."""

    text: str | None = option(
        None, 'track what this names on the first frame, or that of --start: "nucleus", commas between several'
    )
    text_model: str | None = option(
        None,
        "with --text: folder of an OWLv2 or Grounding DINO, or its name at Hugging Face, from where it comes then",
        metavar="MODEL",
    )
    text_score: float = option(
        0.1, "with --text: how sure the detector must be, 0 to 1 (default 0.1)", metavar="SCORE", type=float
    )


def prompted_by_text(options: JobOptions, looked_for: TextOptions) -> JobOptions:
    """Find boxes around what the text names, and make them the job's prompts."""
    from napari_sam2.data.images.pixels.contrast import choose_window, to_rgb8
    from napari_sam2.data.prompts.placed_prompts import prompt_outside
    from napari_sam2.data.prompts.prompt import Prompt
    from napari_sam2.session.population.text.text_detector import load_detector
    from napari_sam2.weights.load import choose_device

    text, source = looked_for.text or "", looked_for.text_model
    if source is None:
        raise ValueError("--text takes a detector: --text-model FOLDER, with an OWLv2 or Grounding DINO in it")
    if not 0 <= looked_for.text_score <= 1:
        raise ValueError(f"--text-score is a number from 0 to 1, not {looked_for.text_score}")
    detector = load_detector(source, str(choose_device(options.model.device)))
    part = options.part
    with part.open(options.input) as whole:
        stack = whole if part.crop is None and part.every == 1 else whole.part(crop=part.crop, every=part.every)
        first = 0 if options.start is None else stack.geometry.frame_inside(options.start)
        image = to_rgb8(stack.read(first), choose_window(stack, options.contrast_limits))
        found = detector.find(image, text, looked_for.text_score)
        if not found:
            raise ValueError(
                f"nothing on frame {stack.geometry.frame_outside(first)} is taken for {text!r}: "
                "try other words, a lower --text-score, or another frame with --start"
            )
        inside = (Prompt(first, number, box=one.box) for number, one in enumerate(found, 1))
        given = tuple(prompt_outside(prompt, stack.geometry) for prompt in inside)
        # They come from no file, which results would go without a copy of.
        return replace(options, prompts=Path(f"--text {text}"), given=given)

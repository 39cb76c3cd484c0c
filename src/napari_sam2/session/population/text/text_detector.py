"""Boxes around what a text names, by the zero-shot detectors of transformers: OWLv2, Grounding DINO and their kin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from napari_sam2.data.files.optional_packages import load_extra

PURPOSE = "finding objects by text"
# What is less sure is not shown; detectors are modest about what they were not trained on.
LEAST_TEXT_SCORE = 0.1
# Two boxes of this IoU mean one object.
_SAME_OBJECT = 0.6
# A name at Hugging Face is that of its owner, and its own.
_OWNER_AND_NAME = 2


class TextBox(NamedTuple):
    """A box around something that a text names."""

    # How sure the detector is, 0..1.
    score: float
    # (y0, x0, y1, x1) in pixels of the image.
    box: tuple[float, float, float, float]


class TextDetector:
    """A detector of boxes by text.

    Parameters
    ----------
    source : str
        Folder with the model, as transformers saves it; or its name at Hugging Face, from where it is downloaded then.
    device : str
        As torch names it.

    Raises
    ------
    MissingExtraError
        Where transformers is not installed.
    ValueError
        For a folder that is not there, or that holds no such detector.
    """

    def __init__(self, source: str, device: str = "cpu") -> None:
        transformers = load_extra("transformers", PURPOSE)
        place, is_local = _place(source)
        try:
            with _quiet(transformers.utils.logging):
                self._processor = transformers.AutoProcessor.from_pretrained(place, local_files_only=is_local)
                # Files of tensors only: a pickle can hold code.
                model = transformers.AutoModelForZeroShotObjectDetection.from_pretrained(
                    place, local_files_only=is_local, use_safetensors=True
                )
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ValueError(
                f"{source} is no detector by text that transformers can load, as OWLv2 and Grounding DINO are: {reason}"
            ) from error
        self._model = model.to(device).eval()
        self.device = device

    @torch.inference_mode()
    def find(self, image: NDArray[np.uint8], text: str, least_score: float = LEAST_TEXT_SCORE) -> list[TextBox]:
        """Find what a text names, the surest first.

        Parameters
        ----------
        image : ndarray
            (Y, X, 3) uint8.
        text : str
            Such as "nucleus"; commas between several.
        least_score : float
            Less sure boxes are left out, 0 to 1.

        Returns
        -------
        list of TextBox
            Boxes of which no two mean the same object.

        Raises
        ------
        ValueError
            For a text without a word.
        """
        names = [name.strip() for name in text.split(",") if name.strip()]
        if not names:
            raise ValueError(f'say in words what is looked for, such as "nucleus", not {text!r}')
        height, width = image.shape[:2]
        inputs = self._processor(text=[names], images=Image.fromarray(image), return_tensors="pt").to(self.device)
        (found,) = self._processor.post_process_grounded_object_detection(
            self._model(**inputs), threshold=least_score, target_sizes=[(height, width)]
        )
        boxes = found["boxes"].float().cpu().numpy().clip(0, (width, height, width, height))
        scores = found["scores"].float().cpu().tolist()
        # From (x0, y0, x1, y1); what has no pixel lies beside the image.
        made = [TextBox(s, (y0, x0, y1, x1)) for s, (x0, y0, x1, y1) in zip(scores, boxes.tolist(), strict=True)]
        return without_doubles([one for one in made if _area(one.box) >= 1])


@lru_cache(maxsize=1)
def load_detector(source: str, device: str = "cpu") -> TextDetector:
    """Load a detector, once for as long as no other is asked for."""
    return TextDetector(source, device)


def without_doubles(boxes: Sequence[TextBox]) -> list[TextBox]:
    """Keep the surest of boxes that mean the same object, the surest first."""
    kept: list[TextBox] = []
    for one in sorted(boxes, key=lambda one: -one.score):
        if all(_iou(one.box, other.box) < _SAME_OBJECT for other in kept):
            kept.append(one)
    return kept


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """Load without bars and hints for developers, and leave the settings of transformers as they were."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _place(source: str) -> tuple[str, bool]:
    """Where transformers finds it, and whether that is a folder here."""
    path = Path(source).expanduser()
    if path.is_dir():
        return str(path), True
    is_name = len(path.parts) == _OWNER_AND_NAME and not path.is_absolute() and not source.startswith((".", "~"))
    if not is_name:
        raise ValueError(
            f"there is no folder {source}: give one with a detector, or its name at Hugging Face, as owner/name"
        )
    return source, False


def _area(box: tuple[float, float, float, float]) -> float:
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def _iou(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    shared = _area((max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])))
    return shared / (_area(one) + _area(other) - shared)

"""Settings of training and teaching, as frozen dataclasses that are checked when they are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from napari_sam2.option_fields import option, option_choices

PARTS = ("all", "decoder+memory", "adapters")
# Trained on whole data sets only: a handful of frames does not teach what an object is.
CENTRE_HEAD = "centre-head"
_SHARES = (
    *("clip_share", "follow_share", "affine_share", "jitter_share", "mask_prompts", "box_prompts"),
    *("teacher_forcing", "cooldown", "long_share", "vary_corrections", "middle_clicks"),
    *("truth_clicks", "drop_path", "modality_share", "held_share"),
)


@dataclass(frozen=True)
class TrainSettings:
    """Settings of a run; the same settings and seed give the same curve."""

    # Where checkpoint and log go; a run goes on from the checkpoint it finds there.
    folder: str

    # What it learns from
    data: tuple[str, ...] = option(
        ("generated",), "'generated', a pool, or folders of labelled stacks and stills", metavar="DATA"
    )
    data_weights: tuple[float, ...] = option(
        (), "how often each of the data is drawn from, in proportion (default: all alike)", metavar="N"
    )
    held_out: tuple[str, ...] = option((), "the same, to validate on (default: no validation)", metavar="DATA")
    held_share: float = option(
        0.1, "share of each labelled set that is validated on, and not trained on, where its folder is in both"
    )
    without: tuple[str, ...] = option((), "labelled sets to leave out; * stands for anything", metavar="SET")
    partly_labelled: tuple[str, ...] = option(
        (),
        "labelled sets in which some objects have no label: the centre head learns nothing from what has none",
        metavar="SET",
    )

    # What is trained, and how long
    weights: str = option("", "catalogue name or file of the weights to begin with (default: drawn from the seed)")
    model: str = option("sam2_nano", "configuration trained from fresh weights; given weights bring their own")
    part: str = option("all", "what learns", choices=(*PARTS, CENTRE_HEAD))
    rank: int = option(8, "rank of the adapters, for --part adapters")
    image_size: int = option(256, "side of the square training images in pixels, a multiple of 32")
    steps: int = option(20_000, "optimiser steps over the whole run")
    minutes: float = option(
        0.0,
        "minutes after which the run ends, too, 0 for no such end; the learning rate then falls by the clock, and no "
        "other run gives quite the same model",
    )
    seed: int = option(0, "what chance begins with: initial weights, batches and prompts")
    device: str = option("auto", "'auto' takes CUDA, else MPS, else the CPU")
    bfloat16: bool = option(True, "compute the network in mixed precision")
    compile: bool = option(False, "compile the image encoder first: a minute, then faster steps")
    checkpoint_minutes: float = option(3.0, "minutes between checkpoints")
    validate_every: int = option(500, "steps between validations; 0 for none")

    # Batches
    stills: int = option(8, "images of a batch of stills")
    still_objects: int = option(8, "objects prompted on each still")
    clips: int = option(4, "clips of a batch")
    clip_objects: int = option(4, "objects prompted in each clip")
    clip_frames: int = option(6, "frames of a clip")
    clip_share: float = option(0.5, "share of the steps that train on clips")
    long_share: float = option(0.0, "share of the clip steps with half as many clips of twice the length")

    # What the images are like
    smallest_window: float = option(0.45, "side of the smallest window that is cut out, as a share of the frame's")
    largest_window: float = option(1.0, "side of the largest window, which two in five have")
    follow_share: float = option(0.35, "share cut out by a small window that follows an object, as zoom does")
    affine_share: float = option(0.25, "share that is turned and sheared")
    jitter_share: float = option(0.25, "share whose colours change from frame to frame")
    modality_share: float = option(0.0, "share made to look as if another instrument had taken them")

    # Prompts
    mask_prompts: float = option(0.5, "share of the clips prompted with a mask; the others get a click or a box")
    box_prompts: float = option(0.5, "share of the objects without a mask that get a box, not a click")
    middle_clicks: float = option(
        0.5, "share of the first clicks near the middle of the object, as a careful user's are"
    )
    corrections: int = option(1, "rounds of correction clicks after the first prompt of a still")
    prompted_frames: int = option(
        1, "most frames of a clip that are prompted before it is tracked; the first always is"
    )
    corrected_frames: int = option(1, "most frames of a clip with correction clicks, the prompted ones among them")
    clip_corrections: int = option(0, "correction clicks on each of those frames; clips prompted with masks get none")
    vary_corrections: float = option(
        0.0, "share of the steps with fewer correction clicks, down to none: users stop early"
    )
    truth_clicks: float = option(
        0.0, "share of the correction clicks anywhere on the object instead of where the answer is wrong"
    )
    teacher_forcing: float = option(0.0, "share of the tracked objects and frames remembered by their true mask")

    # Loss
    feature_penalty: float = option(0.05, "weight of the penalty on large image features")
    centre_weight: float = option(0.0, "weight of the centre head, which a model gets where this is positive")
    cross_entropy: str = option("balanced", "cross-entropy of the masks", choices=("balanced", "focal"))
    grade: str = option("all", "which masks of the decoder learn how good they are", choices=("all", "answer"))
    loss_stride: int = option(4, "masks are compared at image size / loss stride: 1, 2 or 4")

    # Optimiser
    optimiser: str = option("muon", "muon is for weight matrices, with AdamW for the rest", choices=("adamw", "muon"))
    learning_rate: float = option(8e-4, "the highest learning rate")
    weight_decay: float = option(0.02, "weight decay of the optimiser")
    clip_norm: float = option(1.0, "bound of the gradient's norm")
    encoder_rate: float = option(1.0, "learning rate of the image encoder as a share of the others'")
    layer_decay: float = option(
        1.0,
        "by what the learning rate is multiplied from each block of the encoder to the one before; not for position "
        "codes",
    )
    drop_path: float = option(
        0.0, "chance that the encoder's last block is passed over, rising to this from 0 in the first"
    )
    warmup: int = option(200, "first steps, with a rising learning rate")
    cooldown: float = option(0.3, "last share of the run, with a falling learning rate")
    ema: float = option(0.998, "decay of the running average of the weights, which is what is exported")

    def __post_init__(self) -> None:
        """Refuse settings that cannot be trained with."""
        if self.image_size < 32 or self.image_size % 32:
            raise ValueError(f"image_size={self.image_size} must be a positive multiple of 32.")
        for name, known in option_choices(TrainSettings).items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r} is not one of {', '.join(known)}.")
        if not 0 < self.smallest_window <= self.largest_window <= 1:
            raise ValueError(
                f"smallest_window={self.smallest_window} and largest_window={self.largest_window} must be shares of "
                "the frame, the former not above the latter."
            )
        if self.clip_frames < 2:
            raise ValueError(f"clip_frames={self.clip_frames} leaves nothing to track; give at least 2.")
        if self.loss_stride not in (1, 2, 4):
            raise ValueError(f"loss_stride={self.loss_stride} must be 1, 2 or 4.")
        for name in ("prompted_frames", "corrected_frames", "rank"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1.")
        if self.drop_path > 0 and self.compile:
            raise ValueError(f"drop_path={self.drop_path} does not work with compile=True; choose one of them.")
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)} must lie between 0 and 1.")


def paper_recipe(folder: str) -> TrainSettings:
    """Settings of SAM 2's own full training, as its paper and its code have them (spec 6.1 and 6.2).

    Batches are those of one process.
    """
    return TrainSettings(
        folder,
        model="sam2.1_hiera_tiny",
        steps=300_000,
        image_size=1024,
        smallest_window=1.0,
        follow_share=0.0,
        affine_share=1.0,
        jitter_share=1.0,
        middle_clicks=0.0,
        drop_path=0.1,
        stills=1,
        still_objects=3,
        clips=1,
        clip_objects=3,
        clip_frames=8,
        clip_share=0.85,
        corrections=7,
        prompted_frames=2,
        corrected_frames=2,
        clip_corrections=7,
        truth_clicks=0.1,
        feature_penalty=0.0,
        cross_entropy="focal",
        grade="answer",
        loss_stride=1,
        optimiser="adamw",
        learning_rate=3e-4,
        encoder_rate=0.2,
        layer_decay=0.9,
        weight_decay=0.1,
        clip_norm=0.1,
        warmup=15_000,
        cooldown=1.0,
        ema=0.0,
    )


RECIPES: Mapping[str, Callable[[str], TrainSettings]] = {"nano": TrainSettings, "paper": paper_recipe}


@dataclass(frozen=True)
class TeachSettings:
    """How to teach; the same steps and seed give the same model.

    With the part ``"decoder+memory"`` the image encoder is left alone, and what it makes of a frame is used several
    times; that is by far the fastest for large models without a GPU.
    """

    minutes: float = option(
        10.0, "time for teaching, measuring comes on top (default %(default)g)", metavar="N", type=float
    )
    steps: int | None = option(None, "steps instead of minutes: repeatable", metavar="N", type=int)
    part: str = option("decoder+memory", "what learns (default %(default)s)", choices=PARTS)
    rank: int = option(8, "rank of the adapters, for --part adapters (default %(default)s)", metavar="N", type=int)
    # The share at the far end of each stack.
    held_out: float = option(
        0.25, "share of the accepted frames to measure on (default %(default)g)", metavar="SHARE", type=float
    )
    learning_rate: float = option(1e-4, "the highest learning rate (default %(default)g)", metavar="RATE", type=float)
    seed: int = option(0, "what chance begins with (default %(default)s)", metavar="N", type=int)
    # Objects followed in a step, over all its clips, and frames of a clip. A model with an input of 512 pixels or more
    # takes a quarter of the tracks.
    tracks: int = 8
    clip_frames: int = 5

    def __post_init__(self) -> None:
        """Refuse settings that cannot be taught with."""
        if self.part not in PARTS:
            raise ValueError(f"part={self.part!r} is not one of {', '.join(PARTS)}.")
        if not 0 <= self.held_out < 1:
            raise ValueError(f"held_out={self.held_out} must be a share of the frames, below 1.")
        if self.clip_frames < 2:
            raise ValueError(f"clip_frames={self.clip_frames} leaves nothing to track; give at least 2.")
        positive = [field.name for field in fields(self) if field.name not in ("part", "held_out", "seed")]
        for name in positive:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name}={value} must be positive.")

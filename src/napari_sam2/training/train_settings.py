"""Settings of training and teaching, as frozen dataclasses that are checked when they are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from napari_sam2.option_fields import option

PARTS = ("all", "decoder+memory", "adapters")
# Trained on whole data sets only: a handful of frames does not teach what an object is.
CENTRE_HEAD = "centre-head"
_CHOICES = {
    "cross_entropy": ("balanced", "focal"),
    "grade": ("all", "answer"),
    "optimiser": ("adamw", "muon"),
    "part": (*PARTS, CENTRE_HEAD),
}
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
    # Sources of clips to train on and to validate on, see `open_source`; no validation without the latter.
    data: tuple[str, ...] = ("generated",)
    held_out: tuple[str, ...] = ()
    # How often each of the former is drawn from, in proportion; all alike where none are given.
    data_weights: tuple[float, ...] = ()
    # Share of each set of labelled images that is validated on, and not trained on, where its folder is named in both;
    # see `image_sets.split_sets`.
    held_share: float = 0.1
    # Names of sets of labelled images to leave out, ``*`` standing for anything.
    without: tuple[str, ...] = ()
    # Names of those in which some objects have no label: the centre head learns nothing from what has none.
    partly_labelled: tuple[str, ...] = ()
    # Configuration trained from fresh weights, a key of `CONFIGS`; given weights bring their own.
    model: str = "sam2_nano"
    # Optimiser steps over the whole run.
    steps: int = 20_000
    # Where positive, the run also ends after so much time, and the learning rate falls by the clock: such a run is not
    # repeatable.
    minutes: float = 0.0
    # Decides initial weights, batches and prompts.
    seed: int = 0
    # Side of the square training images in pixels, a multiple of 32.
    image_size: int = 256
    # Side of the window that is cut out of a clip, as a share of the frame's; two in five are the largest.
    smallest_window: float = 0.45
    largest_window: float = 1.0
    # Share of the images and clips cut out by a small window that follows an object, as a session's zoom does.
    follow_share: float = 0.35
    # Share of the images and clips that are turned and sheared, and share of those whose colours change from frame to
    # frame, see `augment`.
    affine_share: float = 0.25
    jitter_share: float = 0.25
    # Share of the images and clips that are made to look as if another instrument had taken them.
    modality_share: float = 0.0
    # Images of a batch of stills, and objects prompted on each.
    stills: int = 8
    still_objects: int = 8
    # The same for batches of clips, and frames of a clip.
    clips: int = 4
    clip_objects: int = 4
    clip_frames: int = 6
    # Share of the steps that train on clips.
    clip_share: float = 0.5
    # Rounds of correction clicks after the first prompt of a still.
    corrections: int = 1
    # Most frames of a clip that are prompted before it is tracked; the first always is, how many is drawn.
    prompted_frames: int = 1
    # Most frames of a clip with correction clicks, the prompted ones among them, and clicks on each; clips prompted
    # with masks get none.
    corrected_frames: int = 1
    clip_corrections: int = 0
    # Share of the steps whose number of correction clicks is drawn, from none to the number set: users stop early.
    vary_corrections: float = 0.0
    # Share of the first clicks that lie near the middle of the object, as a careful user's do.
    middle_clicks: float = 0.5
    # Share of the correction clicks placed anywhere on the object instead of where the answer is wrong.
    truth_clicks: float = 0.0
    # Share of the clip steps with half as many clips of twice the length.
    long_share: float = 0.0
    # Share of the clips prompted with a mask; the others get a click or a box.
    mask_prompts: float = 0.5
    # Share of the objects without a mask that get a box, not a click.
    box_prompts: float = 0.5
    # Share of the tracked objects and frames that are remembered by their true mask instead of the model's.
    teacher_forcing: float = 0.0
    # Weight of the penalty on large image features, see `unroll.feature_penalty`.
    feature_penalty: float = 0.05
    # Weight of what the centre head is graded by; the model gets a head where this is positive, see `centre_head`.
    centre_weight: float = 0.0
    # ``"balanced"`` or ``"focal"``, see `losses`.
    cross_entropy: str = "balanced"
    # ``"all"`` masks of the decoder, or only the ``"answer"``, see `losses.frame_loss`.
    grade: str = "all"
    # Masks are compared at ``image_size / loss_stride``.
    loss_stride: int = 4
    # ``"adamw"``; or ``"muon"`` for the weight matrices of linear layers and AdamW for the rest, which learns more in a
    # step.
    optimiser: str = "muon"
    # Of the optimiser, and the bound of the gradient's norm.
    learning_rate: float = 8e-4
    weight_decay: float = 0.02
    clip_norm: float = 1.0
    # Learning rate of the image encoder as a share of the others', and by how much it falls from each block of its
    # trunk to the one before; position codes are not slowed down.
    encoder_rate: float = 1.0
    layer_decay: float = 1.0
    # Chance that the last block of the encoder's trunk is passed over on one of its two branches, image by image; it
    # rises to this from 0 in the first block. See `drop_path`.
    drop_path: float = 0.0
    # First steps, with a rising learning rate.
    warmup: int = 200
    # Last share of the run, with a falling learning rate.
    cooldown: float = 0.3
    # Decay of the running average of the weights, which is what is exported.
    ema: float = 0.998
    # What is trained, and the rank of the adapters, see `adapters.train_part`.
    part: str = "all"
    rank: int = 8
    # Catalogue name or file of the weights to begin with; drawn from the seed where empty.
    weights: str = ""
    # ``"auto"`` takes CUDA, else MPS, else the CPU.
    device: str = "auto"
    # Compute the network in mixed precision.
    bfloat16: bool = True
    # Compile the image encoder first: a minute, then faster steps.
    compile: bool = False
    # Time between checkpoints.
    checkpoint_minutes: float = 3.0
    # Steps between validations; 0 for none.
    validate_every: int = 500

    def __post_init__(self) -> None:
        """Refuse settings that cannot be trained with."""
        if self.image_size < 32 or self.image_size % 32:
            raise ValueError(f"image_size={self.image_size} must be a positive multiple of 32.")
        for name, known in _CHOICES.items():
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
    rank: int = option(8, "of the adapters (default %(default)s)", metavar="N", type=int)
    # The share at the far end of each stack.
    held_out: float = option(
        0.25, "share of the accepted frames to measure on (default %(default)g)", metavar="SHARE", type=float
    )
    learning_rate: float = option(1e-4, "the highest (default %(default)g)", metavar="RATE", type=float)
    seed: int = option(0, "of all chance (default %(default)s)", metavar="N", type=int)
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

"""Sizes of the SAM 2 variants, as plain data (no torch)."""

from __future__ import annotations

from dataclasses import dataclass, replace

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)
# Attention over the whole map grows with the fourth power of the side: beyond this, it only fills the memory.
LARGEST_INPUT = 4096


@dataclass(frozen=True)
class HieraConfig:
    """Shape of the hierarchical encoder (Hiera, Ryali et al. 2023; SAM 2 paper, appendix D.1)."""

    # Channels of the first stage; every later stage doubles them.
    embed_dim: int
    # Attention heads of the first stage; every later stage doubles them.
    num_heads: int
    # Blocks in each of the four stages.
    stages: tuple[int, int, int, int]
    # Indices of the blocks that attend over the whole map instead of windows.
    global_blocks: tuple[int, ...]
    # Window side, in tokens, of each stage.
    window_sizes: tuple[int, int, int, int] = (8, 4, 14, 7)
    # Side lengths of the learned low-resolution position map.
    background_size: tuple[int, int] = (7, 7)

    @property
    def num_blocks(self) -> int:
        """Blocks over all stages."""
        return sum(self.stages)

    @property
    def stage_channels(self) -> tuple[int, ...]:
        """Channels at the end of each stage, fine to coarse."""
        return tuple(self.embed_dim * 2**stage for stage in range(len(self.stages)))


@dataclass(frozen=True)
class Sam2Config:
    """Everything that distinguishes one member of the family from another."""

    # Name of the variant, as in the official checkpoint's file name.
    name: str
    # ``"2.0"`` or ``"2.1"``: the latter encodes the age of object pointers and marks memories of hidden objects.
    generation: str
    # The image encoder.
    trunk: HieraConfig
    # Side of the square input in pixels; a multiple of 32. No weight depends on it.
    image_size: int = 1024
    # Channels of the image features, of the prompt tokens and of the object pointers.
    d_model: int = 256
    # Channels of a memory map; divides ``d_model``.
    memory_dim: int = 64
    # Depth and feed-forward width of the memory attention.
    memory_attention_layers: int = 4
    memory_attention_hidden: int = 2048
    # Feed-forward width of the mask decoder's transformer.
    decoder_hidden: int = 2048
    # Convolutional blocks that fuse a mask with the image features in the memory encoder.
    fuser_layers: int = 2
    # Spatial memories attended to: the conditioning frames share one slot, the others are the most recent frames.
    num_memories: int = 7
    # Upper bound of the number of frames whose object pointers are attended to.
    max_object_pointers: int = 16

    def __post_init__(self) -> None:
        if self.generation not in ("2.0", "2.1"):
            raise ValueError(f"generation is '2.0' or '2.1', got {self.generation!r}")
        if not 32 <= self.image_size <= LARGEST_INPUT or self.image_size % 32:
            nearest = min(max(32, round(self.image_size / 32) * 32), LARGEST_INPUT)
            raise ValueError(
                f"image_size must be a multiple of 32 up to {LARGEST_INPUT}, got {self.image_size}; "
                f"the nearest is {nearest}"
            )
        if self.d_model % self.memory_dim:
            raise ValueError(f"memory_dim {self.memory_dim} does not divide d_model {self.d_model}")

    @property
    def low_res_size(self) -> int:
        """Side of the mask decoder's output, in pixels."""
        return self.image_size // 4

    @property
    def grid_size(self) -> int:
        """Side of the stride-16 feature grid, in tokens."""
        return self.image_size // 16

    @property
    def votes_on_clicks(self) -> bool:
        """Whether several looks vote on what a click means, which was made for, and measured with, these variants."""
        return self.name in _VOTING

    @property
    def learned_conditioning(self) -> int | None:
        """Most prompted frames that the weights learned to attend to at once; ``None`` where no limit is known."""
        return _LEARNED_CONDITIONING.get(self.name)

    def with_image_size(self, image_size: int | None) -> Sam2Config:
        """Return the same variant for another input size (``None`` keeps the variant's own)."""
        return self if image_size is None else replace(self, image_size=image_size)


# By name, which a variant keeps when it is taught or trained on.
_VOTING = ("sam2_nano",)
_LEARNED_CONDITIONING = {"sam2_nano": 2}

_TRUNKS = {
    "tiny": HieraConfig(96, 1, (1, 2, 7, 2), (5, 7, 9)),
    "small": HieraConfig(96, 1, (1, 2, 11, 2), (7, 10, 13)),
    "base_plus": HieraConfig(112, 2, (2, 3, 16, 3), (12, 16, 20), background_size=(14, 14)),
    "large": HieraConfig(144, 2, (2, 6, 36, 4), (23, 33, 43), window_sizes=(8, 4, 16, 8)),
}

_NANO = Sam2Config(
    name="sam2_nano",
    generation="2.1",
    trunk=HieraConfig(48, 1, (1, 2, 4, 1), (4, 6), window_sizes=(8, 8, 8, 8)),
    image_size=384,
    d_model=128,
    memory_dim=64,
    memory_attention_layers=2,
    memory_attention_hidden=512,
    decoder_hidden=512,
)


@dataclass(frozen=True)
class InferenceOptions:
    """How a model is run, apart from its weights."""

    # Name of the preset these options started from.
    preset: str = "balanced"
    # How many frames back a memory map is attended to; ``None`` for as many as the model was trained with.
    recent_memories: int | None = None
    # Most prompted frames attended to; ``None`` for all of them.
    max_conditioning: int | None = None
    # Memory maps are attended to as averages over blocks of so many cells in each direction: 1, which leaves them as
    # they are, or 2, which makes four tokens one.
    memory_cell: int = 1

    def __post_init__(self) -> None:
        # The grid of any input, a multiple of 32 pixels, has an even number of cells.
        if self.memory_cell not in (1, 2):
            raise ValueError(f"memory_cell is 1 or 2, got {self.memory_cell}")


# With six prompted frames, a frame attends to at most 12 memories of an object, where one prompt makes it 7.
DEFAULT_OPTIONS = InferenceOptions("balanced", max_conditioning=6)

CONFIGS: dict[str, Sam2Config] = {
    **{
        f"{prefix}_hiera_{size}": Sam2Config(f"{prefix}_hiera_{size}", generation, trunk)
        for prefix, generation in (("sam2", "2.0"), ("sam2.1", "2.1"))
        for size, trunk in _TRUNKS.items()
    },
    _NANO.name: _NANO,
}

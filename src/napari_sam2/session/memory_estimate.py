"""The memory that tracking needs, by the sizes of model and stack (docs/memory.md), and what is free of it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import psutil
import torch

from napari_sam2.model.memory_attention import TOGETHER_BYTES
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.features.batch_sizes import objects_at_once, windows_at_once
from napari_sam2.session.features.frame_encoder import default_cache_bytes, feature_bytes, feature_dtype
from napari_sam2.session.features.prefetch import frames_ahead
from napari_sam2.session.results.object_set import SPARE_BYTES
from napari_sam2.session.results.outputs import RECORD_BYTES
from napari_sam2.session.steps.history import HISTORY_BYTES
from napari_sam2.session.tracking.memory.choice import memory_rule

# Bytes that PyTorch and the allocator take besides tensors, once a model has run.
LIBRARIES = 140 * 2**20
# On a CPU, matrix products are compiled for every number of memories, which grows over the first frames; all are kept.
COMPILED_BYTES, COMPILED_FRAMES = 2 * 2**20, 20
# Copies of a map that are there at the same moment: of the encoder's first stage, and of the memories in attention.
ENCODER_COPIES, ATTENTION_COPIES = 12, 8
# From so many memory tokens on, attention on a CPU works in blocks and holds hardly more than keys and values.
LONG_MEMORY, LONG_MEMORY_COPIES = 4096, 2
# Numbers for each input pixel while a mask is decoded and encoded as a memory.
NUMBERS_PER_PIXEL = 10


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes of memory that tracking takes at its peak, beyond the program itself.

    Attributes
    ----------
    weights : int
        The model.
    features : int
        Image features that are kept.
    memories : int
        What is remembered of the objects.
    work : int
        What the model needs for a moment while it works on a frame.
    frames : int
        Pixels of the frames that are held, and the masks drawn on one.
    results : int
        Labels and scores of all frames; a guess, as it depends on the objects' shapes.
    undo : int
        The most that earlier states take where every run can be taken back; 0 where there is one run.
    """

    weights: int
    features: int
    memories: int
    work: int
    frames: int
    results: int
    undo: int = 0

    @property
    def total(self) -> int:
        """Sum of all parts in bytes."""
        return sum(getattr(self, field.name) for field in fields(self))

    def with_undo(self, runs: int) -> MemoryEstimate:
        """Add what undo of tracking runs takes.

        Parameters
        ----------
        runs : int
            How many runs can be undone.

        Returns
        -------
        MemoryEstimate
            The same, with ``undo`` set.
        """
        one = self.memories + self.results
        # The state before the latest run is kept whole.
        return replace(self, undo=min(runs * one, one + HISTORY_BYTES))

    def __str__(self) -> str:
        sizes = {field.name: getattr(self, field.name) for field in fields(self)}
        parts = ", ".join(f"{name} {_megabytes(size)}" for name, size in sizes.items() if size)
        return f"about {_megabytes(self.total)} MB of memory ({parts})"


def estimate_memory(
    model: Sam2,
    stack_shape: tuple[int, int, int],
    objects: int,
    *,
    frame_bytes: int | None = None,
    prompted_frames: int = 1,
    cache_bytes: int | None = None,
) -> MemoryEstimate:
    """Estimate how much memory tracking takes at its peak.

    Parameters
    ----------
    model : Sam2
        On the device and of the type it is going to run with. On a GPU, weights, features, memories and work are there.
    stack_shape : tuple of int
        (T, Y, X).
    objects : int
        How many are tracked.
    frame_bytes : int, optional
        Of one frame as it is read; that of 16-bit grey where not given.
    prompted_frames : int
        Frames with a prompt, of each object.
    cache_bytes : int, optional
        As `Session` takes it.

    Returns
    -------
    MemoryEstimate
        Measured values lie from a third below, on processors for which libraries compile little, to a quarter above.
        Objects tracked in crops of their own take less.

    Raises
    ------
    ValueError
        If there is a number below 1.
    """
    if min(*stack_shape, objects, prompted_frames) < 1:
        raise ValueError(
            f"an estimate takes sizes and counts of at least 1, got a stack of {stack_shape}, {objects} objects and "
            f"{prompted_frames} prompted frames"
        )
    n_frames, height, width = stack_shape
    pixels = height * width
    # 16-bit data where nothing else is given.
    read = 2 * pixels if frame_bytes is None else frame_bytes
    one = feature_bytes(model.config, feature_dtype(model))
    kept = default_cache_bytes(model.config, feature_dtype(model)) if cache_bytes is None else cache_bytes
    return MemoryEstimate(
        weights=sum(p.numel() * p.element_size() for p in model.parameters()),
        # The cache never holds more than the whole frame and one crop per object for each frame of the stack.
        features=min(max(kept, one), n_frames * (1 + objects) * one),
        memories=_memories(model, objects, prompted_frames),
        work=LIBRARIES + _compiled(model, n_frames) + _work(model, objects, prompted_frames),
        # Two frames that were read last and those that wait; 8-bit colour; the drawn image with the logits of one
        # object and the best so far.
        frames=(2 + frames_ahead(read)) * read + pixels * (3 + 2 + 2 * 4),
        results=n_frames * objects * RECORD_BYTES,
    )


def _memories(model: Sam2, objects: int, prompted_frames: int) -> int:
    config = model.config
    whole = 4 * config.low_res_size**2 + model.dtype.itemsize * config.memory_dim * config.grid_size**2
    # What the next frames attend to, behind the present one and at both ends of the prompts; the spare is shared.
    recent = objects * 3 * memory_rule(model).num_recent * whole
    return objects * prompted_frames * whole + max(recent, SPARE_BYTES)


def _compiled(model: Sam2, n_frames: int) -> int:
    return COMPILED_BYTES * min(n_frames, COMPILED_FRAMES) if model.device.type == "cpu" else 0


def _work(model: Sam2, objects: int, prompted_frames: int) -> int:
    config, rule, size = model.config, memory_rule(model), model.dtype.itemsize
    # Only objects that go through the model together count: the others come after them, in the same memory.
    passes, objects = min(objects, windows_at_once(config)), min(objects, objects_at_once(config))
    encoder = passes * ENCODER_COPIES * (config.image_size // 4) ** 2 * config.trunk.embed_dim * size
    # Unless it is to be exact, a frame attends to the nearest prompted frames only.
    tokens = (min(prompted_frames, rule.max_conditioning or prompted_frames) + rule.num_recent) * config.grid_size**2
    # On a CPU, attention takes fewer objects at once, and long memories in blocks.
    together, copies = objects, ATTENTION_COPIES
    if model.device.type == "cpu":
        together = min(objects, max(TOGETHER_BYTES // (config.grid_size**2 * config.d_model * size), 1))
        copies = LONG_MEMORY_COPIES if tokens >= LONG_MEMORY else copies
    attention = together * copies * tokens * config.d_model * size
    # Encoder and attention run one after the other, so only the larger one counts; masks come on top.
    return max(encoder, attention) + objects * 4 * NUMBERS_PER_PIXEL * config.image_size**2


def _megabytes(size: int) -> int:
    return round(size / 1e6)


def free_memory(device: torch.device) -> int:
    """Measure how many bytes of memory are free where a model runs.

    ``device``: of the model. Devices that share the main memory count as such.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    # Also right for devices that share the main memory, as Apple's do; available counts what the system can give back.
    return int(psutil.virtual_memory().available)

"""Loading and saving of checkpoints: official ``.pt`` files and safetensors, strictly and without unpickling code."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from napari_sam2.model.centre_head import PREFIX, CentreHead
from napari_sam2.model.config import CONFIGS, HieraConfig, InferenceOptions, Sam2Config
from napari_sam2.model.precision import halve_products
from napari_sam2.model.sam2 import Sam2, build_sam2

from .arithmetic import choose_arithmetic
from .backends import choose_backend, is_address
from .catalog import BUNDLED_NAME, CATALOG, get_entry
from .presets import PRESETS
from .source import ModelSource, note_source
from .thread_choice import choose_threads
from .triton_apart import load_triton_apart

# "mixed" is float32 with the large products in bfloat16.
DTYPES = {"float32": torch.float32, "mixed": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

# Where a .pt file keeps what SAM 2 itself does not have.
_BESIDE = "napari_sam2"

# A pickle whose bytes are damaged sends its reader astray, which ends in any of these.
_UNREADABLE = (
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)


def load_model(
    name: str | None = None,
    *,
    checkpoint: str | Path | None = None,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    image_size: int | None = None,
    preset: str = "balanced",
    backend: str = "auto",
) -> Sam2:
    """Load a model by its catalogue name or from a file.

    Parameters
    ----------
    name : str, optional
        A name of the catalogue; ``"sam2_nano"``, the bundled model, where neither name nor file is given.
    checkpoint : path, optional
        An official or fine-tuned ``.pt`` file, or safetensors; size and generation are read from it.
    device : str or torch.device
        ``"auto"`` takes CUDA, else MPS, else the CPU. ``"tcp://host:8786"`` is a Dask cluster, such as
        ``napari-sam2 serve`` starts: the model is loaded on a worker of it, and sessions compute there.
    dtype : str or torch.dtype
        ``"float32"`` (all of it, memory maps included), ``"mixed"`` (float32, but the large products of encoder and
        memory attention in bfloat16), ``"bfloat16"``, ``"float16"``, or ``"auto"``: what the preset says, else what the
        device does well; on a CPU float32 or mixed, whichever is measured to be quicker.
    image_size : int, optional
        Side of the square input in pixels, a multiple of 32; the variant's own where not given.
    preset : str
        ``"exact"`` (what the reference computes), ``"balanced"`` or ``"fast"``.
    backend : str
        ``"torch"``, ``"openvino"`` (the image encoder, on the CPU, with the extra of that name), or ``"auto"``: torch.

    Returns
    -------
    Sam2
        In evaluation mode, on the device.

    Raises
    ------
    ValueError
        For an unknown name, preset, device, dtype or backend, a file that is not a SAM 2 checkpoint, or OpenVINO on
        another device than the CPU.
    FileNotFoundError
        Where the weights are not on this machine; the message says how to get them.
    MissingExtraError
        Where OpenVINO or a cluster is asked for and its package is not installed.
    ClusterError
        Where no worker of the cluster answers.
    """
    if name is not None and checkpoint is not None:
        raise ValueError(f"give a name or a checkpoint, not both: got {name!r} and {str(checkpoint)!r}")
    if preset not in PRESETS:
        raise ValueError(f"preset is one of {', '.join(PRESETS)}, got {preset!r}")
    if is_address(str(device)):
        from napari_sam2.remote.remote_model import load_there

        own = None if checkpoint is None else _own_file(checkpoint)
        how = {"dtype": dtype, "image_size": image_size, "preset": preset, "backend": backend}
        return load_there(load_model, str(device), name, own, how)
    load_triton_apart()
    # The device and type are resolved before the file is read, which takes longer.
    chosen = PRESETS[preset]
    backend, where = choose_backend(backend, str(device))
    device = choose_device(where)
    asked = chosen.dtype if dtype == "auto" else dtype
    number = choose_dtype(asked, device)

    path, own_size = _locate(name, checkpoint)
    weights, config = read_checkpoint(path)
    # The size asked for by name wins over the preset, which wins over the model's own.
    usual = chosen.input_size(own_size or config.image_size)
    config = config.with_image_size(usual if image_size is None else image_size)
    model = _build(path, weights, config, chosen.options_at(config.image_size))
    model = _cast(model, device, torch.float32 if backend == "openvino" else number)
    # Measured on the model as it will run.
    arithmetic = choose_arithmetic(model) if asked == "auto" and device.type == "cpu" else None
    mixed = (asked if arithmetic is None else arithmetic.dtype) == "mixed"
    if backend == "openvino":
        from napari_sam2.backends.openvino_encoder import use_openvino

        # Converted before the weights are rounded: OpenVINO chooses what it rounds.
        use_openvino(model, torch.bfloat16 if mixed else number)
        model = _cast(model, device, number)
    if mixed:
        halve_products(model)
    # OpenVINO has threads of its own.
    threads = choose_threads(model) if device.type == "cpu" and backend == "torch" else None
    model.threads = None if threads is None else threads.plan
    known_as = None if checkpoint is not None else name or BUNDLED_NAME
    note_source(model, ModelSource(known_as, path, backend, arithmetic, threads=threads))
    return model


def _build(path: Path, weights: dict[str, Tensor], config: Sam2Config, options: InferenceOptions) -> Sam2:
    # Built without memory: the tensors of the file become the parameters themselves, without a second copy.
    with torch.device("meta"):
        model = build_sam2(config, options)
        # Only models of this package have a centre head, and not all of them.
        if any(key.startswith(PREFIX) for key in weights):
            model.centre_head = CentreHead(config.d_model)
    # PyTorch's own message lists hundreds of keys without shapes.
    _check_weights(path, weights, model)
    model.load_state_dict(weights, strict=True, assign=True)
    return model.requires_grad_(False)


def _own_file(checkpoint: str | Path) -> Path:
    path = Path(checkpoint).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint file {str(path)!r}")
    return path


def _locate(name: str | None, checkpoint: str | Path | None) -> tuple[Path, int | None]:
    if checkpoint is not None:
        path = _own_file(checkpoint)
        # Nothing inside a file tells its input size, but a catalogued file is known by its name.
        sizes = [entry.image_size for entry in CATALOG.values() if entry.file_name == path.name]
        return path, (sizes[0] if sizes else None)
    entry = get_entry(name or BUNDLED_NAME)
    if not entry.path.is_file():
        how = (
            "reinstall the package"
            if entry.bundled
            else f"run 'napari-sam2 weights download {entry.name}', or put {entry.url} there by hand"
        )
        raise FileNotFoundError(f"the weights of {entry.name} are not at {entry.path}: {how}")
    return entry.path, entry.image_size


def choose_device(device: str | torch.device) -> torch.device:
    """Resolve ``"auto"`` and check that the device is there.

    ``device``: such as ``"cuda:1"``; ``"auto"`` takes CUDA, else MPS, else the CPU.
    """
    available = ["cpu"]
    if torch.backends.mps.is_available():
        available.insert(0, "mps")
    # Best first, as "auto" takes the first; without an index, the current GPU is meant.
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    available[:0] = ["cuda", *(f"cuda:{index}" for index in range(gpus))] if gpus else []
    if device == "auto":
        return torch.device(available[0])
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"unknown device {str(device)!r}; here there is: {', '.join(available)}") from error
    if found.type not in available or (found.type == "cuda" and str(found) not in available):
        raise ValueError(f"device {str(device)!r} is not available; here there is: {', '.join(available)}")
    return found


def choose_dtype(dtype: str | torch.dtype, device: torch.device) -> torch.dtype:
    """Resolve ``"auto"`` to the type that the device computes fast without losing masks.

    ``dtype``: one of `DTYPES`, or ``"auto"``.
    """
    if isinstance(dtype, torch.dtype):
        dtype = str(dtype).removeprefix("torch.")
    if dtype == "auto":
        if device.type == "cuda":
            # float16 can overflow in memory attention, but older GPUs only emulate bfloat16.
            return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
        return torch.float32
    if dtype not in DTYPES:
        raise ValueError(f"dtype is 'auto' or one of {', '.join(DTYPES)}, got {dtype!r}")
    return DTYPES[dtype]


def _cast(model: Sam2, device: torch.device, dtype: torch.dtype) -> Sam2:
    # The Fourier matrix of the prompt encoder stays in float32: rounding it would move every prompt.
    fourier = model.sam_prompt_encoder.pe_layer
    matrix = fourier.positional_encoding_gaussian_matrix.to(device, torch.float32)
    model.to(device=device, dtype=dtype)
    fourier.positional_encoding_gaussian_matrix = matrix
    return model.eval()


def read_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], Sam2Config]:
    """Read a checkpoint's tensors and find out which member of the family it is.

    ``path``: a ``.pt`` or ``.pth`` file in the official layout (tensors under ``"model"``) or a bare state dict, or a
    safetensors file.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        weights, stored = _read_safetensors(path)
    else:
        weights, stored = _read_torch(path), None
    weights = {_official_key(key): value for key, value in weights.items()}
    return weights, stored or detect_config(weights, path.name)


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], Sam2Config | None]:
    try:
        weights = load_file(path)
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path.name} is not a readable safetensors file: {error}") from error
    # Files of other programs describe themselves by their tensors only.
    if "config" not in metadata:
        return weights, None
    try:
        fields = json.loads(metadata["config"])
        trunk: dict[str, Any] = fields.pop("trunk")
        # JSON has no tuples, which the configuration compares by.
        trunk = {k: tuple(v) if isinstance(v, list) else v for k, v in trunk.items()}
        return weights, Sam2Config(trunk=HieraConfig(**trunk), **fields)
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise ValueError(f"the model description inside {path.name} is damaged: {error}") from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        # weights_only builds tensors and containers and refuses anything else that a pickle can do.
        content = torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        # What PyTorch says is advice to run whatever code the file may hold.
        raise ValueError(
            f"{path.name} cannot be read as a checkpoint of plain tensors: it is another kind of file, is damaged, or "
            "holds code, which is never run"
        ) from error
    # Training programs save the bare table.
    weights = content.get("model", content) if isinstance(content, Mapping) else None
    if isinstance(weights, Mapping) and isinstance(content.get(_BESIDE), Mapping):
        # Beside the official table, where other programs do not look.
        weights = {**weights, **content[_BESIDE]}
    if not isinstance(weights, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in weights.items()
    ):
        raise ValueError(f"{path.name} holds no table of tensors, neither under 'model' nor at its top")
    return dict(weights)


def _official_key(key: str) -> str:
    # Data-parallel training prefixes every key; some re-packagings rename the layer scale.
    key = key.removeprefix("module.")
    if key.startswith("memory_encoder.fuser.layers.") and key.count(".") == 4 and key.endswith(".weight"):
        return key.removesuffix("weight") + "gamma"
    return key


def detect_config(weights: Mapping[str, Tensor], source: str = "the checkpoint") -> Sam2Config:
    """Find out generation and size of a model from the keys and shapes of its tensors."""
    patch_key, pointer_key = "image_encoder.trunk.patch_embed.proj.weight", "no_obj_ptr"
    lacking = [key for key in (patch_key, pointer_key) if key not in weights]
    if lacking:
        shown = ", ".join(sorted(weights)[:3]) or "nothing"
        raise ValueError(f"{source} is not a SAM 2 checkpoint: it lacks {', '.join(lacking)}; it has {shown}, ...")
    # A parameter that 2.1 added.
    generation = "2.1" if "no_obj_embed_spatial" in weights else "2.0"
    # Sliced, as the tensors of a strange file may have no axes at all.
    embed_dim, d_model = sum(weights[patch_key].shape[:1]), sum(weights[pointer_key].shape[-1:])
    prefix = "image_encoder.trunk.blocks."
    blocks = {key.removeprefix(prefix).split(".")[0] for key in weights if key.startswith(prefix)}
    # Width and depth of the encoder tell all known sizes apart.
    for config in CONFIGS.values():
        signature = (config.generation, config.trunk.embed_dim, config.trunk.num_blocks, config.d_model)
        if signature == (generation, embed_dim, len(blocks), d_model):
            return config
    raise ValueError(
        f"{source} looks like SAM {generation} with {embed_dim} channels, {len(blocks)} encoder blocks and "
        f"{d_model}-channel features, which is none of {', '.join(CONFIGS)}"
    )


def _check_weights(path: Path, weights: Mapping[str, Tensor], model: Sam2) -> None:
    # All differences at once, the first ten of them with shapes.
    expected = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in weights.items()}
    problems = [f"missing {key} {expected[key]}" for key in sorted(expected.keys() - found.keys())]
    problems += [f"unexpected {key} {found[key]}" for key in sorted(found.keys() - expected.keys())]
    problems += [
        f"{key} has shape {found[key]}, expected {expected[key]}"
        for key in sorted(expected.keys() & found.keys())
        if expected[key] != found[key]
    ]
    problems += [
        f"{key} holds {str(value.dtype).removeprefix('torch.')}, not floating-point numbers"
        for key, value in weights.items()
        if not value.is_floating_point()
    ]
    if problems:
        more = f"; and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise ValueError(f"{path.name} does not fit {model.config.name}: {'; '.join(problems[:10])}{more}")


def save_checkpoint(model: Sam2, path: str | Path, *, dtype: str | torch.dtype = "float32") -> None:
    """Write a checkpoint that this and other SAM 2 programs read.

    Parameters
    ----------
    model : Sam2
        Its weights are copied; the model itself is not changed.
    path : path
        ``.pt`` or ``.pth`` for the official layout, ``.safetensors`` for the same keys with the model's description
        beside them. The former keeps a centre head outside the official table, the latter under a prefix of its own.
        Replaced only once the new file is complete.
    dtype : str or torch.dtype
        Type of the stored numbers; the Fourier matrix of the prompt encoder is always stored in float32.

    Raises
    ------
    ValueError
        For another ending.
    FileNotFoundError
        If the folder does not exist.
    """
    path = Path(path)
    if path.suffix not in (".pt", ".pth", ".safetensors"):
        raise ValueError(f"a checkpoint's name ends in .pt, .pth or .safetensors, got {path.name!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(path.parent)!r} to write {path.name} to")
    number = choose_dtype(dtype, torch.device("cpu"))
    weights = {
        key: value.detach().to("cpu", torch.float32 if "gaussian_matrix" in key else number).contiguous().clone()
        for key, value in model.state_dict().items()
    }
    # Written beside the place and renamed: an interrupted save leaves the old checkpoint whole.
    partial = path.with_name(f".{path.name}.part")
    try:
        if path.suffix == ".safetensors":
            config = json.dumps(asdict(model.config))
            save_file(weights, partial, metadata={"format": "pt", "config": config})
        else:
            # The official loader refuses unknown keys in its table, so the centre head goes beside it.
            beside = {key: weights.pop(key) for key in list(weights) if key.startswith(PREFIX)}
            torch.save({"model": weights} | ({_BESIDE: beside} if beside else {}), partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)

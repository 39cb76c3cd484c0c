"""The image encoder, computed by OpenVINO."""

from __future__ import annotations

import copy
import hashlib
import importlib.metadata
import logging
from typing import Any

import torch
from torch import Tensor, nn

from napari_sam2.data.files.disk_cache import DiskCache
from napari_sam2.model.image_encoder import ImageEncoder, Narrowing
from napari_sam2.model.sam2 import Sam2
from napari_sam2.weights.catalog import cache_dir

from .openvino_runtime import Compiler, Network

logger = logging.getLogger(__name__)

CACHE_BYTES = 2 * 2**30


class OpenvinoImageEncoder(ImageEncoder):
    """An image encoder that stands in for PyTorch's and keeps its weights, under the same names.

    The weights are there to be saved and to be copied: a deep copy, which may be taught, is an `ImageEncoder`. PyTorch
    computes what OpenVINO cannot: gradients, other sizes, other devices, and everything once other weights were loaded.
    """

    def __init__(self, encoder: ImageEncoder, network: Network) -> None:
        nn.Module.__init__(self)
        self.trunk, self.neck = encoder.trunk, encoder.neck
        self._network: Network | None = network
        self.train(encoder.training)
        self.register_load_state_dict_post_hook(_forget_network)  # type: ignore[no-untyped-call]

    def forward(self, image_bchw: Tensor, narrow: Narrowing | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Encode images, as `ImageEncoder.forward`."""
        network = self._network
        if network is None or image_bchw.shape[1:] != network.input_shape[1:] or not self._is_inference(image_bchw):
            return super().forward(image_bchw, narrow)
        # The network takes one image at a time, whatever the batch.
        s4, s8, s16 = map(torch.cat, zip(*(network(image[None]) for image in image_bchw), strict=True))
        if narrow is not None:
            s4, s8 = narrow[0](s4), narrow[1](s8)
        return s4, s8, s16

    def _is_inference(self, image_bchw: Tensor) -> bool:
        learns = image_bchw.requires_grad or any(parameter.requires_grad for parameter in self.parameters())
        return image_bchw.device.type == "cpu" and not (learns and torch.is_grad_enabled())

    def __deepcopy__(self, memo: dict[int, Any]) -> ImageEncoder:
        twin = ImageEncoder.__new__(ImageEncoder)
        nn.Module.__init__(twin)
        twin.trunk, twin.neck = copy.deepcopy(self.trunk, memo), copy.deepcopy(self.neck, memo)
        return twin.train(self.training)


def _forget_network(encoder: OpenvinoImageEncoder, _keys: object) -> None:
    encoder._network = None


def use_openvino(model: Sam2, dtype: torch.dtype) -> None:
    """Let OpenVINO compute a model's image encoder."""
    # Compiling takes seconds: a network of these weights may be kept from an earlier start.
    compiler, kept = Compiler(dtype), network_cache()
    key = _network_key(model, compiler.version)
    content = None if kept is None else kept.load(key)
    network = None if content is None else compiler.load(content)
    if network is None:
        size = model.config.image_size
        network = compiler.compile(model.image_encoder, torch.zeros(1, 3, size, size))
        if kept is not None:
            kept.save(key, network.export())
    model.image_encoder = OpenvinoImageEncoder(model.image_encoder, network)


def network_cache(budget: int = CACHE_BYTES) -> DiskCache | None:
    """Compiled networks in the user's cache folder, so that only the first start has to compile."""
    folder = cache_dir() / "openvino"
    try:
        return DiskCache(folder, ".network", budget)
    except OSError as error:
        logger.warning("compiled networks are not kept in %s: %s", folder, error)
        return None


def _network_key(model: Sam2, version: str) -> str:
    """Digest of everything that a compiled encoder depends on; the precision is chosen when it is read."""
    about = importlib.metadata.version("napari-sam2"), version, model.config
    digest = hashlib.sha256(repr(about).encode())
    for name, tensor in model.image_encoder.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy())
    return digest.hexdigest()

"""Image features kept on disk, so that a frame encoded once need not be encoded again in a later session."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from napari_sam2.data.files.disk_cache import DiskCache
from napari_sam2.model.sam2 import ImageFeatures, Sam2

# Most bytes in a folder; files used longest ago are removed first.
DISK_BYTES = 4 * 2**30
_DIGEST_BYTES = 32
# Order of axes in the files, channels last as the model makes them. Part of the key: another order is another file.
_LAYOUT = "bhwc"


def model_fingerprint(model: Sam2) -> bytes:
    """Digest of everything but the picture that a frame's features depend on."""
    decoder = model.sam_mask_decoder
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    # Device and versions too: their kernels differ in the last bits.
    kinds = type(model).__name__, type(model.image_encoder).__name__, model.device.type
    versions = importlib.metadata.version("napari-sam2"), torch.__version__
    digest.update(repr((_LAYOUT, *kinds, *versions, model.config)).encode())
    # Only the parts that make the features: fine-tuning the rest of the model leaves them valid.
    for part in (model.image_encoder, decoder.conv_s0, decoder.conv_s1):
        for name, tensor in part.state_dict().items():
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.digest()


class FeatureStore:
    """Features in files of a folder, found by the picture they were made of and the model that made them.

    The name of a file is a hash of the pixels as the model saw them (data, window and part of the frame at once), of
    the encoder's weights and of the numbers' type: features of other data, or of another model, are never found.

    ``folder``: made where it is missing; several sessions and models may share it.
    """

    def __init__(
        self, folder: str | os.PathLike[str], model: Sam2, *, dtype: torch.dtype, budget: int = DISK_BYTES
    ) -> None:
        self._model = model
        self._dtype = dtype
        self._fingerprint = b""
        self._files = DiskCache(folder, ".features", budget)

    def key(self, picture: NDArray[np.uint8]) -> str:
        """Compute the key of a picture's features.

        ``picture``: (size, size, 3) uint8 as it goes into the model.
        """
        if not self._fingerprint:
            # Takes a second for the largest model, so not before it is needed.
            self._fingerprint = model_fingerprint(self._model) + str(self._dtype).encode()
        digest = hashlib.blake2b(self._fingerprint, digest_size=_DIGEST_BYTES)
        digest.update(repr(picture.shape).encode())
        digest.update(np.ascontiguousarray(picture).data)
        return digest.hexdigest()

    def load(self, key: str) -> ImageFeatures | None:
        """Return features on the model's device; ``None`` where they are missing or damaged."""
        payload = self._files.load(key)
        if payload is None:
            return None
        maps_bhwc = safetensors.torch.load(payload)
        # Copies: where a file's numbers begin, kernels may take another order of sums than where the model's own do.
        copies = {name: x.to(self._model.device, copy=True) for name, x in maps_bhwc.items()}
        return ImageFeatures(**{name: x.permute(0, 3, 1, 2) for name, x in copies.items()})

    def save(self, key: str, features: ImageFeatures) -> None:
        """Write features; a disk that is full or read-only is warned about once and not written to again."""
        maps = vars(features)
        # Before anything is copied, which for a large model takes longer than what is kept saves.
        if self._files.takes(sum(x.nbytes for x in maps.values())):
            maps_bhwc = {name: x.permute(0, 2, 3, 1).cpu().contiguous() for name, x in maps.items()}
            self._files.save(key, safetensors.torch.save(maps_bhwc))

"""Image features on disk, next to those in memory: what was encoded once is there in the next session, too."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import os
import tempfile
import time
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from napari_sam2.model.sam2 import ImageFeatures, Sam2

logger = logging.getLogger(__name__)

DISK_BYTES = 4 * 2**30
_SUFFIX, _DRAFT = ".features", ".draft-"
_DIGEST_BYTES = 32
_DRAFT_SECONDS = 3600
# In the files, which are found by it: numbers lie there as the model makes them.
_LAYOUT = "bhwc"


def model_fingerprint(model: Sam2) -> bytes:
    """Digest of everything but the picture that a frame's features depend on."""
    decoder = model.sam_mask_decoder
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    kinds = type(model).__name__, type(model.image_encoder).__name__, model.device.type
    versions = importlib.metadata.version("napari-sam2"), torch.__version__
    digest.update(repr((_LAYOUT, *kinds, *versions, model.config)).encode())
    for part in (model.image_encoder, decoder.conv_s0, decoder.conv_s1):
        for name, tensor in part.state_dict().items():
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.digest()


class FeatureStore:
    """Features in files of a folder, found by the picture they were made of and the model that made them.

    The name of a file is a hash of the pixels as the model saw them (data, window and part of the frame at once), of
    the encoder's weights and of the numbers' type: features of other data, or of another model, are never found. Each
    file carries a checksum; a damaged one is removed as if it had not been there. Files are written beside their place
    and moved there whole.

    Parameters
    ----------
    folder : str or path-like
        Made where it is missing; several sessions and models may share it.
    model : Sam2
        Whose features they are.
    dtype : torch.dtype
        Type of the numbers kept.
    budget : int
        Bytes that all files of the folder may take; those used longest ago are removed.

    Raises
    ------
    OSError
        If the folder cannot be made or read.
    """

    def __init__(
        self, folder: str | os.PathLike[str], model: Sam2, *, dtype: torch.dtype, budget: int = DISK_BYTES
    ) -> None:
        self.folder = Path(folder).expanduser()
        self.budget = budget
        self._model = model
        self._dtype = dtype
        self._fingerprint = b""
        self._writable = True
        self.folder.mkdir(parents=True, exist_ok=True)
        self._remove_old_drafts()
        self._sizes = self._scan()
        self._total = sum(self._sizes.values())
        self._shrink()

    def key(self, picture: NDArray[np.uint8]) -> str:
        """Name the features of a picture.

        Parameters
        ----------
        picture : ndarray
            (size, size, 3) uint8 as it goes into the model.
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
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            self._forget(key)
            return None
        payload = memoryview(content)[_DIGEST_BYTES:]
        if content[:_DIGEST_BYTES] != _checksum(key, payload):
            logger.warning("%s is damaged and is made again", path)
            self._forget(key)
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            os.utime(path)
        self._note(key, len(content))
        maps_bhwc = safetensors.torch.load(bytes(payload))
        # Copies: where a file's numbers begin, kernels may take another order of sums than where the model's own do.
        copies = {name: x.to(self._model.device, copy=True) for name, x in maps_bhwc.items()}
        return ImageFeatures(**{name: x.permute(0, 3, 1, 2) for name, x in copies.items()})

    def save(self, key: str, features: ImageFeatures) -> None:
        """Keep features; a disk that is full or read-only is told of once and then left alone."""
        maps = vars(features)
        # Before anything is copied, which for a large model takes longer than what is kept saves.
        if not self._writable or sum(x.nbytes for x in maps.values()) > self.budget:
            return
        payload = safetensors.torch.save({name: x.permute(0, 2, 3, 1).cpu().contiguous() for name, x in maps.items()})
        try:
            self._write(key, _checksum(key, payload), payload)
        except OSError as error:
            self._writable = False
            logger.warning("image features are no longer kept in %s: %s", self.folder, error)
            return
        self._note(key, _DIGEST_BYTES + len(payload))
        self._shrink()

    def _write(self, key: str, checksum: bytes, payload: bytes) -> None:
        handle, draft = tempfile.mkstemp(prefix=_DRAFT, dir=self.folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(checksum)
                file.write(payload)
            os.replace(draft, self._path(key))
        except OSError:
            Path(draft).unlink(missing_ok=True)
            raise

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"

    def _remove_old_drafts(self) -> None:
        """Remove what a program that was killed left half-written, but nothing that is being written now."""
        for path in self.folder.glob(f"{_DRAFT}*"):
            with suppress(OSError):
                if path.stat().st_mtime < time.time() - _DRAFT_SECONDS:
                    path.unlink()

    def _scan(self) -> OrderedDict[str, int]:
        """Sizes of the files by key, those used longest ago first."""
        with os.scandir(self.folder) as entries:
            found = [
                (e.stat().st_mtime_ns, e.name.removesuffix(_SUFFIX), e.stat().st_size) for e in entries if _is_ours(e)
            ]
        return OrderedDict((key, size) for _, key, size in sorted(found))

    def _note(self, key: str, size: int) -> None:
        self._forget(key)
        self._sizes[key] = size
        self._total += size

    def _forget(self, key: str) -> None:
        self._total -= self._sizes.pop(key, 0)

    def _shrink(self) -> None:
        while self._total > self.budget:
            key = next(iter(self._sizes))
            self._forget(key)
            with suppress(OSError):
                self._path(key).unlink()


def _is_ours(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(_SUFFIX) and entry.is_file()


def _checksum(key: str, payload: bytes | memoryview) -> bytes:
    # With the key in it, a file under another one's name is found out.
    digest = hashlib.blake2b(key.encode(), digest_size=_DIGEST_BYTES)
    digest.update(payload)
    return digest.digest()

"""The options that pick a model and say how it runs, shared by the commands."""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.weights.catalog import BUNDLED_NAME, get_entry

if TYPE_CHECKING:
    from napari_sam2.model.sam2 import Sam2


@dataclass(frozen=True)
class ModelOptions:
    """Which model, and how it runs.

    Attributes
    ----------
    model : str or None
        A name of the catalogue; the bundled model where neither name nor file is given.
    checkpoint : Path or None
        A file instead.
    device, dtype, preset : str
        As `napari_sam2.load_model` takes them.
    image_size : int or None
        Side of the model's input in pixels.
    """

    model: str | None = None
    checkpoint: Path | None = None
    device: str = "auto"
    dtype: str = "auto"
    preset: str = "balanced"
    image_size: int | None = None

    @property
    def file(self) -> Path:
        """The file of the weights; ``ValueError`` for a name that is not in the catalogue."""
        return self.checkpoint or get_entry(self.model or BUNDLED_NAME).path

    def load(self) -> Sam2:
        """Load the model.

        Returns
        -------
        Sam2
            On its device.

        Raises
        ------
        ValueError, FileNotFoundError
            As `napari_sam2.load_model`.
        """
        from napari_sam2.weights.load import load_model

        return load_model(
            self.model,
            checkpoint=self.checkpoint,
            device=self.device,
            dtype=self.dtype,
            image_size=self.image_size,
            preset=self.preset,
        )

    def describe(self, model: Sam2) -> dict[str, Any]:
        """Describe the loaded model, for the record of a run.

        Parameters
        ----------
        model : Sam2
            What `load` returned.

        Returns
        -------
        dict
            Name, variant, file with its hash, and what the ``"auto"`` options turned out to be.
        """
        with self.file.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return {
            "name": None if self.checkpoint else self.model or BUNDLED_NAME,
            "variant": model.config.name,
            "file": self.file.resolve(),
            "sha256": sha256,
            "device": str(model.device),
            "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
            "image_size": model.config.image_size,
            "preset": self.preset,
        }


def zoom_option(text: str) -> str | float:
    """Read what ``--zoom`` takes: ``"auto"``, ``"off"`` or a factor; the session says what is wrong with others."""
    try:
        return float(text)
    except ValueError:
        return text


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ModelOptions` to a command."""
    group = parser.add_argument_group("model")
    which = group.add_mutually_exclusive_group()
    which.add_argument("--model", metavar="NAME", help=f"one of 'napari-sam2 weights list' (default {BUNDLED_NAME})")
    which.add_argument("--checkpoint", metavar="FILE", type=Path, help="a .pt or .safetensors file instead")
    group.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps, ...")
    group.add_argument("--dtype", default="auto", help="auto (default), float32, bfloat16 or float16")
    group.add_argument("--preset", default="balanced", help="exact, balanced (default) or fast")
    group.add_argument(
        "--image-size", type=int, metavar="N", help="side of the model's input in pixels, a multiple of 32"
    )


def add_zoom_argument(parser: argparse._ActionsContainer) -> None:
    """Add ``--zoom`` to a command."""
    text = "auto (default unless --preset exact): small objects are tracked in windows that go with them; off; a factor"
    parser.add_argument("--zoom", type=zoom_option, metavar="auto|off|N", help=text)

"""What a job is asked for: which model, which part of the input, what to track and what to write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.weights.catalog import BUNDLED_NAME, get_entry
from napari_sam2.weights.hash_file import hash_file

if TYPE_CHECKING:
    from napari_sam2.data.images.stack import Stack
    from napari_sam2.data.prompts.prompt import Prompt
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
    backend : str
        As `napari_sam2.load_model` takes it.
    """

    model: str | None = None
    checkpoint: Path | None = None
    device: str = "auto"
    dtype: str = "auto"
    preset: str = "balanced"
    image_size: int | None = None
    backend: str = "auto"

    @property
    def how(self) -> dict[str, Any]:
        """Everything that says how a model runs, by the names of `napari_sam2.load_model`."""
        return {name: getattr(self, name) for name in ("device", "dtype", "image_size", "preset", "backend")}

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

        return load_model(self.model, checkpoint=self.checkpoint, **self.how)

    @property
    def sha256(self) -> str:
        """Hash of the weights' file, or what the catalogue has it to be where that is published.

        Raises
        ------
        ValueError, OSError
            If the name is not in the catalogue, or the file is not there.
        """
        entry = None if self.checkpoint else get_entry(self.model or BUNDLED_NAME)
        return (entry and entry.sha256) or hash_file(self.file)

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
        return {
            "name": None if self.checkpoint else self.model or BUNDLED_NAME,
            "variant": model.config.name,
            "file": self.file.resolve(),
            "sha256": hash_file(self.file),
            "device": str(model.device),
            "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
            "image_size": model.config.image_size,
            "preset": self.preset,
        }


@dataclass(frozen=True)
class InputOptions:
    """Which frames of a file are tracked.

    Attributes
    ----------
    axis : str or None
        ``"t"`` or ``"z"``; what the file says where not given.
    at : int or None
        Index on the other axis of an image with both.
    channels : tuple of int
        One channel, or up to three shown together.
    windows : tuple of tuple of float
        (low, high) of the channels shown together.
    level : int
        Resolution, 0 for the finest.
    crop : tuple of int or None
        (y0, x0, y1, x1) to track by itself.
    every : Fraction
        3 for every third frame, 1/2 for each twice.
    """

    axis: str | None = None
    at: int | None = None
    channels: tuple[int, ...] = ()
    windows: tuple[tuple[float, float], ...] = ()
    level: int = 0
    crop: tuple[int, int, int, int] | None = None
    every: Fraction = Fraction(1)

    def open(self, path: Path) -> Stack:
        """Open the whole stack, without crop or skipping.

        Raises
        ------
        ValueError, OSError, MissingExtraError
            As `napari_sam2.data.open_stack`.
        """
        from napari_sam2.data.images.selection import Selection
        from napari_sam2.data.readers.open_stack import open_stack

        selection = Selection(self.at, self.channels, self.windows, self.level)
        return open_stack(path, axis=self.axis, selection=selection)

    def words(self) -> list[str]:
        """Give the options as words of a command, without the axis."""
        values: dict[str, object] = {
            "--at": self.at,
            "--channels": ",".join(map(str, self.channels)) or None,
            "--level": self.level or None,
            "--crop": ",".join(map(str, self.crop or ())) or None,
            "--every": None if self.every == 1 else self.every,
        }
        words = [str(word) for name, value in values.items() if value is not None for word in (name, value)]
        for low, high in self.windows:
            words += ["--contrast-limits", str(low), str(high)]
        return words

    def record(self) -> dict[str, Any]:
        """Give the options as JSON."""
        return {
            "at": self.at,
            "channels": list(self.channels),
            "windows": [list(pair) for pair in self.windows],
            "level": self.level,
            "crop": None if self.crop is None else list(self.crop),
            "every": str(self.every),
        }


@dataclass(frozen=True)
class JobOptions:
    """What to track, and how.

    Attributes
    ----------
    input, prompts, output : Path
        A stack, a prompts file or a label image, and the folder for the results.
    given : tuple of Prompt or None
        Prompts that were read already, from a session folder that stands in place of the prompts file.
    model : ModelOptions
        Which model, and how it runs.
    part : InputOptions
        Which frames, channels and region of the input.
    direction : str
        As `Session.propagate` takes it.
    start, max_frames : int or None
        As `Session.propagate` takes them; the start is a frame of the whole input.
    contrast_limits : tuple of float or None
        Values shown black and white.
    fill_holes : int
        As `Session` takes it.
    zoom : str, float or None
        As `Session` takes it.
    exports : tuple of str
        Formats to write besides labels and scores.
    overwrite : bool
        Whether results that are in the folder already may be replaced.
    save : bool
        Whether a session folder is kept up to date beside the results.
    """

    input: Path
    prompts: Path
    output: Path
    model: ModelOptions = field(default_factory=ModelOptions)
    part: InputOptions = field(default_factory=InputOptions)
    direction: str = "outward"
    start: int | None = None
    max_frames: int | None = None
    contrast_limits: tuple[float, float] | None = None
    fill_holes: int = 8
    zoom: str | float | None = None
    exports: tuple[str, ...] = ("png",)
    overwrite: bool = False
    save: bool = False
    given: tuple[Prompt, ...] | None = None

    def to_plain(self) -> dict[str, Any]:
        """Write the options, without prompts that are given, as plain data that JSON can hold."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(replace(self, given=None)), default=str))
        del plain["given"]
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> JobOptions:
        """Read what `to_plain` wrote."""
        model, part, limits = plain["model"], plain["part"], plain["contrast_limits"]
        changed = {
            "input": Path(plain["input"]),
            "prompts": Path(plain["prompts"]),
            "output": Path(plain["output"]),
            "model": ModelOptions(**model | {"checkpoint": model["checkpoint"] and Path(model["checkpoint"])}),
            "part": InputOptions(
                part["axis"],
                part["at"],
                tuple(part["channels"]),
                tuple((low, high) for low, high in part["windows"]),
                part["level"],
                part["crop"] and tuple(part["crop"]),
                Fraction(part["every"]),
            ),
            "contrast_limits": limits and tuple(limits),
            "exports": tuple(plain["exports"]),
        }
        return cls(**dict(plain) | changed)

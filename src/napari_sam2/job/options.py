"""Options of a job: model, part of the input, tracking and results; also the source of the command line's options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from napari_sam2.option_fields import option, option_words
from napari_sam2.weights.backends import is_address
from napari_sam2.weights.catalog import BUNDLED_NAME, get_entry
from napari_sam2.weights.hash_file import hash_file

from .option_types import channel_list, crop_box, every_frame, format_names, zoom_option

if TYPE_CHECKING:
    from napari_sam2.data.images.selection import Selection
    from napari_sam2.data.images.stack import Stack
    from napari_sam2.data.labels.lineage import LifeSpan
    from napari_sam2.data.prompts.prompt import Prompt
    from napari_sam2.model.sam2 import Sam2

# Formats that each choice of --overlay writes.
OVERLAYS = MappingProxyType({"gif": ("gif",), "png": ("png",), "both": ("gif", "png"), "none": ()})


@dataclass(frozen=True)
class ModelOptions:
    """Which model, and how it runs, as `napari_sam2.load_model` takes it."""

    model: str | None = option(
        None, f"one of 'napari-sam2 weights list' (default {BUNDLED_NAME})", metavar="NAME", instead=True
    )
    checkpoint: Path | None = option(
        None, "a .pt or .safetensors file instead", metavar="FILE", type=Path, instead=True
    )
    device: str = option("auto", "auto (default), cpu, cuda, cuda:1, mps, ..., or the tcp://HOST:PORT of 'serve'")
    dtype: str = option("auto", "auto (default), float32, mixed, bfloat16 or float16")
    preset: str = option("balanced", "exact, balanced (default) or fast")
    image_size: int | None = option(
        None, "side of the model's input in pixels, a multiple of 32", metavar="N", type=int
    )
    backend: str = option("auto", "auto (default: torch), torch or openvino")

    @property
    def how(self) -> dict[str, Any]:
        """Settings of how a model runs, by the names of the arguments of `napari_sam2.load_model`."""
        return {name: getattr(self, name) for name in ("device", "dtype", "image_size", "preset", "backend")}

    @property
    def file(self) -> Path:
        """The file of the weights; ``ValueError`` for a name that is not in the catalogue."""
        return self.checkpoint or get_entry(self.model or BUNDLED_NAME).path

    def load(self) -> Sam2:
        """Load the model, as `napari_sam2.load_model` does."""
        from napari_sam2.weights.load import load_model

        return load_model(self.model, checkpoint=self.checkpoint, **self.how)

    @property
    def sha256(self) -> str:
        """Hash of the weights' file, or what the catalogue has it to be where that is published."""
        entry = None if self.checkpoint else get_entry(self.model or BUNDLED_NAME)
        # The published hash saves reading a gigabyte, and works before the file is downloaded.
        return (entry and entry.sha256) or hash_file(self.file)

    def describe(self, model: Sam2) -> dict[str, Any]:
        """Describe the model that `load` returned, for the record of a run."""
        return {
            "name": None if self.checkpoint else self.model or BUNDLED_NAME,
            "variant": model.config.name,
            "file": self.file.resolve(),
            "sha256": self.sha256 if is_address(self.device) else hash_file(self.file),
            "device": self.device if is_address(self.device) else str(model.device),
            "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
            "image_size": model.config.image_size,
            "preset": self.preset,
        }


@dataclass(frozen=True)
class InputOptions:
    """Which part of an input is tracked."""

    axis: str | None = option(
        None,
        "what to track along; by default what the file says, else t. A file with both time and depth needs it",
        choices=("t", "z"),
    )
    at: int | None = option(None, "the place on the other axis of a file with time and depth", metavar="N", type=int)
    channels: tuple[int | str, ...] = option(
        (),
        "the channel to track in, by name or number, or up to three, which the model sees as red, green and blue",
        "--channel",
        "--channels",
        metavar="NAME|N,...",
        type=channel_list,
    )
    # (low, high) of channels shown together.
    windows: tuple[tuple[float, float], ...] = ()
    level: int = option(0, "resolution of a pyramid, 0 for the finest", metavar="N", type=int)
    crop: tuple[int, int, int, int] | None = option(
        None,
        "track in this box only, at its own resolution; prompts and results stay in pixels of the whole frame",
        metavar="Y0,X0,Y1,X1",
        type=crop_box,
    )
    every: Fraction = option(
        Fraction(1),
        "3: every third frame, the ones between are filled in; 1/2: each frame twice",
        metavar="N",
        type=every_frame,
    )

    series: str | None = option(
        None, "which of several: a DICOM series, a scene of a CZI, ND2 or LIF file; its name or number", metavar="NAME"
    )

    @classmethod
    def of(cls, selection: Selection) -> InputOptions:
        """Make options of a part of an image."""
        return cls(**vars(selection))

    @property
    def selection(self) -> Selection:
        """The part of an image that they name."""
        from napari_sam2.data.images.selection import Selection

        return Selection(**vars(self))

    def open(self, path: Path) -> Stack:
        """Open the whole stack, without crop or skipping, as `napari_sam2.data.open_stack` does."""
        from napari_sam2.data.readers.open_stack import open_stack

        return open_stack(path, selection=self.selection.whole)

    def record(self) -> dict[str, Any]:
        """Return the options as an object that JSON can hold."""
        return self.selection.to_json()


@dataclass(frozen=True)
class ResultOptions:
    """Which files are written besides labels and scores."""

    overlay: str = option(
        "png",
        "picture of the objects over the frames with their scores: %(choices)s (default %(default)s)",
        choices=tuple(OVERLAYS),
    )
    export: tuple[str, ...] = option(
        (),
        "more formats to write, with commas between them: see 'napari-sam2 export --help'",
        metavar="FORMAT,...",
        type=format_names,
    )

    @property
    def formats(self) -> tuple[str, ...]:
        """Names of all formats."""
        return (*OVERLAYS[self.overlay], *self.export)


@dataclass(frozen=True)
class JobOptions:
    """What to track, and how: a stack, a prompts file or a label image, and the folder for the results."""

    input: Path
    prompts: Path
    output: Path
    model: ModelOptions = field(default_factory=ModelOptions)
    part: InputOptions = field(default_factory=InputOptions)
    direction: str = option(
        "outward",
        "outward (default): each object both ways from its own first prompt; forward, backward or both: every object "
        "from one start (both is the default with --start)",
        choices=("outward", "forward", "backward", "both"),
    )
    # A frame of the whole input.
    start: int | None = option(
        None,
        "frame to start at; by default the first prompted one (the last for backward)",
        metavar="N",
        type=int,
    )
    max_frames: int | None = option(None, "most frames in each direction, the start included", metavar="N", type=int)
    contrast_limits: tuple[float, float] | None = option(
        None,
        "pixel values shown black and white; by default the 0.1 and 99.9 percentiles of the stack. With --channels: "
        "once for all, or once for each",
        action="append",
        metavar=("LOW", "HIGH"),
        nargs=2,
        type=float,
    )
    nan: str = option(
        "background",
        "what a pixel without a value is: background (default), or refuse, which ends the run",
        choices=("background", "refuse"),
    )
    fill_holes: int = option(
        8,
        "fill holes of up to N pixels of the mask decoder's grid, 0 for none (default %(default)s)",
        metavar="N",
        type=int,
    )
    zoom: str | float | None = option(
        None,
        "auto (default unless --preset exact): small objects are tracked in windows that go with them; off; a factor",
        metavar="auto|off|N",
        type=zoom_option,
    )
    memory: str = option(
        "auto",
        "which earlier frames a frame attends to: standard, the last ones; gated, the last ones on which the object "
        "was seen well; distractor, motion, long, pathways: see the guide to memory rules; auto (default), the best "
        "measured",
        metavar="RULE",
    )
    exemplars: Path | None = option(
        None,
        "a session folder of the same model: what its objects look like is known here, too; with or without --prompts",
        metavar="SESSION",
        type=Path,
    )
    exports: tuple[str, ...] = ("png",)
    overwrite: bool = option(False, "replace the results that DIR holds already", action="store_true")
    save: bool = option(
        False,
        "keep DIR/session.napari-sam2 up to date, so that 'napari-sam2 resume' goes on after whatever happens",
        action="store_true",
    )
    # Read already, from a session folder that stands in place of the prompts file.
    given: tuple[Prompt, ...] | None = None
    # From there, too: the begin, end and parent of objects that have one.
    spans: tuple[tuple[int, LifeSpan], ...] = ()
    # And the classes of those that have one.
    classes: tuple[tuple[int, str], ...] = ()

    def words(self, *names: str) -> list[str]:
        """Return the named options, and those of model and part, as words of a command."""
        words = [word for one in (self.model, self.part, self) for word in option_words(one, *names)]
        windows = self.part.windows or ((self.contrast_limits,) if self.contrast_limits else ())
        return words + [str(word) for window in windows for word in ("--contrast-limits", *window)]

    def to_plain(self) -> dict[str, Any]:
        """Return the options, without what was read from a session folder, as plain data that JSON can hold."""
        # Through JSON and back: paths and fractions become text at any depth.
        plain: dict[str, Any] = json.loads(
            json.dumps(asdict(replace(self, given=None, spans=(), classes=())), default=str)
        )
        del plain["given"], plain["spans"], plain["classes"]
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> JobOptions:
        """Rebuild the options that `to_plain` returned."""
        from napari_sam2.data.images.selection import Selection

        model, part, limits = plain["model"], plain["part"], plain["contrast_limits"]
        # JSON has neither paths nor tuples: these fields are converted back by hand.
        changed = {
            "input": Path(plain["input"]),
            "prompts": Path(plain["prompts"]),
            "output": Path(plain["output"]),
            "model": ModelOptions(**model | {"checkpoint": model["checkpoint"] and Path(model["checkpoint"])}),
            "part": InputOptions.of(Selection.from_json(part)),
            "contrast_limits": limits and tuple(limits),
            "exports": tuple(plain["exports"]),
            "exemplars": plain.get("exemplars") and Path(plain["exemplars"]),
        }
        return cls(**dict(plain) | changed)

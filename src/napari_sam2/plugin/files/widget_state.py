"""The file ``widget.json`` in a session folder: which image layer, object names, edits not sent yet, settings.

The session itself keeps prompts and results; this file keeps what only the widget needs, and may be missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.data.files.atomic_files import read_json, write_json
from napari_sam2.data.prompts.drawing import PromptKey
from napari_sam2.plugin.layers.layer_frames import LayerFrames, frames_along, layer_shape
from napari_sam2.plugin.layers.shown_colours import ChannelLook
from napari_sam2.plugin.state.shown_prompts import Edit

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam2.plugin.layers.shown_colours import Looks

FILE = "widget.json"
_VERSION = 2
# Thousands of points and outlines; what is larger was not written here.
_LARGEST = 2**28
# What a file that anybody may have edited can raise on its way through the parser.
_BROKEN = (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError, RecursionError)


@dataclass(frozen=True)
class ImageNotes:
    """Which layer it was, and which of its frames."""

    # Name of the layer.
    name: str
    # Its file; None for an array without one.
    path: str | None
    # Plugin that opened it.
    reader: str | None
    # Whether it is in colour.
    rgb: bool
    # The frames, without the id of their layer, which is another one each time.
    space: LayerFrames
    # How layers are shown, where the frames are their colours.
    looks: Looks = ()

    @classmethod
    def of(cls, image: Image, space: LayerFrames, looks: Looks = ()) -> ImageNotes:
        """Describe a layer and the frames of it."""
        source = image.source
        path = None if source.path is None else str(Path(source.path).resolve())
        return cls(image.name, path, source.reader_plugin, bool(image.rgb), replace(space, image=""), looks)

    def space_in(self, image: Image) -> LayerFrames | None:
        """Give the same frames of a layer; None if it has another shape."""
        if layer_shape(image) != self.space.layer_shape or bool(image.rgb) != self.rgb:
            return None
        return replace(self.space, image=str(image.unique_id))

    def to_json(self) -> dict[str, Any]:
        """Turn into values that JSON has."""
        about = {"name": self.name, "path": self.path, "reader": self.reader, "rgb": self.rgb}
        colours = {"colours": [look.to_json() for look in self.looks]} if self.looks else {}
        return about | {"frames": self.space.to_json()} | colours

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ImageNotes:
        """Read what `to_json` wrote, or a file from before frames were a geometry; an error if it is damaged."""
        if "frames" in values:
            space = LayerFrames.from_json(values["frames"])
        else:
            shape, axis, region = tuple(map(_index, values["shape"])), values["axis"], values["region"]
            fixed = tuple(map(_index, values["fixed"]))
            n_leading = len(shape) - 2
            if (axis is None) != (n_leading == 0) or (axis is not None and _index(axis) >= n_leading):
                raise ValueError(f"an image of shape {shape} has no frames along {axis}")
            space = frames_along(axis, fixed, shape=shape, region=region and tuple(map(_index, region)))
        path, reader = (None if values[key] is None else str(values[key]) for key in ("path", "reader"))
        looks = tuple(map(ChannelLook.from_json, values.get("colours", ())))
        return cls(str(values["name"]), path, reader, bool(values["rgb"]), space, looks)


@dataclass(frozen=True)
class WidgetState:
    """What the widget has to remember of a session and the session does not know."""

    # The image layer; None where the widget did not make the session.
    image: ImageNotes | None = None
    # Edits that the session was not sent: prompts that are not answered at once.
    pending: tuple[Edit, ...] = ()
    # By object id.
    names: dict[int, str] = field(default_factory=dict)
    # Objects that are not drawn.
    hidden: tuple[int, ...] = ()
    # The selected object.
    selected: int = 1
    # Objects are drawn from this score on.
    threshold: float = 0.5

    @property
    def files(self) -> list[Path]:
        """The image's file, where the session itself may not name it: of frames that only layers have."""
        path = None if self.image is None or self.image.path is None else Path(self.image.path)
        return [path] if path is not None and path.exists() else []

    def write(self, folder: Path) -> None:
        """Write them into a session folder."""
        image = self.image
        write_json(
            folder / FILE,
            {
                "version": _VERSION,
                "image": None if image is None else image.to_json(),
                "pending": [_edit_to_json(edit) for edit in self.pending],
                "names": {str(object_id): name for object_id, name in self.names.items()},
                "hidden": list(self.hidden),
                "selected": self.selected,
                "threshold": self.threshold,
            },
        )

    @classmethod
    def read(cls, folder: Path) -> tuple[WidgetState, list[str]]:
        """Read them from a session folder; what is wrong with them comes as a line each, and they are left out."""
        path = folder / FILE
        if not path.exists() and not path.is_symlink():
            # No file is no problem: sessions of the command line and of Python have none.
            return cls(), []
        try:
            if path.is_symlink() or path.stat().st_size > _LARGEST:
                raise ValueError("it is a link, or far too large")
            return _parsed(read_json(path)), []
        except _BROKEN as error:
            text = f"{type(error).__name__}: {error}"
            return cls(), [f"{FILE} is damaged: names are lost ({text})"]


def _parsed(values: dict[str, Any]) -> WidgetState:
    # Every value is checked, since the file may come from somebody else; one that is wrong makes all of it count as
    # damaged.
    image = None if values["image"] is None else ImageNotes.from_json(values["image"])
    # In files of version 1 there are points and shapes in their place, which the session keeps now.
    pending = () if image is None else tuple(_edit_of(edit, image.space) for edit in values.get("pending", ()))
    threshold = float(values["threshold"])
    return WidgetState(
        image=image,
        pending=pending,
        names={_object(int(object_id)): str(name)[:200] for object_id, name in values["names"].items()},
        hidden=tuple(map(_object, values["hidden"])),
        selected=_object(values["selected"]),
        # Within the range of the panel's control; NaN is the one number that is not itself.
        threshold=min(max(threshold, 0.5), 0.99) if threshold == threshold else 0.5,
    )


def _index(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise ValueError(f"{value!r} is no index")
    return value


def _object(value: object) -> int:
    number = _index(value)
    if number < 1:
        raise ValueError("objects are numbered from 1")
    return number


def _edit_to_json(edit: Edit) -> list[Any]:
    from napari_sam2.storage.folder.codec import drawing_record

    changes = [[*key, drawing_record(drawing).model_dump(mode="json")] for key, drawing in edit.changes.items()]
    return [edit.name, changes]


def _edit_of(edit: list[Any], space: LayerFrames) -> Edit:
    from napari_sam2.storage.folder.codec import read_drawing
    from napari_sam2.storage.folder.schema import DrawingRecord

    name, changes = edit
    size = space.stack_shape[1:]
    drawings = {
        PromptKey(_index(frame), _object(object_id)): read_drawing(DrawingRecord.model_validate(record), size)
        for frame, object_id, record in changes
    }
    if any(key.frame >= space.n_frames for key in drawings):
        raise ValueError("there are prompts on frames that there are not")
    return Edit(str(name)[:200], drawings)

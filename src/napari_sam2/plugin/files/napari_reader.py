"""napari's readers of this plugin: images that napari does not read by itself, and session folders as layers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_sam2.data.images.axes import measured_axes
from napari_sam2.data.images.lazy_array import LazyPlanes, StackPlanes
from napari_sam2.data.readers.open_image import open_image
from napari_sam2.plugin.layers.labels_layer import SCORES_KEY
from napari_sam2.plugin.layers.layer_geometry import layer_options
from napari_sam2.plugin.layers.points_and_shapes import NEGATIVE, OBJECT, POSITIVE, PROMPT, PROMPT_COLOURS

if TYPE_CHECKING:
    from napari.types import LayerDataTuple

    from napari_sam2.data.images.frame_sources import Opened
    from napari_sam2.storage.read_contents import SavedContents

# No text: napari reads what its commands return, and cannot read a text with more beside it.
Reader: TypeAlias = Callable[[str | list[str]], Any]
_SESSION_FILE = "session.json"


def get_reader(path: str | Sequence[str] = ()) -> Reader | None:
    """Give the reader of a video, NIfTI or DICOM file, of a folder with images or a DICOM series, or of a session.

    A session is its folder or the ``session.json`` in it. Several files at a time, or none, have no reader: None.
    """
    if not isinstance(path, str):
        return None
    place = Path(path)
    if _session_folder(place) is not None:
        return read_session
    # A JSON file of any other program is not for this one.
    return None if place.name == _SESSION_FILE else read_image


def read_image(path: str | list[str]) -> list[LayerDataTuple]:
    """Open an image, whose planes are read when they are looked at."""
    place, opened = open_image(_only(path))
    return _image_layers(place, opened)


def read_session(path: str | list[str]) -> list[LayerDataTuple]:
    """Open a session folder or its ``session.json``: the image, where it is still there, labels, scores and prompts."""
    from napari_sam2.storage.read_contents import read_contents

    place = Path(_only(path))
    folder = _session_folder(place) or place
    # Read and not opened as a session: no model is loaded, and another window may be at work in the folder.
    contents = read_contents(folder)
    for problem in contents.problems:
        warnings.warn(problem, stacklevel=2)
    image, shared = _session_image(contents, folder)
    name = folder.name.removesuffix(".napari-sam2")
    return [*image, _labels_layer(contents, name, shared), *_prompt_layers(contents, name, shared)]


def _only(path: str | list[str]) -> str:
    return path if isinstance(path, str) else path[0]


def _session_folder(place: Path) -> Path | None:
    """Find the session folder that a path is or lies in, None if it is no session."""
    from napari_sam2.data.files.atomic_files import read_json

    folder = place.parent if place.name == _SESSION_FILE else place
    header = folder / _SESSION_FILE
    if not header.is_file():
        return None
    try:
        found = read_json(header)
    except ValueError:
        # A damaged header in a folder of that name: the reader will say what is wrong with it.
        return folder if folder.suffix == ".napari-sam2" else None
    return folder if isinstance(found, dict) and found.get("format") == "napari-sam2 session" else None


def _image_layers(place: Path, opened: Opened) -> list[LayerDataTuple]:
    axes = opened.axes.replace("n", "t")
    # Colour is an axis behind Y and X, which the planes have beyond what the axes name.
    data = LazyPlanes(opened.planes, len(axes))
    rgb = data.ndim > len(axes) + 2
    every = measured_axes(f"{axes}yx", opened.planes.shape, opened.sizes)
    measured = [axis for axis in every if axis.name != "c"]
    options: dict[str, Any] = {"name": place.name.split(".")[0], "rgb": rgb, **layer_options(measured, opened.affine)}
    if "c" in axes:
        # napari splits the channels into layers, which lie on the axes that are left.
        options["channel_axis"] = axes.index("c")
        options["name"] = [channel.name or f"channel {i}" for i, channel in enumerate(opened.channels)] or None
    return [(data, options, "image")]


def _session_image(contents: SavedContents, folder: Path) -> tuple[list[LayerDataTuple], dict[str, Any]]:
    """Open the image of a session, and give the keyword arguments that put layers on it."""
    from napari_sam2.data.readers.open_stack import open_stack
    from napari_sam2.storage.folder.layout import image_places

    # Without its image a session still has something to show; then its layers lie on an axis of frames.
    try:
        (path, *_) = [*image_places(contents.data, folder), None]
        if path is None:
            raise FileNotFoundError(f"the session's image {contents.data.path or 'was in memory and'} is not there")
        stack = open_stack(path, selection=contents.geometry.selection.whole)
        if stack.shape != contents.geometry.whole_shape:
            raise ValueError(f"{path} is not the image of this session: its shape is {stack.shape}")
    except (ValueError, OSError) as error:
        warnings.warn(f"{error}: prompts and results are shown without it", stacklevel=3)
        return [], {"axis_labels": (contents.data.axis, "y", "x")}
    placed = stack.geometry.taken()
    shared = layer_options(placed.axes, placed.affine)
    options = {"name": path.name.split(".")[0], "rgb": stack.is_rgb, **shared}
    return [(LazyPlanes(StackPlanes(stack), 1), options, "image")], shared


def _labels_layer(contents: SavedContents, name: str, shared: dict[str, Any]) -> LayerDataTuple:
    metadata = {SCORES_KEY: contents.scores.to_pandas(contents.scores.columns), **shared.get("metadata", {})}
    return contents.labels.to_array(), {**shared, "name": f"{name}: objects", "metadata": metadata}, "labels"


def _prompt_layers(contents: SavedContents, name: str, shared: dict[str, Any]) -> list[LayerDataTuple]:
    import pandas as pd

    # Masks make no layer: what became of them is in the labels.
    points, boxes = [], []
    for prompt in contents.prompts:
        if prompt.points is not None and prompt.labels is not None:
            signs = [POSITIVE if label else NEGATIVE for label in prompt.labels]
            at = ((prompt.frame, *point) for point in prompt.points.tolist())
            points += [(*place, prompt.object_id, sign) for place, sign in zip(at, signs, strict=True)]
        if prompt.box is not None:
            boxes.append((prompt.frame, prompt.box, prompt.object_id))
    layers: list[LayerDataTuple] = []
    if points:
        # The same features as the widget's own layers, so that it can take these as its prompts.
        table = pd.DataFrame(points, columns=["frame", "y", "x", OBJECT, PROMPT])
        options: dict[str, Any] = {"name": f"{name}: clicks", "features": table[[OBJECT, PROMPT]], **shared}
        options["face_color"] = [PROMPT_COLOURS[sign] for sign in table[PROMPT]]
        layers.append((table[["frame", "y", "x"]].to_numpy(float), options, "points"))
    if boxes:
        corners = [_corners(frame, box) for frame, box, _ in boxes]
        options = {"name": f"{name}: shapes", "shape_type": "rectangle", "face_color": "transparent", **shared}
        options["features"] = pd.DataFrame({OBJECT: [object_id for *_, object_id in boxes]})
        layers.append((np.array(corners, float), options, "shapes"))
    return layers


def _corners(frame: int, box: tuple[float, float, float, float]) -> list[tuple[float, float, float]]:
    y0, x0, y1, x1 = box
    return [(frame, y, x) for y, x in ((y0, x0), (y0, x1), (y1, x1), (y1, x0))]

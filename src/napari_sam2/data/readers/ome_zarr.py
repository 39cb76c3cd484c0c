"""Reader of OME-Zarr images (0.1 to 0.5) and plain zarr arrays, in folders or in one zip file each."""

from __future__ import annotations

import json
import zipfile
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam2.data.files.optional_packages import load_extra
from napari_sam2.data.images.calibration import Size
from napari_sam2.data.images.frame_sources import Channel, FilePlanes, Opened
from napari_sam2.data.images.selection import check_level

from .tiff_channels import make_window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# What zarr and its codecs raise over a missing codec or a damaged chunk.
_UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, zipfile.BadZipFile)
_VERSIONS = ("0.1", "0.2", "0.3", "0.4", "0.5")
_MARKS = ("zarr.json", ".zgroup", ".zarray")
# What zarr hierarchies in a zip file are called.
_ZIPPED = (".zarr.zip", ".ozx")
# Axes of an image whose metadata name none: version 0.1 and 0.2 were always these.
_OLD_AXES = "tczyx"
# Likely axes of a plain array, by their number.
_BY_COUNT = {2: "yx", 3: "nyx", 4: "tzyx", 5: "tczyx"}


class _Levels(NamedTuple):
    # From the finest resolution to the coarsest.
    arrays: list[Any]
    # A letter for each axis.
    axes: str
    units: Mapping[str, str | None]
    # Scale and translation of each axis, for each level.
    places: Sequence[Sequence[tuple[float, float]]]


class ZarrPlanes(FilePlanes):
    """Planes of a zarr array. A zip file stays open until they are closed."""

    def __init__(self, array: Any, axes: str, path: Path) -> None:
        super().__init__(array, axes, path, unreadable=_UNREADABLE)

    def close(self) -> None:
        """Close the folder or file."""
        self._array.store.close()


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a zarr group or array, or whether a file is called like one in a zip."""
    if path.is_file():
        return path.name.lower().endswith(_ZIPPED)
    return path.is_dir() and any((path / mark).is_file() for mark in _MARKS)


def open_zarr(path: Path, level: int = 0) -> Opened:
    """Open an OME-Zarr image (0.1 to 0.5) or a zarr array."""
    zarr = load_extra("zarr", "reading zarr")
    with ExitStack() as on_error:
        try:
            node = _open_node(zarr, path)
            on_error.callback(node.store.close)
            opened = _open_group(node, path, level) if isinstance(node, zarr.Group) else _open_array(node, path, level)
        except (
            *(KeyError, TypeError, IndexError, AttributeError, OSError, RuntimeError),
            *(json.JSONDecodeError, zipfile.BadZipFile),
        ) as error:
            raise ValueError(f"{path} cannot be read as an OME-Zarr image: {error!r}") from error
        on_error.pop_all()
    return opened


def _open_node(zarr: Any, path: Path) -> Any:
    if path.is_dir():
        return zarr.open(store=str(path), mode="r")
    # A hierarchy is zipped with its folder or without.
    with zipfile.ZipFile(path) as file:
        marks = [PurePosixPath(name) for name in file.namelist() if PurePosixPath(name).name in _MARKS]
    if not marks:
        raise ValueError(f"{path} is a zip file without zarr in it")
    top = min(marks, key=lambda mark: len(mark.parts)).parent
    return zarr.open(store=zarr.storage.ZipStore(path, mode="r"), path="" if top.name == "" else str(top), mode="r")


def _open_group(node: Any, path: Path, level: int) -> Opened:
    group = _image_group(node, path)
    metadata = _metadata(group)
    _check_version(metadata, path)
    levels = _read_levels(group, metadata)
    # The check of the axes needs a valid level, and the message about levels needs Y and X: found leniently first.
    places = [levels.axes.index("y"), levels.axes.index("x")] if {*"yx"} <= {*levels.axes} else [-2, -1]
    check_level(level, [(array.shape[places[0]], array.shape[places[1]]) for array in levels.arrays], str(path))
    _check_axes(levels.axes, levels.arrays[level].shape, path)
    planes = ZarrPlanes(levels.arrays[level], levels.axes, path)
    said = dict(zip(levels.axes, levels.places[level], strict=True))
    # A scale of 1 without a unit is what writers put in for "not calibrated"; of a pixel's height and width one may be
    # 1, but not both.
    calibrated = {letter for letter, place in said.items() if levels.units[letter] is not None or place != (1, 0)}
    calibrated |= {*"yx"} if calibrated & {*"yx"} else set()
    sizes = {i: Size(scale, levels.units[i], shift) for i, (scale, shift) in said.items() if i in calibrated}
    return Opened(planes, planes.leading, sizes, _channels(metadata))


def _open_array(array: Any, path: Path, level: int) -> Opened:
    check_level(level, [tuple(array.shape)[-2:]], str(path))
    # Dimension names (zarr 3, xarray) are believed where they name Y and X; else the number of axes decides.
    named = "".join(str(name or "?")[0].lower() for name in getattr(array.metadata, "dimension_names", None) or ())
    colour = array.ndim > 2 and array.shape[-1] in (3, 4)
    axes = named if {*"yx"} <= {*named} else _BY_COUNT.get(array.ndim - colour, "") + "s" * colour
    _check_axes(axes, array.shape, path)
    planes = ZarrPlanes(array, axes, path)
    return Opened(planes, planes.leading)


def _image_group(group: Any, path: Path) -> Any:
    """Find the image: the group itself, or the only one that bioformats2raw put into it."""
    if "multiscales" in _metadata(group):
        return group
    # bioformats2raw puts each image of a file into a numbered group of its own, beside the group OME.
    images = [name for name, one in group.groups() if name != "OME" and "multiscales" in _metadata(one)]
    metadata = _metadata(group)
    if kind := next((kind for kind in ("plate", "well") if kind in metadata), None):
        raise ValueError(f"{path} is a {kind} of many images: name the folder of one, such as {path / 'A/1/0'}")
    if len(images) != 1:
        # Without metadata there is no telling which array is the image.
        kind, names = ("images", sorted(images)) if images else ("arrays", sorted(name for name, _ in group.arrays()))
        how = f"name one, such as {path / names[0]}" if path.is_dir() and names else "zip the one to track by itself"
        choice = f"the {kind} {', '.join(names)}: {how}" if names else "no image"
        raise ValueError(f"{path} holds {choice}")
    return group[images[0]]


def _metadata(group: Any) -> Mapping[str, Any]:
    """Return the OME metadata of a group, which version 0.5 nests under the key ``ome``."""
    attributes = dict(group.attrs)
    metadata: Mapping[str, Any] = attributes.get("ome", attributes)
    return metadata


def _check_version(metadata: Mapping[str, Any], path: Path) -> None:
    # Version 0.5 names itself beside the images, earlier ones in each; without a name it is one of the first.
    version = str(metadata.get("version") or metadata["multiscales"][0].get("version") or _VERSIONS[0])
    if not version.startswith(_VERSIONS):
        known = f"{_VERSIONS[0]} to {_VERSIONS[-1]}"
        raise ValueError(f"{path} is an OME-Zarr image of version {version}: this program reads {known}")


def _read_levels(group: Any, metadata: Mapping[str, Any]) -> _Levels:
    multiscale = metadata["multiscales"][0]
    arrays = [group[dataset["path"]] for dataset in multiscale["datasets"]]
    # Version 0.3 has plain names, 0.4 objects with units, and earlier ones nothing.
    axes = [{"name": axis} if isinstance(axis, str) else axis for axis in multiscale.get("axes", _OLD_AXES)]
    places = []
    for dataset in multiscale["datasets"]:
        # A level's own transformations come first, then those of all levels.
        place = np.array([np.ones(len(axes)), np.zeros(len(axes))])
        for one in (*dataset.get("coordinateTransformations", ()), *multiscale.get("coordinateTransformations", ())):
            if one["type"] == "scale":
                place *= one["scale"]
            elif one["type"] == "translation":
                place[1] += one["translation"]
        places.append(list(zip(*place.tolist(), strict=True)))
    # Only first letters: "time", "channel" and "t", "c" are the same axes.
    letters = "".join(str(axis["name"]).lower()[:1] for axis in axes)
    return _Levels(arrays, letters, {axis["name"].lower()[:1]: axis.get("unit") for axis in axes}, places)


def _channels(metadata: Mapping[str, Any]) -> tuple[Channel, ...]:
    # The omero block is optional rendering metadata: channel names and the contrast they are shown with.
    channels = metadata.get("omero", {}).get("channels", ())
    windows = [channel.get("window", {}) for channel in channels]
    return tuple(
        Channel(channel.get("label"), make_window(window.get("start"), window.get("end")))
        for channel, window in zip(channels, windows, strict=True)
    )


def _check_axes(axes: str, shape: tuple[int, ...], path: Path) -> None:
    if len(axes) != len(shape) or len({*axes}) != len(axes) or not {*"yx"} <= {*axes} <= {*"tznc", *"yxs"}:
        raise ValueError(
            f"{path} has the axes {', '.join(axes.upper()) or 'without names'} and the shape {tuple(shape)}: it can "
            "have time (t), depth (z) and channels (c) besides y and x"
        )

"""Labels as OME-Zarr, with colours and properties."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.drawing import object_color
from napari_sam2.data.extras import load_extra
from napari_sam2.data.labels import check_label_image, label_dtype
from napari_sam2.data.ome_zarr import is_zarr

if TYPE_CHECKING:
    from napari_sam2.data.stack import Stack

    from .results import Results

_SIDE = 512
_COARSEST = 256
_UNITS = {"um": "micrometer", "nm": "nanometer", "mm": "millimeter", "cm": "centimeter", "m": "meter", "s": "second"}
_UNITS |= {"ms": "millisecond", "us": "microsecond", "min": "minute", "h": "hour"}
_CREATOR = "napari-sam2"


def write_ome_zarr(path: Path, results: Results) -> None:
    """Write labels as OME-Zarr 0.5 (zarr 3), at full resolution and as many times halved as leaves 256 pixels.

    Parameters
    ----------
    path : Path
        The folder; made here.
    results : Results
        What to write.
    """
    _write(path, results, version="0.5")


def write_ome_zarr_04(path: Path, results: Results) -> None:
    """Write labels as OME-Zarr 0.4 (zarr 2), which older programs read.

    Parameters
    ----------
    path : Path
        The folder; made here.
    results : Results
        What to write.
    """
    _write(path, results, version="0.4")


def is_ome_zarr_labels(path: Path) -> bool:
    """Tell whether a folder is what these functions write."""
    if not is_zarr(path):
        return False
    zarr = load_extra("zarr", "replacing OME-Zarr labels")
    try:
        attributes = dict(zarr.open_group(str(path), mode="r").attrs)
    except (ValueError, OSError, KeyError):
        return False
    return bool(attributes.get("_creator", {}).get("name") == _CREATOR)


def _write(path: Path, results: Results, *, version: str) -> None:
    zarr = load_extra("zarr", "writing OME-Zarr")
    old = version == "0.4"
    group = zarr.create_group(store=str(path), zarr_format=2 if old else 3)
    stack, ids = results.stack, results.object_ids
    shapes = _level_shapes(stack)
    dtype = label_dtype(ids)
    arrays = []
    for level, shape in enumerate(shapes):
        layout: dict[str, Any] = {"chunk_key_encoding": {"name": "v2", "separator": "/"}} if old else {}
        layout |= {} if old else {"dimension_names": [stack.axis, "y", "x"]}
        chunks = (1, min(_SIDE, shape[1]), min(_SIDE, shape[2]))
        arrays.append(group.create_array(str(level), shape=shape, dtype=dtype, chunks=chunks, fill_value=0, **layout))
    for frame in range(stack.n_frames):
        image = check_label_image(results.labels[frame], stack.shape[1:], dtype)
        if image.any():
            for level, array in enumerate(arrays):
                array[frame] = image[:: 2**level, :: 2**level]
    said: dict[str, Any] = {"multiscales": [_multiscale(stack, shapes, version)]}
    said["image-label"] = _image_label(path, results, version)
    creator = {"_creator": {"name": _CREATOR}}
    group.attrs.update(said | creator if old else {"ome": {"version": version, **said}} | creator)


def _level_shapes(stack: Stack) -> list[tuple[int, int, int]]:
    n_frames, height, width = stack.shape
    shapes = [(n_frames, height, width)]
    while max(shapes[-1][1:]) > _COARSEST:
        # Every second row and column, the first included.
        shapes.append((n_frames, math.ceil(shapes[-1][1] / 2), math.ceil(shapes[-1][2] / 2)))
    return shapes


def _multiscale(stack: Stack, shapes: list[tuple[int, int, int]], version: str) -> dict[str, Any]:
    step, (height, width) = stack.step or 1.0, stack.pixel_size or (1.0, 1.0)
    kind = {"t": "time", "z": "space"}[stack.axis]
    axes = [{"name": stack.axis, "type": kind, **_unit(stack.step_unit)}]
    axes += [{"name": name, "type": "space", **_unit(stack.unit)} for name in "yx"]
    datasets = []
    for level in range(len(shapes)):
        scale = {"type": "scale", "scale": [step, height * 2**level, width * 2**level]}
        datasets.append({"path": str(level), "coordinateTransformations": [scale]})
    multiscale: dict[str, Any] = {"name": "labels", "axes": axes, "datasets": datasets, "type": "nearest"}
    return multiscale | ({"version": version} if version == "0.4" else {})


def _unit(unit: str | None) -> dict[str, str]:
    return {"unit": _UNITS.get(unit, unit)} if unit else {}


def _image_label(path: Path, results: Results, version: str) -> dict[str, Any]:
    described: dict[str, Any] = {
        "colors": [{"label-value": i, "rgba": [*object_color(i), 255]} for i in results.object_ids],
        "properties": _properties(results),
    }
    if results.stack.path is not None and is_zarr(results.stack.path):
        described["source"] = {"image": os.path.relpath(results.stack.path.resolve(), path.resolve())}
    return described | ({"version": version} if version == "0.4" else {})


def _properties(results: Results) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for region in results.regions():
        said = found.setdefault(
            region.object_id,
            {
                "label-value": region.object_id,
                "name": results.name_of(region.object_id),
                "first_frame": region.frame,
                "last_frame": region.frame,
                "n_frames": 0,
            },
        )
        said["last_frame"] = region.frame
        said["n_frames"] += 1
    for object_id, said in found.items():
        scores = [row.object_score for row in results.scores if row.object_id == object_id]
        if scores:
            said["mean_object_score"] = round(float(np.mean(scores)), 6)
    return [found[object_id] for object_id in sorted(found)]

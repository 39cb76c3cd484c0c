"""Export of labels as OME-Zarr 0.4 and 0.5, with colours and properties."""

from __future__ import annotations

import math
import os
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.files.optional_packages import load_extra
from napari_sam2.data.labels.label_stack import check_label_image, label_dtype
from napari_sam2.data.pictures.outlines import object_color
from napari_sam2.data.readers.ome_zarr import is_zarr

from .provenance_labels import code_image, legend

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_sam2.data.images.stack import Stack
    from napari_sam2.data.labels.scores import ScoreRow

    from .export_data import Results

# Sides of chunks, and of the largest level that is not halved again, in pixels.
_SIDE = 512
_COARSEST = 256
OME_UNITS = {"um": "micrometer", "nm": "nanometer", "mm": "millimeter", "cm": "centimeter", "m": "meter", "s": "second"}
OME_UNITS |= {"ms": "millisecond", "us": "microsecond", "min": "minute", "h": "hour"}
# Marks a folder as an earlier export, which may be replaced.
_CREATOR = "napari-sam2"


def write_ome_zarr(path: Path, results: Results) -> None:
    """Write labels as OME-Zarr 0.5 (zarr 3), at full resolution and as many times halved as leaves 256 pixels."""
    _write(path, results, version="0.5")


def write_ome_zarr_04(path: Path, results: Results) -> None:
    """Write labels as OME-Zarr 0.4 (zarr 2), which older programs read."""
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
    group = zarr.create_group(store=str(path), zarr_format=2 if version == "0.4" else 3)
    dtype, about = label_dtype(results.object_ids), _image_label(path, results)
    _write_levels(group, results, images=results.labels.__getitem__, dtype=dtype, about=about, version=version)
    if any(row.made is not None for row in results.scores):
        # A label image of its own: how the mask that each pixel belongs to came about.
        inside = group.create_group("provenance")
        codes, about = partial(code_image, results), _legend(results)
        _write_levels(inside, results, images=codes, dtype=np.dtype(np.uint8), about=about, version=version)


def _write_levels(
    group: Any,
    results: Results,
    *,
    images: Callable[[int], NDArray[Any]],
    dtype: np.dtype[Any],
    about: dict[str, Any],
    version: str,
) -> None:
    """Write label images at all resolutions into a group, and what is said of their values."""
    old, stack = version == "0.4", results.stack
    # (T,), (Z,) or (T, Z).
    leading = stack.shape[:1] if results.volumes is None else results.volumes.shape[:2]
    shapes = [(*leading, *size) for size in _level_sizes(stack)]
    multiscale = _multiscale(results, len(shapes), version)
    arrays = []
    for level, shape in enumerate(shapes):
        # OME-Zarr 0.4 requires chunks in nested folders; 0.5 names the axes in the array's own metadata, too.
        layout: dict[str, Any] = {"chunk_key_encoding": {"name": "v2", "separator": "/"}} if old else {}
        layout |= {} if old else {"dimension_names": [axis["name"] for axis in multiscale["axes"]]}
        chunks = (*(1 for _ in leading), *(min(_SIDE, side) for side in shape[-2:]))
        arrays.append(group.create_array(str(level), shape=shape, dtype=dtype, chunks=chunks, fill_value=0, **layout))
    for frame in range(stack.n_frames):
        image = check_label_image(images(frame), stack.shape[1:], dtype)
        # Chunks of background are left out and read as 0.
        if image.any():
            place = np.unravel_index(frame, leading)
            for level, array in enumerate(arrays):
                # Every second pixel, not averages: labels are numbers of objects, which have no mean.
                array[place] = image[:: 2**level, :: 2**level]
    # Version 0.5 nests all metadata under the key "ome".
    attributes: dict[str, Any] = {"multiscales": [multiscale]}
    attributes["image-label"] = about | ({"version": version} if old else {})
    creator = {"_creator": {"name": _CREATOR}}
    group.attrs.update(attributes | creator if old else {"ome": {"version": version, **attributes}} | creator)


def _level_sizes(stack: Stack) -> list[tuple[int, int]]:
    sizes = [(stack.height, stack.width)]
    while max(sizes[-1]) > _COARSEST:
        # Every second row and column, the first included.
        sizes.append((math.ceil(sizes[-1][0] / 2), math.ceil(sizes[-1][1] / 2)))
    return sizes


def _multiscale(results: Results, n_levels: int, version: str) -> dict[str, Any]:
    # An affine along the axes is scale and translation, which the format has.
    axes = results.geometry.straightened().axes
    kinds = {"t": "time", "z": "space", "y": "space", "x": "space"}
    datasets = []
    for level in range(n_levels):
        factors = [2**level if axis.name in "yx" else 1 for axis in axes]
        scale = [(axis.scale or 1.0) * factor for axis, factor in zip(axes, factors, strict=True)]
        places: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
        # The first pixel of each level is that of the finest one.
        if any(axis.translation for axis in axes):
            places.append({"type": "translation", "translation": [axis.translation for axis in axes]})
        datasets.append({"path": str(level), "coordinateTransformations": places})
    described = [{"name": axis.name, "type": kinds[axis.name], **_unit(axis.unit)} for axis in axes]
    multiscale: dict[str, Any] = {"name": "labels", "axes": described, "datasets": datasets, "type": "nearest"}
    return multiscale | ({"version": version} if version == "0.4" else {})


def _unit(unit: str | None) -> dict[str, str]:
    return {"unit": OME_UNITS.get(unit, unit)} if unit else {}


def _legend(results: Results) -> dict[str, Any]:
    meanings = legend(results)
    return {
        "colors": [{"label-value": code, "rgba": [*object_color(code), 255]} for code in meanings],
        "properties": [{"label-value": code, "meaning": meaning} for code, meaning in meanings.items()],
    }


def _image_label(path: Path, results: Results) -> dict[str, Any]:
    described: dict[str, Any] = {
        "colors": [{"label-value": i, "rgba": [*object_color(i), 255]} for i in results.object_ids],
        "properties": _properties(results),
    }
    if results.stack.path is not None and is_zarr(results.stack.path):
        # A relative path survives moving image and labels together.
        described["source"] = {"image": os.path.relpath(results.stack.path.resolve(), path.resolve())}
    return described


def _origins(rows: Sequence[ScoreRow]) -> dict[str, Any]:
    """How many masks of an object came about in which way, by which models."""
    sources = Counter("unknown" if row.made is None else row.made.source for row in rows)
    makers = {row.made.maker for row in rows if row.made is not None and row.made.maker is not None}
    expected = [row.expected_j for row in rows if row.expected_j is not None]
    return {
        **{f"n_{source}": count for source, count in sorted(sources.items())},
        "n_corrected": sum(row.made is not None and row.made.corrected for row in rows),
        "n_accepted": sum(row.accepted for row in rows),
        "models": ", ".join(sorted(f"{one.model} {one.sha256} {one.memory}".strip() for one in makers)),
    } | ({"mean_expected_j": round(float(np.mean(expected)), 4)} if expected else {})


def _properties(results: Results) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    planes = 1 if results.volumes is None else results.volumes.n_planes
    for region in results.regions():
        # Volumes count by time point, not by plane.
        frame = region.frame // planes
        properties = found.setdefault(
            region.object_id,
            {
                "label-value": region.object_id,
                "name": results.name_of(region.object_id),
                "first_frame": frame,
                "last_frame": frame,
                "n_frames": 0,
                **({"class": results.class_of(region.object_id)} if results.classes else {}),
            },
        )
        # A time point counts once, however many of its planes show the object.
        properties["n_frames"] += properties["n_frames"] == 0 or frame != properties["last_frame"]
        properties["last_frame"] = frame
    for object_id, properties in found.items():
        rows = [row for row in results.scores if row.object_id == object_id]
        if rows:
            properties["mean_object_score"] = round(float(np.mean([row.object_score for row in rows])), 6)
        if any(row.made is not None for row in rows):
            properties |= _origins(rows)
    return [found[object_id] for object_id in sorted(found)]

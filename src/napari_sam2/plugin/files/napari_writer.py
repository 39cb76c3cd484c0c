"""napari's writers of this plugin: a Labels layer in formats of other programs, and an overlay as a video.

Nothing here knows of a session: axes, sizes, names and scores are taken from what the layer holds.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from napari.utils.notifications import show_info

from napari_sam2.data.formats import FORMATS, Results, export_results
from napari_sam2.data.images.axes import axis_kind
from napari_sam2.data.images.pixels.contrast import Window
from napari_sam2.data.images.selection import Selection
from napari_sam2.data.images.stack import Stack
from napari_sam2.data.images.volume_series import VolumeSeries
from napari_sam2.data.labels.provenance import Provenance
from napari_sam2.data.labels.scores import ScoreRow, ScoreTable
from napari_sam2.plugin.layers.labels_layer import SCORES_KEY, STALE_KEY
from napari_sam2.plugin.layers.layer_geometry import layer_geometry
from napari_sam2.plugin.layers.placement import TRANSFORM, matrix_of

if TYPE_CHECKING:
    import pandas as pd
    from napari.types import LayerDataTuple

LabelsWriter: TypeAlias = "Callable[..., list[str]]"
# What is said where a writer is called as a command, without anything to write.
_HOW = "Select the layers to save, then File > Save Selected Layers: the ending of the name chooses the format."


class SavingError(RuntimeError):
    """A layer cannot be saved; a ``ValueError`` would make napari report that there is no writer for it."""


def _labels_writer(name: str) -> LabelsWriter:
    def write(path: str = "", data: Any = None, meta: Mapping[str, Any] | None = None) -> list[str]:
        if meta is None:
            show_info(_HOW)
            return []
        is_depth = FORMATS[name].needs_axis
        if is_depth and len(np.shape(data)) == 3 and axis_kind(_label(meta, 0)) is None:
            warnings.warn(
                "the layer does not say whether its frames are time or depth: they are written as slices. Name its "
                "first axis t or z to say it",
                stacklevel=2,
            )
        return _saved(lambda: labels_results(data, meta, is_depth=is_depth), name, path)

    write.__doc__ = f"Write a labels layer in the format {name}; returns the path."
    return write


# npe2 finds a command by the name of a function.
write_imagej_tiff = _labels_writer("tiff")
write_ome_tiff = _labels_writer("ome-tiff")
write_ome_zarr = _labels_writer("ome-zarr")
write_nifti = _labels_writer("nifti")
write_coco = _labels_writer("coco")
write_ctc = _labels_writer("ctc")


def write_mp4(path: str = "", layers: Sequence[LayerDataTuple] = ()) -> list[str]:
    """Write an image layer with the outlines of a labels layer as a video; returns the path."""
    return _saved_pictures(layers, "mp4", path)


def write_gif(path: str = "", layers: Sequence[LayerDataTuple] = ()) -> list[str]:
    """Write an image layer with the outlines of a labels layer as an animation; returns the path."""
    return _saved_pictures(layers, "gif", path)


def _saved_pictures(layers: Sequence[LayerDataTuple], name: str, path: str) -> list[str]:
    if not layers:
        show_info(_HOW)
        return []
    return _saved(lambda: _pictures(layers), name, path)


def _saved(results: Callable[[], Results], name: str, path: str) -> list[str]:
    try:
        return [str(export_results(results(), name, path))]
    except ValueError as error:
        raise SavingError(str(error)) from error


def labels_results(data: Any, meta: Mapping[str, Any], *, is_depth: bool = False) -> Results:
    """Make results of a Labels layer, whose data is integers, (Y, X) with time, depth or both before them.

    ``is_depth`` takes an axis that has no name for depth, not time.
    """
    labels = np.asarray(data[0] if meta.get("multiscale") else data)
    axes = _axes(labels.shape, meta, is_depth=is_depth)
    axis = axes[0] if len(axes) == 3 else "t"
    if axes[:2] == "zt":
        # Files have time first.
        labels, meta = labels.swapaxes(0, 1), _swapped(meta)
        axes = "tzyx"
    geometry = layer_geometry(meta, labels.shape, axes, Selection(axis=axis))
    # What the widget has left in the layer; a layer of any other origin has none of it.
    about: dict[str, Any] = {"scores": _scores(meta), "names": _names(meta), "has_pixels": False}
    about["out_of_date"] = int((meta.get("metadata") or {}).get(STALE_KEY, 0))
    # Writers want an image for its shape and geometry; this one takes no memory and is never shown.
    blank = np.broadcast_to(np.uint8(0), labels.shape)
    # Volumes over time are written as one long stack of planes, whose scores would not fit: they count frames.
    if axes == "tzyx":
        planes = Stack.from_array(
            blank.reshape(-1, *labels.shape[-2:]), rgb=False, calibration=geometry.along("t", 0).calibration
        )
        volumes = VolumeSeries(planes, len(labels), geometry=geometry)
        about["scores"] = ScoreTable()
        return Results(labels.reshape(planes.shape), planes, volumes=volumes, **about)
    stack = Stack.from_array(blank, axis, rgb=False)
    stack.geometry = geometry
    return Results(labels.reshape(stack.shape), stack, **about)


def _pictures(layers: Sequence[LayerDataTuple]) -> Results:
    kinds = {kind: (data, meta) for data, meta, kind in layers}
    # napari calls this with one layer of each kind, as the manifest asks for, in any order.
    (image, seen), (labels, meta) = kinds["image"], kinds["labels"]
    results = labels_results(labels, meta)
    if results.volumes is not None:
        raise ValueError("a video shows one stack: take a plane of the volumes, or one of their time points")
    if seen.get("multiscale"):
        image = image[0]
    stack = Stack.from_array(
        image, results.stack.axis, rgb=bool(seen.get("rgb")), calibration=results.stack.calibration
    )
    window = None
    if not stack.is_rgb and seen.get("contrast_limits") is not None:
        window = Window(*(float(limit) for limit in seen["contrast_limits"]))
    return Results(results.labels, stack, results.scores, results.names, window, out_of_date=results.out_of_date)


def _axes(shape: Sequence[int], meta: Mapping[str, Any], *, is_depth: bool) -> str:
    """Name the axes as the layer does, and those without a name time, then depth."""
    n_leading = len(shape) - 2
    if n_leading not in (0, 1, 2):
        raise ValueError(
            f"labels of {len(shape)} axes cannot be saved here: at most time and depth come before Y and X"
        )
    kinds = [axis_kind(_label(meta, axis)) for axis in range(n_leading)]
    if "c" in kinds:
        raise ValueError("labels along channels cannot be saved here: take those of one channel")
    if n_leading == 2:
        return "ztyx" if kinds[0] == "z" or kinds[1] == "t" else "tzyx"
    return "".join(kind or ("z" if is_depth else "t") for kind in kinds) + "yx"


def _label(meta: Mapping[str, Any], axis: int) -> str:
    labels = meta.get("axis_labels") or ()
    return str(labels[axis]) if axis < len(labels) else ""


def _swapped(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Exchange the first two axes of a layer in what places it."""
    order = [1, 0, *range(2, len(meta["scale"]))] if "scale" in meta else [1, 0, 2, 3]
    matrix = matrix_of(meta, len(order))[np.ix_([*order, -1], [*order, -1])]
    own = {
        key: tuple(meta[key][i] for i in order)
        for key in ("scale", "units", "axis_labels")
        if meta.get(key) is not None
    }
    # All of the transform goes into the affine, behind the scale.
    rest = matrix @ np.diag([*(1 / np.asarray(own.get("scale", np.ones(len(order))), float)), 1.0])
    return {key: value for key, value in meta.items() if key not in TRANSFORM} | own | {"affine": rest}


def _names(meta: Mapping[str, Any]) -> dict[int, str]:
    features = meta.get("features")
    if features is None or not {"index", "name"} <= {*features}:
        return {}
    pairs = zip(features["index"], features["name"], strict=True)
    return {int(object_id): str(name) for object_id, name in pairs if object_id > 0}


def _scores(meta: Mapping[str, Any]) -> ScoreTable:
    table: pd.DataFrame | None = (meta.get("metadata") or {}).get(SCORES_KEY)
    return ScoreTable() if table is None else ScoreTable(map(_row, table.itertuples(index=False)))


def _row(row: Any) -> ScoreRow:
    scores = (float(row.object_score), float(row.predicted_iou))
    accepted = bool(getattr(row, "accepted", False))
    made = None
    if hasattr(row, "source"):
        made = Provenance.read(row.source, (row.model, row.model_sha256, row.memory), corrected=bool(row.corrected))
    if not row.area:
        return ScoreRow(int(row.frame), int(row.object), *scores, accepted=accepted, made=made)
    centroid = (float(row.centroid_y), float(row.centroid_x))
    bbox = (int(row.bbox_y0), int(row.bbox_x0), int(row.bbox_y1), int(row.bbox_x1))
    return ScoreRow(int(row.frame), int(row.object), *scores, int(row.area), centroid, bbox, accepted, made=made)

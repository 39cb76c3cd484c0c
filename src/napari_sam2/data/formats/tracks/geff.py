"""Export of tracks as GEFF, the graph format of napari-geff and funtracks, with the labels beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.files.optional_packages import load_extra
from napari_sam2.data.formats.ome_zarr_labels import OME_UNITS, is_ome_zarr_labels, write_ome_zarr_04

from .track_graph import TrackGraph

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2.data.formats.export_data import Results
    from napari_sam2.data.images.axes import Axis

# Names in the folder that is written.
_GRAPH, _LABELS = "tracks.geff", "labels.ome.zarr"
_MARKS = {".zgroup", ".zattrs"}


def write_geff(path: Path, results: Results) -> None:
    """Write a zarr folder with ``tracks.geff`` and, beside it, the labels that its nodes refer to by ``seg_id``.

    Positions are in pixels and frames, with the scale to units where it is known.
    """
    geff, spec, zarr = (load_extra(name, "the format geff") for name in ("geff.core_io", "geff_spec", "zarr"))
    zarr.create_group(path, zarr_format=2)
    write_ome_zarr_04(path / _LABELS, results)
    graph = TrackGraph.of(results)
    names = ("t", "y", "x") if results.volumes is None else ("t", "z", "y", "x")
    places = dict(zip(names, (graph.frames.astype(np.float64), *graph.centres.T), strict=True))
    descents = [graph.descents[label] for label in graph.objects.tolist()]
    ids = {
        "seg_id": graph.objects,
        "tracklet_id": np.array([one.tracklet for one in descents], np.int64),
        "lineage_id": np.array([one.family for one in descents], np.int64),
    }
    properties = places | ids | _scores(graph, results)
    nodes = {name: {"values": values, "missing": None} for name, values in properties.items()}
    metadata = spec.GeffMetadata(
        directed=True,
        axes=[spec.Axis(**_described(axis)) for axis in results.geometry.straightened().axes],
        node_props_metadata={},
        edge_props_metadata={},
        track_node_props={"tracklet": "tracklet_id", "lineage": "lineage_id"},
        related_objects=[spec.RelatedObject(type="labels", path=f"../{_LABELS}", node_prop="seg_id")],
    )
    numbers = np.arange(len(graph.objects), dtype=np.uint64)
    geff.write_arrays(path / _GRAPH, numbers, nodes, graph.edges.astype(np.uint64), {}, metadata, zarr_format=2)


def is_geff(path: Path) -> bool:
    """Tell whether a folder holds nothing but what `write_geff` writes."""
    names = {one.name for one in path.iterdir()}
    return names <= {_GRAPH, _LABELS, *_MARKS} and (_LABELS not in names or is_ome_zarr_labels(path / _LABELS))


def _scores(graph: TrackGraph, results: Results) -> dict[str, Any]:
    if results.volumes is not None:
        return {}
    rows = [results.scores.get(int(t), int(i)) for t, i in zip(graph.frames, graph.objects, strict=True)]
    if not rows or None in rows:
        return {}
    return {"object_score": np.array([row.object_score for row in rows if row is not None])}


def _described(axis: Axis) -> dict[str, Any]:
    kind, bare = ("time", "frame") if axis.name == "t" else ("space", "pixel")
    described = {"name": axis.name, "type": kind, "unit": bare}
    if axis.scale is None or axis.unit is None:
        return described
    unit = OME_UNITS.get(axis.unit, axis.unit)
    return described | {"scale": axis.scale, "scaled_unit": unit, "offset": axis.translation}

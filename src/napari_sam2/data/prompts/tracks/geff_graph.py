"""Reading of GEFF: nodes as masks where it names labels, else as clicks; edges as lineage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.files.atomic_files import read_json
from napari_sam2.data.files.optional_packages import load_extra
from napari_sam2.data.prompts.label_image import read_labels
from napari_sam2.data.prompts.prompt_parts import PromptParts

from .branches import Branches, find_branches

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2.data.images.stack import Stack
    from napari_sam2.data.labels.lineage import LifeSpan
    from napari_sam2.data.prompts.prompt import Prompt

# Where a group of zarr keeps what it says of itself, by version; and what GEFF calls its part of it.
_ATTRIBUTES, _KEY = (".zattrs", "zarr.json"), "geff"


@dataclass(frozen=True)
class _Graph:
    """Nodes, edges and what is known of both."""

    ids: list[int]
    frames: list[int]
    # (N, 2) rows (y, x), in units of length or in pixels.
    places: NDArray[np.float64]
    is_in_pixels: bool
    edges: list[tuple[int, int]]
    # (N,) labels in the image of labels, and that image; None where there is none.
    seg_ids: NDArray[np.int64] | None
    labels: Path | None

    @property
    def branches(self) -> Branches[int]:
        """Objects. A node without an edge is one by itself."""
        return find_branches(dict(zip(self.ids, self.frames, strict=True)), self.edges)


def find_geff(place: Path) -> Path | None:
    """Find the graph that a folder is or holds; None where there is none."""
    inside = sorted(place.glob("*.geff")) if place.is_dir() else []
    return next((one for one in (place, *inside) if _is_geff(one)), None)


def geff_prompts(source: Path, stack: Stack) -> list[Prompt]:
    """Read the nodes of a graph as prompts on a stack."""
    graph = _read(source)
    objects = _object_of(graph)
    pixel = np.array((1.0, 1.0) if graph.is_in_pixels or stack.pixel_size is None else stack.pixel_size)
    parts = PromptParts(source)
    labels = None if graph.labels is None or graph.seg_ids is None else read_labels(graph.labels, stack)
    for index, (node, frame) in enumerate(zip(graph.ids, graph.frames, strict=True)):
        if not 0 <= frame < stack.n_frames:
            raise ValueError(f"{source}: node {node} is on frame {frame}, and the image has {stack.n_frames} of them")
        mask = None if labels is None or graph.seg_ids is None else labels[frame] == graph.seg_ids[index]
        if mask is not None and mask.any():
            parts.add_mask(frame, objects[node], mask)
        else:
            parts.add_point(frame, objects[node], *(graph.places[index] / pixel).tolist())
    return parts.prompts()


def geff_spans(source: Path) -> dict[int, LifeSpan]:
    """Read begin, end and parent of each object."""
    return dict(_read(source).branches.spans)


def _object_of(graph: _Graph) -> dict[int, int]:
    known = dict(graph.branches.object_of)
    largest = max(known.values(), default=0)
    lone = [node for node in graph.ids if node not in known]
    return known | {node: largest + number for number, node in enumerate(lone, 1)}


def _is_geff(place: Path) -> bool:
    for name in _ATTRIBUTES:
        if (place / name).is_file():
            said = read_json(place / name)
            return isinstance(said, dict) and (_KEY in said or _KEY in (said.get("attributes") or {}))
    return False


def _read(source: Path) -> _Graph:
    place = find_geff(source)
    assert place is not None
    geff = load_extra("geff.core_io", "a graph of tracks (GEFF)")
    try:
        memory: Any = geff.read_to_memory(place)
    except ValueError as error:
        raise ValueError(f"{place} is no GEFF that can be read: {error}") from error
    axes = memory["metadata"].axes or ()
    time, space = ([axis for axis in axes if axis.type == kind] for kind in ("time", "space"))
    if len(time) != 1 or len(space) != 2:
        names = [axis.name for axis in axes]
        raise ValueError(f"{place} has the axes {names}: prompts are read from one of time and two of space")
    values = {name: np.asarray(prop["values"]) for name, prop in memory["node_props"].items()}
    labels, name = _related_labels(memory["metadata"], place)
    return _Graph(
        ids=memory["node_ids"].tolist(),
        frames=np.round(values[time[0].name]).astype(int).tolist(),
        places=np.column_stack([values[axis.name] for axis in space]).astype(float),
        # A scale leads from pixels to units.
        is_in_pixels=all(axis.unit in (None, "pixel") or axis.scale is not None for axis in space),
        edges=[(int(a), int(b)) for a, b in memory["edge_ids"]],
        seg_ids=values.get(name),
        labels=labels,
    )


def _related_labels(metadata: Any, place: Path) -> tuple[Path | None, str]:
    """Find the image of labels that nodes refer to, and the property that does so."""
    for one in metadata.related_objects or ():
        path = (place / one.path).resolve()
        if one.type == "labels" and path.exists():
            return path, one.node_prop or "seg_id"
    return None, "seg_id"

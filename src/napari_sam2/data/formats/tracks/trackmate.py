"""Export of tracks as TrackMate's XML: spots with outlines, edges through divisions, a track for each family."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from napari_sam2.data.formats.export_data import regions_of
from napari_sam2.data.pictures.outlines import outline_corners

from .track_graph import TrackGraph

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2.data.formats.export_data import Results
    from napari_sam2.data.images.stack import Stack

# The version whose files this one is like; TrackMate refuses files that name none.
_VERSION = "7.11.1"
# Feature: its dimension, and whether it is a whole number.
_SPOT_FEATURES = {
    "QUALITY": ("QUALITY", False),
    "POSITION_X": ("POSITION", False),
    "POSITION_Y": ("POSITION", False),
    "POSITION_Z": ("POSITION", False),
    "POSITION_T": ("TIME", False),
    "FRAME": ("NONE", True),
    "RADIUS": ("LENGTH", False),
    "VISIBILITY": ("NONE", True),
}
_EDGE_FEATURES = {"SPOT_SOURCE_ID": ("NONE", True), "SPOT_TARGET_ID": ("NONE", True)}
_TRACK_FEATURES = {"TRACK_INDEX": ("NONE", True), "TRACK_ID": ("NONE", True), "NUMBER_SPOTS": ("NONE", True)}


class _Sizes:
    """Sizes of pixels and steps; 1 where they are not known."""

    def __init__(self, stack: Stack) -> None:
        step, height, width = (axis.scale or 1.0 for axis in stack.axes)
        self.place = np.array([height, width])
        self.step = step
        self.units = {"spatialunits": stack.axes[2].unit or "pixel", "timeunits": stack.axes[0].unit or "frame"}


def write_trackmate(path: Path, results: Results) -> None:
    """Write the tracks of a time-lapse so that TrackMate opens them."""
    graph = TrackGraph.of(results)
    sizes = _Sizes(results.stack)
    root = Element("TrackMate", version=_VERSION)
    model = SubElement(root, "Model", sizes.units)
    declarations = SubElement(model, "FeatureDeclarations")
    for kind, features in (("Spot", _SPOT_FEATURES), ("Edge", _EDGE_FEATURES), ("Track", _TRACK_FEATURES)):
        _declare(SubElement(declarations, f"{kind}Features"), features)
    _add_spots(SubElement(model, "AllSpots", nspots=str(len(graph.objects))), graph, results, sizes)
    _add_tracks(model, graph, results)
    _add_settings(root, results.stack, sizes)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, encoding="UTF-8", xml_declaration=True)


def _declare(parent: Element, features: dict[str, tuple[str, bool]]) -> None:
    for name, (dimension, whole) in features.items():
        title = name.replace("_", " ").capitalize()
        described = {"feature": name, "name": title, "shortname": title, "dimension": dimension}
        SubElement(parent, "Feature", described | {"isint": str(whole).lower()})


def _add_spots(parent: Element, graph: TrackGraph, results: Results, sizes: _Sizes) -> None:
    spots = {key: spot for spot, key in enumerate(zip(graph.frames.tolist(), graph.objects.tolist(), strict=True))}
    for frame in range(results.stack.n_frames):
        together = SubElement(parent, "SpotsInFrame", frame=str(frame))
        for region in regions_of(results.labels[frame], frame):
            spot = spots[frame, region.object_id]
            centre = graph.centres[spot]
            y, x = centre * sizes.place
            corner = [side.start for side in region.area]
            outline = (outline_corners(region.mask) + corner - centre) * sizes.place
            row = results.scores.get(frame, region.object_id)
            features = {
                "ID": spot,
                "name": results.name_of(region.object_id),
                "QUALITY": 1.0 if row is None else row.object_score,
                "POSITION_X": x,
                "POSITION_Y": y,
                "POSITION_Z": 0.0,
                "POSITION_T": frame * sizes.step,
                "FRAME": frame,
                "RADIUS": math.sqrt(np.count_nonzero(region.mask) * sizes.place.prod() / math.pi),
                "VISIBILITY": 1,
                "ROI_N_POINTS": len(outline),
            }
            element = SubElement(together, "Spot", {name: str(value) for name, value in features.items()})
            element.text = " ".join(f"{value:.4f}" for value in outline[:, ::-1].ravel())


def _add_tracks(model: Element, graph: TrackGraph, results: Results) -> None:
    families: dict[int, list[tuple[int, int]]] = {}
    for source, target in graph.edges.tolist():
        family = graph.descents[int(graph.objects[source])].family
        families.setdefault(family, []).append((source, target))
    tracks, shown = SubElement(model, "AllTracks"), SubElement(model, "FilteredTracks")
    for number, (family, edges) in enumerate(families.items()):
        described = {"name": results.name_of(family), "TRACK_INDEX": str(number), "TRACK_ID": str(number)}
        n_spots = len({spot for edge in edges for spot in edge})
        track = SubElement(tracks, "Track", described | {"NUMBER_SPOTS": str(n_spots)})
        for source, target in edges:
            SubElement(track, "Edge", SPOT_SOURCE_ID=str(source), SPOT_TARGET_ID=str(target))
        SubElement(shown, "TrackID", TRACK_ID=str(number))


def _add_settings(root: Element, stack: Stack, sizes: _Sizes) -> None:
    settings = SubElement(root, "Settings")
    image = {
        "filename": "" if stack.path is None else stack.path.name,
        "folder": "" if stack.path is None else str(stack.path.resolve().parent),
        "width": stack.width,
        "height": stack.height,
        "nslices": 1,
        "nframes": stack.n_frames,
        "pixelwidth": sizes.place[1],
        "pixelheight": sizes.place[0],
        "voxeldepth": 1.0,
        "timeinterval": sizes.step,
    }
    SubElement(settings, "ImageData", {name: str(value) for name, value in image.items()})
    # No filter hides a spot or a track.
    SubElement(settings, "InitialSpotFilter", feature="QUALITY", value="0.0", isabove="true")
    SubElement(settings, "SpotFilterCollection")
    SubElement(settings, "TrackFilterCollection")
    SubElement(root, "GUIState", state="ConfigureViews")

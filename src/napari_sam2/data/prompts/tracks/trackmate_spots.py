"""Reading of prompts from TrackMate's XML: spots as clicks, each branch of a track as an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

from napari_sam2.data.prompts.prompt_parts import PromptParts

from .branches import Branches, find_branches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from xml.etree.ElementTree import Element

    from napari_sam2.data.images.stack import Stack
    from napari_sam2.data.labels.lineage import LifeSpan
    from napari_sam2.data.prompts.prompt import Prompt

_ADVICE = "prompts are what TrackMate saves, or its action Export tracks to XML file writes"


class _Spot(NamedTuple):
    """A spot, in units of length."""

    time: int
    z: float
    y: float
    x: float
    object_id: int


class _Voxel(NamedTuple):
    """Lengths of its sides."""

    z: float
    y: float
    x: float


def trackmate_prompts(source: Path, stack: Stack) -> list[Prompt]:
    """Read the spots of a TrackMate file, or of tracks that TrackMate exported, as clicks on a stack.

    A track that divides or merges becomes an object for each branch. Spots of no track are left out, unless there are
    no tracks at all: then each is on an object of its own.
    """
    root = _root(source)
    try:
        if root.tag == "TrackMate":
            voxel, spots = _image_voxel(root, stack, source), _model_spots(root)
        elif root.tag == "Tracks":
            voxel, spots = _stack_voxel(stack), _exported_spots(root)
        else:
            raise ValueError(f"{source} holds {root.tag} and no spots: {_ADVICE}")
        parts = PromptParts(source)
        for spot in spots:
            if (frame := _frame(spot, voxel, stack)) is not None:
                parts.add_point(frame, spot.object_id, spot.y / voxel.y, spot.x / voxel.x)
    except KeyError as error:
        raise ValueError(f"{source} cannot be read as TrackMate's XML: {error} is missing") from error
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise error if str(source) in str(error) else ValueError(f"{source}: {error}") from error
    return parts.prompts()


def trackmate_spans(source: Path) -> dict[int, LifeSpan]:
    """Read begin, end and parent of each branch; nothing of tracks that were exported by themselves."""
    root = _root(source)
    return {} if root.tag != "TrackMate" else dict(_branches(root, _visible(root)).spans)


def _root(source: Path) -> Element:
    try:
        return ElementTree.parse(source).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"{source} is not valid XML: {error}") from error


def _visible(root: Element) -> dict[str, Element]:
    return {spot.attrib["ID"]: spot for spot in root.iter("Spot") if spot.get("VISIBILITY", "1") != "0"}


def _frame(spot: _Spot, voxel: _Voxel, stack: Stack) -> int | None:
    """Tell the frame of a spot; None where it lies at another place on the axis that is not tracked."""
    plane = round(spot.z / voxel.z)
    frame, other = (plane, spot.time) if stack.axis == "z" else (spot.time, plane)
    at = stack.geometry.selection.at
    return frame if at is None or at == other else None


def _model_spots(root: Element) -> Iterator[_Spot]:
    spots = _visible(root)
    branches = _branches(root, spots).object_of or {name: number for number, name in enumerate(spots, start=1)}
    for name, object_id in branches.items():
        z, y, x = (float(spots[name].attrib[f"POSITION_{axis}"]) for axis in "ZYX")
        yield _Spot(int(spots[name].attrib["FRAME"]), z, y, x, object_id)


def _branches(root: Element, spots: Mapping[str, Element]) -> Branches[str]:
    """Branches of all tracks that were not filtered out."""
    return find_branches({name: int(spot.attrib["FRAME"]) for name, spot in spots.items()}, _edges(root))


def _edges(root: Element) -> Iterator[tuple[str, str]]:
    kept = {track.attrib["TRACK_ID"] for track in root.iterfind(".//FilteredTracks/TrackID")}
    for track in root.iter("Track"):
        if track.attrib["TRACK_ID"] in kept:
            for edge in track.iter("Edge"):
                yield edge.attrib["SPOT_SOURCE_ID"], edge.attrib["SPOT_TARGET_ID"]


def _exported_spots(root: Element) -> Iterator[_Spot]:
    for number, particle in enumerate(root.iter("particle"), start=1):
        for one in particle.iter("detection"):
            z, y, x = (float(one.attrib[axis]) for axis in "zyx")
            yield _Spot(int(one.attrib["t"]), z, y, x, number)


def _image_voxel(root: Element, stack: Stack, source: Path) -> _Voxel:
    """Read the voxel of the image that TrackMate had open; it must have had the stack's frames."""
    image = root.find(".//ImageData")
    if image is None:
        return _stack_voxel(stack)
    height, width = (int(image.attrib[name]) for name in ("height", "width"))
    if (height, width) != stack.shape[1:]:
        raise ValueError(
            f"{source} is about an image of {height} x {width} pixels, and this one has frames of {stack.shape[1]} x "
            f"{stack.shape[2]}"
        )
    depth, high, wide = (float(image.attrib[name]) for name in ("voxeldepth", "pixelheight", "pixelwidth"))
    return _Voxel(depth or 1.0, high, wide)


def _stack_voxel(stack: Stack) -> _Voxel:
    y, x = stack.pixel_size or (1.0, 1.0)
    return _Voxel((stack.axis == "z" and stack.step) or 1.0, y, x)

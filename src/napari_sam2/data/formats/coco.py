"""Export of masks as JSON, in the layouts of COCO and of the SA-V data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.files.atomic_files import write_json
from napari_sam2.data.files.rle import encode_rle
from napari_sam2.data.labels.object_classes import NO_CLASS, number_classes
from napari_sam2.data.readers.image_folder import visible_images

from .export_data import regions_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam2.data.images.stack import Stack

    from .export_data import Region, Results

# Sides of the squares that part small, medium and large objects in SA-V.
_SMALL, _MEDIUM = 32**2, 96**2


def write_coco(path: Path, results: Results) -> None:
    """Write COCO's JSON: an image per frame, an annotation per object and frame, masks as packed run lengths.

    Categories are the classes of the objects, or one, ``object``, where nobody gave any. ``track_id`` is the object's
    id, the same on every frame; ``score`` its object score. File names are those of the folder the images came from,
    else ``NAME_FRAME.png``.
    """
    height, width = results.stack.shape[1:]
    # COCO numbers images from 1; `frame_id` holds the index from 0.
    names = _file_names(results.stack)
    images = [
        {"id": frame + 1, "file_name": name, "height": height, "width": width, "frame_id": frame}
        for frame, name in enumerate(names)
    ]
    annotations = [_annotation(number, region, results) for number, region in enumerate(results.regions(), start=1)]
    # Not part of COCO itself: the table of tracks, as in TAO and BURST.
    tracks = [
        {"id": object_id, "category_id": _category(object_id, results), "name": results.name_of(object_id)}
        for object_id in results.object_ids
    ]
    classes = results.class_numbers or number_classes([NO_CLASS])
    document = {
        "info": {"description": "tracked with napari-sam2"},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in classes.items()],
        "tracks": tracks,
    }
    write_json(path, document)


def write_sav(path: Path, results: Results) -> None:
    """Write the JSON of SA-V's manual masklets, with masks for every frame."""
    ids = results.object_ids
    n_frames, height, width = results.stack.shape
    # SA-V lists frames first, objects second, with an empty mask where an object is not seen.
    areas = np.zeros((n_frames, len(ids)), np.int64)
    masklets = []
    for frame in range(n_frames):
        regions = {region.object_id: region for region in regions_of(results.labels[frame], frame)}
        for place, object_id in enumerate(ids):
            areas[frame, place] = regions[object_id].mask.sum() if object_id in regions else 0
        masklets.append([_encoded(regions.get(object_id), (height, width)) for object_id in ids])
    # Durations are seconds; without a known interval, or along depth, each frame counts as one second.
    step = results.stack.step if results.stack.axis == "t" and results.stack.step_unit == "s" else None
    document = {
        "video_id": "video" if results.stack.path is None else results.stack.path.stem,
        "video_duration": n_frames * step if step else float(n_frames),
        "video_frame_count": float(n_frames),
        "video_height": float(height),
        "video_width": float(width),
        "video_resolution": float(height * width),
        "video_environment": [],
        "video_split": "",
        "masklet": masklets,
        "masklet_id": ids,
        **_masklet_statistics(areas, height * width),
        "masklet_edited_frame_count": [0] * len(ids),
        "masklet_type": ["manual"] * len(ids),
        "masklet_stability_score": None,
        "masklet_num": len(ids),
    }
    write_json(path, document)


def _annotation(number: int, region: Region, results: Results) -> dict[str, Any]:
    # COCO boxes are x, y, width, height.
    rows, columns = region.area
    row = results.scores.get(region.frame, region.object_id)
    score = {} if row is None else {"score": round(row.object_score, 6)}
    return {
        "id": number,
        "image_id": region.frame + 1,
        "category_id": _category(region.object_id, results),
        "track_id": region.object_id,
        "segmentation": _encoded(region, results.stack.shape[1:]),
        "area": int(region.mask.sum()),
        "bbox": [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start],
        "iscrowd": 0,
        **score,
    }


def _category(object_id: int, results: Results) -> int:
    return results.class_numbers[results.class_of(object_id)]


def _encoded(region: Region | None, shape: tuple[int, int]) -> dict[str, Any]:
    if region is None:
        return encode_rle(np.zeros((0, 0), bool), (0, 0), shape)
    return encode_rle(region.mask, (region.area[0].start, region.area[1].start), shape)


def _file_names(stack: Stack) -> list[str]:
    # Other tools match annotations to images by these names.
    if stack.path is not None and stack.path.is_dir():
        names = [path.name for path in visible_images(stack.path.iterdir())]
        if len(names) == stack.n_frames:
            return names
    stem = "frame" if stack.path is None else stack.path.name.partition(".")[0]
    return [f"{stem}_{frame:05}.png" for frame in range(stack.n_frames)]


def _masklet_statistics(areas: NDArray[np.int64], resolution: int) -> dict[str, list[Any]]:
    """Describe each object by its area on every frame, (T, N)."""
    seen = areas > 0
    means = [float(column[column > 0].mean()) for column in areas.T]
    # Appearing for the first time is no change; every later coming and going is.
    changes = [int(np.count_nonzero(np.diff(column[np.argmax(column) :].astype(int)))) for column in seen.T]
    return {
        "masklet_size_rel": [mean / resolution for mean in means],
        "masklet_size_abs": means,
        "masklet_size_bucket": ["small" if m < _SMALL else "medium" if m < _MEDIUM else "large" for m in means],
        "masklet_visibility_changes": changes,
        "masklet_first_appeared_frame": [int(np.argmax(column)) for column in seen.T],
        "masklet_frame_count": [len(areas)] * areas.shape[1],
    }

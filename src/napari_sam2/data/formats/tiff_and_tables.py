"""Files of results: label TIFF, scores as CSV, and the record of a run as JSON, written and read.

Every file is written under a temporary name and renamed when it is whole.
"""

from __future__ import annotations

import csv
import platform
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_sam2.data.files.atomic_files import read_json, replacing, write_json
from napari_sam2.data.images.stack import Stack
from napari_sam2.data.images.tiff_sizes import imagej_metadata, ome_metadata
from napari_sam2.data.labels.label_stack import LabelStack, check_label_image
from napari_sam2.data.labels.provenance import Provenance
from napari_sam2.data.labels.scores import ACCEPTED, PROVENANCE_COLUMNS, SCORE_COLUMNS, ScoreRow, ScoreTable

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam2.data.images.pixels.contrast import Window
    from napari_sam2.data.images.volume_series import VolumeSeries

# ImageJ counts bytes with 32 bits; a little is left for the header.
_IMAGEJ_BYTES = 2**32 - 2**20
# Packages whose versions can change the results.
_PACKAGES = ("napari-sam2", "torch", "numpy", "scikit-image", "tifffile", "napari")


def write_labels_tiff(
    path: str | os.PathLike[str],
    labels: LabelStack | Iterable[NDArray[Any]],
    images: Stack | VolumeSeries,
    *,
    largest_id: int | None = None,
    ome: bool = False,
) -> None:
    """Write a label stack with the pixel sizes of the images it belongs to, one frame at a time.

    The file is an ImageJ hyperstack, TYX, ZYX or TZYX, uint16. Where ImageJ's own format cannot hold the labels
    (ids above 65535, or 4 GB and more) it is a compressed OME-TIFF instead, uint16 or uint32, which Fiji
    opens through Bio-Formats.

    Parameters
    ----------
    path : str or path-like
        The file to write, or to replace once the new one is whole.
    labels : LabelStack or iterable of ndarray
        One (Y, X) label image per frame, or per plane of volumes, time point by time point.
    images : Stack or VolumeSeries
        What they belong to, for shape, axes and sizes.
    largest_id : int, optional
        Largest id in `labels`. By default what a `LabelStack` holds, and 65535 for any other iterable.
    ome : bool, default: False
        Write an OME-TIFF in any case.

    Raises
    ------
    ValueError
        If there are not as many label images as frames, one has another shape, or an id is larger than
        `largest_id` allows.
    """
    if largest_id is None:
        largest_id = labels.largest_id if isinstance(labels, LabelStack) else np.iinfo(np.uint16).max
    # The type must be known before the first frame is written, so it follows from the largest id.
    dtype = np.dtype(np.uint16 if largest_id <= np.iinfo(np.uint16).max else np.uint32)
    stack = images if isinstance(images, Stack) else images.planes
    nbytes = stack.n_frames * stack.height * stack.width * dtype.itemsize
    # Frames of a single column are read back as one image where they are in ImageJ's format.
    imagej = not ome and dtype == np.uint16 and nbytes < _IMAGEJ_BYTES and stack.width > 1
    options: dict[str, Any] = {"metadata": (imagej_metadata if imagej else ome_metadata)(images.axes)}
    if stack.pixel_size is not None:
        # TIFF stores pixels per unit; the unit itself is in the metadata, as the tag only knows inch and centimetre.
        height, width = stack.pixel_size
        options |= {"resolution": (1 / width, 1 / height), "resolutionunit": "NONE"}
    if not imagej:
        # ImageJ opens its own format without plugins only when it is not compressed.
        options["compression"] = "zlib"
    with (
        replacing(path) as draft,
        tifffile.TiffWriter(draft, imagej=imagej, ome=not imagej, bigtiff=not imagej) as writer,
    ):
        # A generator, so that one frame is in memory at a time.
        frames = _checked_frames(labels, stack, dtype)
        writer.write(frames, shape=images.shape, dtype=dtype, photometric="minisblack", **options)
        next(frames, None)  # notices label images left over


def write_scores_csv(path: str | os.PathLike[str], table: ScoreTable) -> None:
    """Write scores as CSV with the columns of `ScoreTable.columns`.

    Scores keep six decimals and centroids three; cells of an empty mask stay empty.

    Parameters
    ----------
    path : str or path-like
        The file to write, or to replace once the new one is whole.
    table : ScoreTable
        The rows, written by frame, then object.
    """
    with replacing(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.columns)
        for row in table:
            writer.writerow(score_cells(row, table.columns))


def score_cells(row: ScoreRow, columns: Sequence[str] = SCORE_COLUMNS) -> list[str]:
    """Format a row as the cells of a CSV file.

    Parameters
    ----------
    row : ScoreRow
        The row.
    columns : sequence of str
        Those of its table.

    Returns
    -------
    list of str
        In the order of the columns; empty where there is no value.
    """
    cells = [_cell(name, value) for name, value in zip(SCORE_COLUMNS, row.values(), strict=True)]
    if ACCEPTED in columns:
        cells.append(str(int(row.accepted)))
    if PROVENANCE_COLUMNS[0] in columns:
        cells += [_cell(name, value) for name, value in zip(PROVENANCE_COLUMNS, row.provenance(), strict=True)]
    return cells


def read_scores_csv(path: str | os.PathLike[str]) -> ScoreTable:
    """Read scores that `write_scores_csv` wrote.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    ScoreTable
        Its rows.

    Raises
    ------
    ValueError
        If the columns are others or a cell does not hold what it should; the message names the line.
    """
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = tuple(reader.fieldnames or ())
        extra = columns[len(SCORE_COLUMNS) :]
        known = (), (ACCEPTED,), PROVENANCE_COLUMNS, (ACCEPTED, *PROVENANCE_COLUMNS)
        if columns[: len(SCORE_COLUMNS)] != SCORE_COLUMNS or extra not in known:
            raise ValueError(f"{path} must have the columns {', '.join(SCORE_COLUMNS)}")
        table = ScoreTable()
        for cells in reader:
            try:
                table.put(_row(cells))
            except (TypeError, ValueError) as error:
                raise ValueError(f"{path}, line {reader.line_num}: {error}") from error
    return table


def write_session_json(path: str | os.PathLike[str], settings: Mapping[str, Any]) -> None:
    """Write what it takes to do a run again, together with the versions of the programs that did it.

    Parameters
    ----------
    path : str or path-like
        The file to write, or to replace once the new one is whole.
    settings : mapping
        Whatever JSON can hold; NumPy numbers, arrays and paths are converted. See `describe_stack`.

    Raises
    ------
    ValueError
        If a value has no JSON form or is not finite.
    """
    write_json(path, dict(settings) | {"versions": _versions()})


def read_session_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what `write_session_json` wrote.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    dict
        Its settings and versions.

    Raises
    ------
    ValueError
        If the file is not JSON or not an object.
    """
    document = read_json(path)
    if not isinstance(document, dict):
        raise ValueError(f"{path} is no session file: it must hold an object")
    return document


def describe_stack(stack: Stack, window: Window | None) -> dict[str, Any]:
    """Describe an input for `write_session_json`.

    Parameters
    ----------
    stack : Stack
        The images.
    window : Window or None
        The window they were mapped with.

    Returns
    -------
    dict
        Path, shape, type, axis, sizes and contrast limits.
    """
    return {
        "path": None if stack.path is None else str(stack.path.resolve()),
        "shape": [*stack.shape, *([3] if stack.is_rgb else [])],
        "dtype": stack.dtype.name,
        "axis": stack.axis,
        "pixel_size": stack.pixel_size,
        "unit": stack.unit,
        "step": stack.step,
        "step_unit": stack.step_unit,
        "contrast_limits": None if window is None else [window.low, window.high],
    }


def _checked_frames(
    labels: LabelStack | Iterable[NDArray[Any]], stack: Stack, dtype: np.dtype[Any]
) -> Iterator[NDArray[Any]]:
    # tifffile stops at the shape and does not notice label images left over.
    count = 0
    for image in labels:
        if count == stack.n_frames:
            raise ValueError(f"there are more label images than the stack's {stack.n_frames} frames")
        try:
            yield np.ascontiguousarray(check_label_image(image, stack.shape[1:], dtype))
        except ValueError as error:
            raise ValueError(f"frame {count} of the labels: {error}") from error
        count += 1
    if count != stack.n_frames:
        raise ValueError(f"there are {count} label images for {stack.n_frames} frames")


def _cell(column: str, value: str | float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if column.startswith("centroid"):
        return f"{value:.3f}"
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _row(cells: dict[str, str]) -> ScoreRow:
    # Empty cells are those of an empty mask.
    centroid = bbox = None
    if cells["centroid_y"]:
        centroid = float(cells["centroid_y"]), float(cells["centroid_x"])
    if cells["bbox_y0"]:
        y0, x0, y1, x1 = (int(cells[f"bbox_{corner}"]) for corner in ("y0", "x0", "y1", "x1"))
        bbox = y0, x0, y1, x1
    return ScoreRow(
        frame=int(cells["frame"]),
        object_id=int(cells["object"]),
        object_score=float(cells["object_score"]),
        predicted_iou=float(cells["predicted_iou"]),
        area=int(cells["area"]),
        centroid=centroid,
        bbox=bbox,
        accepted=bool(int(cells.get(ACCEPTED, "0"))),
        made=_made(cells),
        expected_j=float(cells["expected_j"]) if cells.get("expected_j") else None,
    )


def _made(cells: dict[str, str]) -> Provenance | None:
    if "source" not in cells:
        return None
    model = (cells["model"], cells["model_sha256"], cells["memory"])
    return Provenance.read(cells["source"], model, corrected=bool(int(cells["corrected"])))


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "system": platform.platform()}
    for package in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions

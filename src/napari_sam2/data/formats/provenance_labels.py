"""Export of how each mask came about: a label image of codes, and the legend."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2.data.labels.provenance import describe_code, provenance_code

from .tiff_and_tables import write_labels_tiff

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from .export_data import Results

_IMAGE, _LEGEND = "provenance.tif", "legend.csv"


def code_image(results: Results, frame: int) -> NDArray[np.uint8]:
    """(Y, X) codes of `provenance_code`, 0 for background."""
    labels = results.labels[frame]
    rows = {row.object_id: row for row in results.scores.on_frame(frame)}
    image = np.zeros(labels.shape, np.uint8)
    for object_id in np.unique(labels[labels > 0]).tolist():
        row = rows.get(object_id)
        # Frames between tracked ones, and what was painted over the labels since, have no row.
        code = provenance_code(None) if row is None else provenance_code(row.made, accepted=row.accepted)
        image[labels == object_id] = code
    return image


def legend(results: Results) -> dict[int, str]:
    """By code, what it means, of those that there are."""
    codes = {provenance_code(row.made, accepted=row.accepted) for row in results.scores if row.area}
    return {code: describe_code(code) for code in sorted(codes | {provenance_code(None)})}


def write_provenance(path: Path, results: Results) -> None:
    """Write a folder with the image of codes and the legend."""
    path.mkdir()

    def images() -> Iterator[NDArray[np.uint8]]:
        return (code_image(results, frame) for frame in range(results.stack.n_frames))

    write_labels_tiff(path / _IMAGE, images(), results.volumes or results.stack, largest_id=255)
    with (path / _LEGEND).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["code", "meaning"])
        writer.writerows(legend(results).items())


def is_provenance(path: Path) -> bool:
    """Tell whether a folder is what `write_provenance` writes."""
    return {one.name for one in path.iterdir()} == {_IMAGE, _LEGEND}

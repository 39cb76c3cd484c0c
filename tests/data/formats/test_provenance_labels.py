"""Who made each mask, in tables and images of results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_sam2.data import LabelStack, ScoreRow, ScoreTable, Stack, read_scores_csv
from napari_sam2.data.formats import Results, export_results
from napari_sam2.data.labels.provenance import Maker, Provenance
from napari_sam2.data.labels.scores import PROVENANCE_COLUMNS

NANO = Maker("sam2_nano", "ab" * 32, "gated")


@pytest.fixture
def results() -> Results:
    """A click, tracked masks of which one is accepted, a correction, and a mask of which nothing is known."""
    labels = LabelStack((5, 8, 9))
    ways = [Provenance("clicked", NANO), Provenance("tracked", NANO), Provenance("tracked", NANO)]
    ways += [Provenance("painted", None, corrected=True), None]
    rows = []
    for frame, made in enumerate(ways):
        image = np.zeros((8, 9), np.uint16)
        image[2:5, frame : frame + 3] = 7
        labels.set(frame, image)
        row = ScoreRow.from_mask(frame, 7, scores=(0.9, 0.8), mask=image == 7)
        rows.append(replace(row, made=made, accepted=frame == 2, expected_j=0.625))
    return Results(labels, Stack.from_array(np.zeros((5, 8, 9), np.uint8)), ScoreTable(rows))


def test_the_table_says_it_and_is_read_back(results: Results, tmp_path: Path) -> None:
    path = export_results(results, "csv", tmp_path / "scores.csv")
    table = pd.read_csv(path, keep_default_na=False)
    assert table["source"].tolist() == ["clicked", "tracked", "tracked", "painted", ""]
    assert table["corrected"].tolist() == [0, 0, 0, 1, 0]
    assert table.loc[1, ["model", "model_sha256", "memory"]].tolist() == ["sam2_nano", "ab" * 32, "gated"]
    assert list(read_scores_csv(path)) == [
        replace(row, centroid=tuple(np.round(row.centroid, 3).tolist())) for row in results.scores
    ]


def test_tables_without_it_are_as_they_were(results: Results, tmp_path: Path) -> None:
    plain = replace(results, scores=ScoreTable(replace(row, made=None) for row in results.scores))
    header = export_results(plain, "csv", tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()[0]
    assert not {*PROVENANCE_COLUMNS} & {*header.split(",")}


def test_an_image_of_codes_with_its_legend(results: Results, tmp_path: Path) -> None:
    folder = export_results(results, "provenance", tmp_path / "provenance")
    image = tifffile.imread(folder / "provenance.tif")
    legend = pd.read_csv(folder / "legend.csv").set_index("code")["meaning"]
    shown = [legend[int(image[frame].max())] for frame in range(5)]
    assert shown == [
        "the model's answer to a person's clicks",
        "tracked by the model",
        "tracked by the model, accepted by a person",
        "given by a person as pixels, a correction of what a model had made",
        "not recorded",
    ]
    np.testing.assert_array_equal(image > 0, results.labels.to_array() > 0)
    # It replaces its own folder, and no other.
    export_results(results, "provenance", folder)
    (folder / "notes.txt").touch()
    with pytest.raises(ValueError, match="more than an earlier export"):
        export_results(results, "provenance", folder)


@pytest.mark.parametrize("name", ["ome-zarr", "ome-zarr-0.4"])
def test_ome_zarr_has_it_as_a_label_image_and_properties(results: Results, tmp_path: Path, name: str) -> None:
    zarr = pytest.importorskip("zarr", reason="zarr is not installed")
    group = zarr.open_group(export_results(results, name, tmp_path / "labels.ome.zarr"), mode="r")

    def about(one: object) -> dict[str, object]:
        return dict(one.attrs).get("ome", dict(one.attrs))["image-label"]

    (properties,) = about(group)["properties"]
    assert (properties["n_tracked"], properties["n_corrected"], properties["n_accepted"]) == (2, 1, 1)
    assert properties["models"] == f"sam2_nano {'ab' * 32} gated"
    assert properties["mean_expected_j"] == 0.625
    codes = group["provenance"]
    legend = {one["label-value"]: one["meaning"] for one in about(codes)["properties"]}
    assert legend[int(codes["0"][2].max())] == "tracked by the model, accepted by a person"
    np.testing.assert_array_equal(codes["0"][:] > 0, group["0"][:] > 0)

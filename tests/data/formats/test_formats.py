"""Exports, each read back with the library its users use."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_sam2.data import Calibration, LabelStack, ScoreRow, ScoreTable, Stack, open_stack
from napari_sam2.data.files.rle import encode_rle
from napari_sam2.data.formats import (
    FORMATS,
    Results,
    check_formats,
    export_results,
    find_format,
    tracks_array,
    tracks_graph,
)
from napari_sam2.data.formats.export_data import regions_of
from napari_sam2.data.images.axes import Axis
from napari_sam2.data.images.geometry import Geometry, affine_of
from napari_sam2.data.images.selection import Selection
from napari_sam2.data.labels.label_storage import LabelRuns
from napari_sam2.data.labels.lineage import Lineage
from napari_sam2.data.pictures.outlines import object_color

TIME = Calibration((0.5, 0.25), 2.0, "um", "s")
DEPTH = Calibration((0.5, 0.25), 1.5, "um", "um")
IDS = [1, 4, 300]
# 2026-11: pycocotools 2.0.11 hands NumPy 2 an array of the old protocol.
old_protocol = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def label_array(n_frames: int = 6) -> np.ndarray:
    """Object 1 is always there, 4 goes and comes back, 300 comes late."""
    labels = np.zeros((n_frames, 40, 56), np.uint16)
    for frame in range(n_frames):
        labels[frame, 5 + frame : 15 + frame, 8 : 20 + frame] = 1
        if frame not in (2, 3):
            labels[frame, 30:36, 40:52] = 4
            labels[frame, 32, 44] = 0
        if frame >= 4:
            labels[frame, 0:3, 50:56] = 300
    return labels


def score_table(labels: np.ndarray) -> ScoreTable:
    rows = (
        ScoreRow.from_mask(frame, i, scores=(0.9 if (image == i).any() else 0.1, 0.8), mask=image == i)
        for frame, image in enumerate(labels)
        for i in IDS
    )
    return ScoreTable(rows)


def make_results(axis: str = "t", **changes: object) -> Results:
    labels = label_array()
    pixels = np.random.default_rng(0).integers(0, 3000, labels.shape).astype(np.uint16)
    stack = Stack.from_array(pixels, axis, calibration=TIME if axis == "t" else DEPTH)
    kept = LabelStack(labels.shape)
    for frame, image in enumerate(labels):
        kept.set(frame, image)
    settings = {"labels": kept, "stack": stack, "scores": score_table(labels), "names": {4: "mitosis"}} | changes
    return Results(**settings)


def test_all_objects_of_a_frame_are_found_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.kron(np.arange(1, 61).reshape(6, 10), np.ones((5, 4), int)).astype(np.uint32)
    image[image == 7] = 4_000_000_000
    passes = []
    monkeypatch.setattr(LabelRuns, "of", lambda image, of=LabelRuns.of: passes.append(image.shape) or of(image))
    regions = list(regions_of(image, 3))
    assert passes == [image.shape]
    assert [region.object_id for region in regions] == np.unique(image).tolist()
    drawn = np.zeros_like(image)
    for region in regions:
        assert (region.frame, region.mask.all()) == (3, True)
        drawn[region.area] = region.object_id
    np.testing.assert_array_equal(drawn, image)


def test_imagej_tiff(tmp_path: Path) -> None:
    path = export_results(make_results("z"), "tiff", tmp_path / "labels.tif")
    with tifffile.TiffFile(path) as tif:
        assert tif.is_imagej
        assert (tif.series[0].axes, tif.series[0].dtype) == ("ZYX", np.uint16)
        assert (tif.imagej_metadata["unit"], tif.imagej_metadata["spacing"]) == ("um", 1.5)
        np.testing.assert_array_equal(tif.asarray(), label_array())


@pytest.mark.parametrize("axis", ["t", "z"])
def test_ome_tiff(tmp_path: Path, axis: str) -> None:
    ome_types = pytest.importorskip("ome_types", reason="ome-types is not installed")
    path = export_results(make_results(axis), "ome-tiff", tmp_path / "labels.ome.tif")
    pixels = ome_types.from_tiff(path).images[0].pixels
    assert (pixels.size_t, pixels.size_z) == ((6, 1) if axis == "t" else (1, 6))
    assert (pixels.physical_size_y, pixels.physical_size_x) == (0.5, 0.25)
    assert pixels.physical_size_x_unit.value == "µm"
    if axis == "t":
        assert (pixels.time_increment, pixels.time_increment_unit.value) == (2.0, "s")
    else:
        assert (pixels.physical_size_z, pixels.physical_size_z_unit.value) == (1.5, "µm")
    np.testing.assert_array_equal(tifffile.imread(path), label_array())
    with open_stack(path) as back:
        assert (back.axis, back.calibration) == (axis, TIME if axis == "t" else DEPTH)


@pytest.mark.parametrize(("name", "version"), [("ome-zarr", "0.5"), ("ome-zarr-0.4", "0.4")])
@pytest.mark.parametrize("axis", ["t", "z"])
def test_ome_zarr(tmp_path: Path, name: str, version: str, axis: str) -> None:
    reader = pytest.importorskip("ome_zarr.reader", reason="ome-zarr is not installed")
    from ome_zarr.io import parse_url

    path = export_results(make_results(axis), name, tmp_path / "labels.ome.zarr")
    location = parse_url(path)
    assert location.fmt.version == version
    (node,) = reader.Reader(location)()
    assert any(isinstance(spec, reader.Label) for spec in node.specs)
    np.testing.assert_array_equal(np.asarray(node.data[0]), label_array())
    assert [one["name"] for one in node.metadata["axes"]] == [axis, "y", "x"]
    assert [one["unit"] for one in node.metadata["axes"]] == ["second" if axis == "t" else "micrometer"] + [
        "micrometer"
    ] * 2
    (scale,) = node.metadata["coordinateTransformations"][0]
    assert scale["scale"] == [2.0 if axis == "t" else 1.5, 0.5, 0.25]
    for object_id in IDS:
        assert node.metadata["color"][object_id] == [channel / 255 for channel in (*object_color(object_id), 255)]
    assert node.metadata["properties"][4]["name"] == "mitosis"
    assert (node.metadata["properties"][4]["n_frames"], node.metadata["properties"][300]["first_frame"]) == (4, 4)
    assert node.metadata["properties"][1]["mean_object_score"] == 0.9
    with open_stack(path) as back:
        assert (back.axis, back.calibration) == (axis, TIME if axis == "t" else DEPTH)


def test_coarser_levels_of_ome_zarr_are_labels_too(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr", reason="zarr is not installed")
    labels = np.zeros((1, 600, 900), np.uint32)
    labels[0, 100:300, 200:700] = 70000
    results = Results(labels, Stack.from_array(np.zeros(labels.shape, np.uint8)))
    group = zarr.open_group(export_results(results, "ome-zarr", tmp_path / "big.ome.zarr"))
    assert [group[str(level)].shape[1:] for level in range(3)] == [(600, 900), (300, 450), (150, 225)]
    np.testing.assert_array_equal(group["2"][:], labels[:, ::4, ::4])
    assert group["0"].dtype == np.uint32


def test_label_image_of_an_ome_zarr_names_its_source(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr", reason="zarr is not installed")
    zarr.create_array(tmp_path / "plain.zarr", data=np.zeros((6, 40, 56), np.uint8))
    results = make_results(stack=open_stack(tmp_path / "plain.zarr"))
    path = export_results(results, "ome-zarr", tmp_path / "out" / "labels.ome.zarr")
    said = zarr.open_group(path).attrs["ome"]["image-label"]["source"]["image"]
    assert (path / said).resolve() == tmp_path / "plain.zarr"


def test_scores_as_csv(tmp_path: Path) -> None:
    table = pd.read_csv(export_results(make_results(), "csv", tmp_path / "scores.csv"))
    assert len(table) == 18
    gone = table[(table["object"] == 4) & (table["frame"] == 2)].iloc[0]
    assert gone["area"] == 0
    assert np.isnan(gone["centroid_y"])


@pytest.mark.parametrize("axis", ["t", "z"])
def test_tracks(tmp_path: Path, axis: str) -> None:
    layers = pytest.importorskip("napari.layers", reason="napari is not installed")
    results = make_results(axis)
    table = pd.read_csv(export_results(results, "tracks", tmp_path / "tracks.csv"))
    assert list(table) == ["track_id", axis, "y", "x", "object_score"]
    layer = layers.Tracks(table[["track_id", axis, "y", "x"]].to_numpy(), features=table[["object_score"]])
    assert sorted(set(layer.data[:, 0])) == IDS
    np.testing.assert_allclose(layer.data, tracks_array(results), atol=5e-4)
    first = table[(table["track_id"] == 1) & (table[axis] == 3)].iloc[0]
    assert (first["y"], first["x"], first["object_score"]) == (12.5, 15, 0.9)
    assert (table["track_id"] == 4).sum() == 4, "no row where the object is not"


def test_parents_are_the_graph_of_tracks_and_in_the_table(tmp_path: Path) -> None:
    layers = pytest.importorskip("napari.layers", reason="napari is not installed")
    labels = label_array()
    labels[:, 30:36] = 0
    labels[4:][labels[4:] == 1] = 4
    frames = [np.unique(image[image > 0]).tolist() for image in labels]
    results = make_results(labels=labels, lineage=Lineage.of_frames(frames, {4: 1, 300: 1, 1: 4}))
    assert tracks_graph(results) == {4: [1], 300: [1]}
    layer = layers.Tracks(tracks_array(results), graph=tracks_graph(results))
    assert layer.graph == {4: [1], 300: [1]}
    table = pd.read_csv(export_results(results, "tracks", tmp_path / "tracks.csv"))
    assert table.groupby("track_id")["parent_track_id"].max().fillna(0).to_dict() == {1: 0, 4: 1, 300: 1}
    path = export_results(results, "ctc", tmp_path / "ctc")
    assert np.loadtxt(path / "res_track.txt", dtype=int).tolist() == [[1, 0, 3, 0], [4, 4, 5, 1], [300, 4, 5, 1]]


def test_cell_tracking_challenge(tmp_path: Path) -> None:
    path = export_results(make_results(), "ctc", tmp_path / "01_RES")
    names = sorted(one.name for one in path.iterdir())
    assert names == [*(f"mask{frame:03}.tif" for frame in range(6)), "objects.csv", "res_track.txt"]
    masks = np.stack([tifffile.imread(path / name) for name in names[:6]])
    assert masks.dtype == np.uint16
    tracks = np.loadtxt(path / "res_track.txt", dtype=int)
    assert tracks.tolist() == [[1, 0, 5, 0], [4, 0, 1, 0], [300, 4, 5, 0], [301, 4, 5, 4]]
    # What the challenge's own check asks: each track on every frame from its first to its last, and nowhere else.
    for label, begin, end, parent in tracks:
        assert np.flatnonzero((masks == label).any(axis=(1, 2))).tolist() == list(range(begin, end + 1))
        assert parent == 0 or tracks[tracks[:, 0] == parent][0, 2] < begin
    assert set(np.unique(masks)) == {0, *tracks[:, 0]}
    table = pd.read_csv(path / "objects.csv")
    assert dict(zip(table["label"], table["object"], strict=True)) == {1: 1, 4: 4, 300: 300, 301: 4}
    assert table["name"].tolist() == ["object 1", "mitosis", "object 300", "mitosis"]
    np.testing.assert_array_equal(np.where(masks == 301, 4, masks), label_array())


def test_ids_that_16_bits_cannot_hold_get_others(tmp_path: Path) -> None:
    labels = label_array().astype(np.uint32)
    labels[labels == 300] = 70000
    path = export_results(make_results(labels=labels), "ctc", tmp_path / "ctc")
    table = pd.read_csv(path / "objects.csv")
    assert sorted(table["object"]) == [1, 4, 4, 70000]
    assert table["label"].max() < 65536
    assert len(set(table["label"])) == 4


def test_a_z_stack_is_no_cell_tracking(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\(ctc\) is for time, and this stack runs along depth"):
        export_results(make_results("z"), "ctc", tmp_path / "ctc")
    assert not list(tmp_path.iterdir())


def masks() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 70, (60, 2)).tolist()
    random = [rng.random(size) < share for size, share in zip(sizes, rng.random(60), strict=True)]
    full, late = np.ones((9, 7), bool), np.zeros((300, 400), bool)
    late[-1, -1] = True
    return [*random, full, ~full, late, ~late, label_array()[0] > 0]


@old_protocol
def test_run_lengths_are_those_of_pycocotools() -> None:
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    for mask in masks():
        ours = encode_rle(mask, (0, 0), mask.shape)
        theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert ours["counts"] == theirs["counts"].decode()
        assert ours["size"] == list(theirs["size"])
        np.testing.assert_array_equal(coco.decode(ours), mask)


@old_protocol
@pytest.mark.parametrize("corner", [(0, 0), (3, 0), (0, 5), (4, 6), (2, 5)])
def test_run_lengths_of_a_part_of_the_frame(corner: tuple[int, int]) -> None:
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    part = np.random.default_rng(0).random((8, 9)) < 0.7
    frame = np.zeros((12, 15), bool)
    frame[corner[0] : corner[0] + 8, corner[1] : corner[1] + 9] = part
    assert (
        encode_rle(part, corner, frame.shape)["counts"]
        == coco.encode(np.asfortranarray(frame, np.uint8))["counts"].decode()
    )


@old_protocol
def test_coco(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco_api = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    path = export_results(make_results(), "coco", tmp_path / "coco.json")
    coco = coco_api.COCO(str(path))
    labels = label_array()
    seen = np.zeros(labels.shape, np.uint16)
    for annotation in coco.loadAnns(coco.getAnnIds()):
        frame = coco.loadImgs(annotation["image_id"])[0]["frame_id"]
        mask = coco.annToMask(annotation) > 0
        seen[frame][mask] = annotation["track_id"]
        rows, columns = np.nonzero(mask)
        assert annotation["bbox"] == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        assert (annotation["area"], annotation["score"]) == (mask.sum(), 0.9)
    np.testing.assert_array_equal(seen, labels)
    assert coco.loadCats(coco.getCatIds()) == [{"id": 1, "name": "object"}]
    assert {one["id"]: one["name"] for one in coco.dataset["tracks"]}[4] == "mitosis"
    assert coco.loadImgs(3)[0]["file_name"] == "frame_00002.png"


def test_coco_names_the_files_of_a_folder(tmp_path: Path) -> None:
    for frame in range(6):
        tifffile.imwrite(tmp_path / f"cell {frame}.tif", np.zeros((40, 56), np.uint8))
    path = export_results(make_results(stack=open_stack(tmp_path)), "coco", tmp_path / "coco.json")
    assert json.loads(path.read_text(encoding="utf-8"))["images"][5]["file_name"] == "cell 5.tif"


@old_protocol
def test_sav(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    said = json.loads(export_results(make_results(), "sav", tmp_path / "sav.json").read_text(encoding="utf-8"))
    labels = label_array()
    for frame in range(6):
        for place, object_id in enumerate(said["masklet_id"]):
            np.testing.assert_array_equal(coco.decode(said["masklet"][frame][place]), labels[frame] == object_id)
    assert (said["masklet_id"], said["masklet_num"]) == (IDS, 3)
    assert (said["video_duration"], said["video_frame_count"], said["video_resolution"]) == (12, 6, 40 * 56)
    assert said["masklet_first_appeared_frame"] == [0, 0, 4]
    assert said["masklet_visibility_changes"] == [0, 2, 0]
    assert said["masklet_size_abs"] == [(labels == i).sum() / (labels == i).any((1, 2)).sum() for i in IDS]
    assert said["masklet_size_bucket"] == ["small"] * 3


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if name != "dicom-seg"])
def test_labels_that_are_empty(tmp_path: Path, name: str) -> None:
    """Nothing tracked yet is no error; only a picture of nothing is."""
    empty = make_results(labels=np.zeros((6, 40, 56), np.uint16), scores=ScoreTable())
    path = export_results(empty, name, tmp_path / FORMATS[name].filename)
    assert path.exists()


def test_labels_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"labels of shape \(5, 40, 56\) do not fit"):
        make_results(labels=label_array(5))


def test_formats_are_found_by_name() -> None:
    assert find_format("ctc").filename == "ctc"
    with pytest.raises(ValueError, match=r"no format 'omezarr' \(did you mean 'ome-zarr'\?\): choose among tiff, "):
        find_format("omezarr")
    stack = make_results().stack
    assert [one.name for one in check_formats(["coco", "ctc", "coco"], stack)] == ["coco", "ctc"]
    with pytest.raises(ValueError, match="mp4 shows the images"):
        check_formats(["mp4"], stack, has_pixels=False)
    assert {one.suffix for one in FORMATS.values()} >= {".ome.tif", ".nii.gz", ".ome.zarr", ""}


MISSING = """
import sys
for module in ("av", "zarr", "nibabel", "pydicom", "highdicom"):
    sys.modules[module] = None
import numpy as np
from pathlib import Path
from napari_sam2.cli import main
from napari_sam2.data import MissingExtraError, Stack, open_stack
from napari_sam2.data.formats import FORMATS, Results, export_results
folder = Path(sys.argv[1])
results = Results(np.zeros((2, 8, 8), np.uint16), Stack.from_array(np.zeros((2, 8, 8))))
for name, one in FORMATS.items():
    try:
        export_results(results, name, folder / one.filename)
    except MissingExtraError as error:
        print(name, "|", error)
for name in ("in.mp4", "in.nii", "in.dcm", "in.zarr"):
    try:
        open_stack(folder / name)
    except MissingExtraError as error:
        print(name, "|", error)
print("status", "|", main(["segment", str(folder / "in.mp4"), "--prompts", "p.json", "--output", str(folder / "out")]))
"""


def test_a_missing_package_is_named_with_its_extra(tmp_path: Path) -> None:
    for name in ("in.mp4", "in.nii"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "in.dcm").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "in.zarr").mkdir()
    (tmp_path / "in.zarr" / "zarr.json").write_text("{}", encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", MISSING, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = dict(line.split(" | ") for line in done.stdout.splitlines())
    assert told.pop("status") == "2"
    assert done.stderr.startswith("napari-sam2: error: reading videos takes the package av, which is not installed")
    assert done.stderr.count("\n") == 1
    wanted = {name: one.extra for name, one in FORMATS.items() if one.extra}
    wanted |= {"in.mp4": "video", "in.nii": "medical", "in.dcm": "medical", "in.zarr": "zarr"}
    assert set(told) == set(wanted)
    for name, message in told.items():
        assert message.endswith(f'which is not installed: pip install "napari-sam2[{wanted[name]}]"')
    assert not any((tmp_path / FORMATS[name].filename).exists() for name in told if name in FORMATS)


def test_every_format_is_in_the_documentation() -> None:
    page = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
    for one in FORMATS.values():
        (line,) = [line for line in page.splitlines() if line.startswith(f"| `{one.name}` | `{one.filename}")]
        assert line.split("|")[3].strip() == (one.extra or "")


def test_a_folder_is_replaced_only_where_all_in_it_is_ours(tmp_path: Path) -> None:
    path = export_results(make_results(), "ctc", tmp_path / "ctc")
    export_results(make_results(labels=np.zeros((6, 40, 56), np.uint16)), "ctc", path)
    assert (path / "res_track.txt").read_text(encoding="utf-8") == ""
    with pytest.raises(ValueError, match=r"ctc is there already: name another place, or add --overwrite"):
        export_results(make_results(), "ctc", path, overwrite=False)
    (path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match="ctc holds more than an earlier export in the format ctc"):
        export_results(make_results(), "ctc", path)
    assert (path / "thesis.txt").read_text(encoding="utf-8") == "mine"
    with pytest.raises(ValueError, match=r"ctc is a folder, but the format coco is a file"):
        export_results(make_results(), "coco", path)


def test_someones_ome_zarr_is_not_replaced(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr", reason="zarr is not installed")
    zarr.create_group(tmp_path / "image.ome.zarr").create_array("0", data=np.ones((2, 3)))
    with pytest.raises(ValueError, match="holds more than an earlier export"):
        export_results(make_results(), "ome-zarr", tmp_path / "image.ome.zarr")
    path = export_results(make_results(), "ome-zarr", tmp_path / "labels.ome.zarr")
    export_results(make_results(), "ome-zarr", path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["image.ome.zarr", "labels.ome.zarr"]


@pytest.mark.parametrize("name", ["tiff", "ome-tiff", "ome-zarr"])
def test_geometry_that_is_lost_is_told(tmp_path: Path, name: str) -> None:
    pytest.importorskip("zarr", reason="zarr is not installed")
    plain = Geometry((Axis("z", 6, 2.0), Axis("y", 40, 0.5), Axis("x", 56, 0.25)), Selection(axis="z"))
    away = replace(
        plain, axes=(replace(plain.axes[0], translation=8.0), plain.axes[1], replace(plain.axes[2], scale=-1.0))
    )
    straight = replace(plain, affine=affine_of(np.array([[-1.0, 0, 0, 5], [0, 2, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1]])))
    turned = replace(plain, affine=affine_of(np.array([[0, 1.0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])))
    place, direction, turn = "where the first pixel lies", "axes that run backwards", "turned and sheared axes"
    lost = {plain: [], away: [place, direction], straight: [place, direction], turned: [place, turn]}
    if name == "ome-zarr":
        lost = {plain: [], away: [], straight: [], turned: [turn]}
    for number, (geometry, expected) in enumerate(lost.items()):
        results = make_results("z")
        results.stack.geometry = geometry
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            export_results(results, name, tmp_path / f"{number}-{FORMATS[name].filename}")
        told = [str(one.message) for one in said if "has no place for it" in str(one.message)]
        assert len(told) == bool(expected)
        assert all(part in told[0] for part in expected)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "dicom-seg"])
@pytest.mark.parametrize("odd", [-1, 2**32, 2**32 + 4, 5_000_000_000])
def test_ids_beyond_a_format_are_refused_and_never_wrapped(tmp_path: Path, name: str, odd: int) -> None:
    labels = np.zeros((3, 20, 30), np.int64)
    labels[0, 5:9, 6:12], labels[1, 12:15, 3:9] = 4, odd
    results = Results(labels, Stack.from_array(np.zeros(labels.shape, np.uint8), "t", rgb=False))
    with pytest.raises(ValueError, match=f"the format {name} cannot hold the object id {odd}: ids are whole numbers"):
        export_results(results, name, tmp_path / FORMATS[name].filename)
    assert list(tmp_path.iterdir()) == []

"""The main job from the command line: what lies on disk afterwards."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from commandline import DiskStack, Run, write_entries
from PIL import Image

from napari_sam2.data.readers.open_stack import open_stack
from napari_sam2.synthetic.samples import make_sample
from napari_sam2.weights.catalog import get_entry


def record_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "session.json").read_text(encoding="utf-8"))


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_writes_labels_scores_overlays_and_a_record(
    run: Run, disk: DiskStack, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "result"
    words = ["--checkpoint", checkpoint, "--image-size", 64, "--overlay", "both"]
    done = run("segment", disk.path, "--prompts", disk.prompts, "--output", out, *words)
    assert done.status == 0, done.err
    assert "3 objects on 8 frames" in done.out
    assert re.search(r"tracking over 8 frames takes about \d+ MB of memory \(weights \d+, features \d+, ", done.err)
    assert "frame/s" in done.err.replace("s/frame", "frame/s")
    written = {"labels.tif", "scores.csv", "overlay.gif", "overlay.png", "session.json", "prompts.json"}
    assert names_in(out) == written | {"prompts_masks"}

    labels = tifffile.imread(out / "labels.tif")
    assert (labels.shape, labels.dtype) == ((8, 40, 56), np.uint16)
    assert set(np.unique(labels)) <= {0, 1, 2, 3}
    np.testing.assert_array_equal(labels[0] == 1, disk.masks[0])
    with open_stack(out / "labels.tif") as again:
        assert again.pixel_size == pytest.approx((0.5, 0.25))
        assert (again.unit, again.step, again.step_unit) == ("um", 2.0, "s")

    scores = pd.read_csv(out / "scores.csv")
    assert len(scores) == 8 * 3
    assert scores["object_score"].between(0, 1).all()
    areas = [np.count_nonzero(labels[row.frame] == row.object) for row in scores.itertuples()]
    assert scores["area"].tolist() == areas
    with Image.open(out / "overlay.gif") as animation, Image.open(out / "overlay.png") as strip:
        assert animation.n_frames == 8
        assert strip.width > 1000


def test_record_says_what_was_done(run: Run, disk: DiskStack, fast: list[object], tmp_path: Path) -> None:
    out = tmp_path / "result"
    limits = ["--contrast-limits", -100, 2500.5]
    done = run("segment", disk.path, "--prompts", disk.prompts, "--output", out, *fast, *limits, "--fill-holes", 0)
    assert done.status == 0, done.err
    record = record_of(out)
    assert record["complete"] is True
    assert record["tracked_frames"] == [[0, 7]]
    assert record["input"]["path"] == str(disk.path)
    assert record["input"]["contrast_limits"] == [-100, 2500.5]
    assert record["model"]["variant"] == "sam2_nano"
    assert record["model"]["image_size"] == 64
    assert len(record["model"]["sha256"]) == 64
    assert {"napari-sam2", "torch", "python"} <= set(record["versions"])


def test_command_in_the_record_does_it_again(
    run: Run, disk: DiskStack, fast: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    options = [*fast, "--max-frames", 3, "--contrast-limits", 100, 2000]
    assert run("segment", disk.path, "--prompts", disk.prompts, "--output", first, *options).status == 0
    disk.prompts.unlink()  # the copy in the folder is enough
    (tmp_path / "mask.tif").unlink()
    monkeypatch.chdir(first)
    program, *words = record_of(first)["command"]
    assert program == "napari-sam2"
    assert run(*words, "--output", second, "--overlay", "none").status == 0
    for name in ("labels.tif", "scores.csv"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


@pytest.mark.parametrize(
    ("options", "tracked"),
    [
        ([], [[0, 7]]),
        (["--max-frames", 2], [[0, 1], [4, 6]]),  # objects 1 and 2 from frame 0, object 3 from frame 5
        (["--direction", "forward", "--max-frames", 3], [[0, 2]]),
        (["--direction", "backward", "--max-frames", 3], [[3, 5]]),
        (["--direction", "both", "--max-frames", 3], [[0, 2]]),
        (["--start", 4, "--max-frames", 2], [[3, 5]]),
        (["--start", 4, "--direction", "forward"], [[4, 7]]),
    ],
)
def test_direction_start_and_length(
    run: Run, disk: DiskStack, fast: list[object], tmp_path: Path, options: list[object], tracked: list[list[int]]
) -> None:
    out = tmp_path / "result"
    assert run("segment", disk.path, "--prompts", disk.prompts, "--output", out, *fast, *options).status == 0
    record = record_of(out)
    assert record["tracked_frames"] == tracked
    assert record["complete"] is True


def test_memory_is_passed_on_and_recorded(run: Run, disk: DiskStack, fast: list[object], tmp_path: Path) -> None:
    words = ["segment", disk.path, "--prompts", disk.prompts, *fast, "--save", "--max-frames", 2]
    out = tmp_path / "result"
    done = run(*words, "--output", out, "--memory", "gated+exclusive")
    assert done.status == 0, done.err
    command = record_of(out)["command"]
    assert command[command.index("--memory") + 1] == "gated+exclusive"
    header = json.loads((out / "session.napari-sam2" / "session.json").read_text(encoding="utf-8"))
    assert header["settings"]["memory"] == "gated+exclusive"
    done = run(*words, "--output", tmp_path / "x", "--memory", "good")
    assert done.status == 2
    assert "memory is 'auto' or one of" in done.err


def test_zoom_is_passed_on_and_recorded(run: Run, disk: DiskStack, fast: list[object], tmp_path: Path) -> None:
    for words, recorded in ((["--zoom", "2"], "2.0"), (["--zoom", "off"], "off"), ([], None)):
        out = tmp_path / str(recorded)
        done = run("segment", disk.path, "--prompts", disk.prompts, "--output", out, *fast, *words)
        assert done.status == 0, done.err
        command = record_of(out)["command"]
        assert (command[command.index("--zoom") + 1] if "--zoom" in command else None) == recorded
    done = run("segment", disk.path, "--prompts", disk.prompts, "--output", tmp_path / "x", *fast, "--zoom", "near")
    assert done.status == 2
    assert "zoom is 'auto', 'off' or a factor" in done.err


def test_axis_of_a_file_that_does_not_say(run: Run, disk: DiskStack, fast: list[object], tmp_path: Path) -> None:
    folder = tmp_path / "slices"
    folder.mkdir()
    for index, frame in enumerate(tifffile.imread(disk.path)[:3]):
        Image.fromarray((frame // 16).astype(np.uint8)).save(folder / f"slice{index}.png")
    prompts = write_entries(tmp_path / "one.json", [{"frame": 0, "object": 70000, "mask": "mask.tif"}])
    out = tmp_path / "result"
    assert run("segment", folder, "--prompts", prompts, "--output", out, "--axis", "z", *fast).status == 0
    with tifffile.TiffFile(out / "labels.tif") as written:
        assert written.series[0].axes == "ZYX"
        assert written.series[0].dtype == np.uint32


def test_prompts_in_the_output_folder_are_left_alone(
    run: Run, disk: DiskStack, fast: list[object], tmp_path: Path
) -> None:
    before = disk.prompts.read_bytes()
    done = run("segment", disk.path, "--prompts", disk.prompts, "--output", tmp_path, "--max-frames", 1, *fast)
    assert done.status == 0, done.err
    assert disk.prompts.read_bytes() == before
    assert "prompts_masks" not in names_in(tmp_path)


def test_earlier_results_are_replaced_only_when_asked(
    run: Run, disk: DiskStack, fast: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "result"
    words = ["segment", disk.path, "--prompts", disk.prompts, "--output", out, *fast, "--direction", "forward"]
    assert run(*words, "--max-frames", 1).status == 0
    before = {path: path.read_bytes() for path in out.glob("*.*")}

    refused = run(*words, "--max-frames", 2)
    assert refused.status == 2
    assert refused.complaint == (
        f"napari-sam2: error: {out} already holds labels.tif: name another folder, or add --overwrite to replace it"
    )
    assert run(*words, "--max-frames", 2, "--overwrite", "--start", 99).status == 2
    assert {path: path.read_bytes() for path in out.glob("*.*")} == before

    assert run(*words, "--max-frames", 2, "--overwrite").status == 0
    assert record_of(out)["tracked_frames"] == [[0, 1]]


REAL = {
    # A uint16 time-lapse, an RGB video as a folder of JPEGs, and a float scan with negative values.
    "ctc_fluo_n2dh_sim01/frames.tif": ("t", "box", "uint16"),
    "davis_blackswan/frames": ("t", "mask", "uint8"),
    "brats2013_flair_pat0005/frames.tif": ("z", "mask", "float32"),
}


def prompts_from(labels: np.ndarray, frame: int, kind: str, folder: Path) -> Path:
    """Prompts for the two largest objects on a frame."""
    ids, areas = np.unique(labels[frame][labels[frame] > 0], return_counts=True)
    entries: list[dict[str, Any]] = []
    for object_id in ids[np.argsort(-areas)][:2].tolist():
        mask = labels[frame] == object_id
        rows, columns = np.nonzero(mask)
        entry: dict[str, Any] = {"frame": frame, "object": object_id}
        if kind == "mask":
            tifffile.imwrite(folder / f"mask{object_id}.tif", mask.astype(np.uint8))
            entry["mask"] = f"mask{object_id}.tif"
        else:
            entry["box"] = [int(v) for v in (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)]
        entries.append(entry)
    return write_entries(folder / "prompts.json", entries)


@pytest.mark.parametrize("place", REAL)
def test_real_sequence(run: Run, data_dir: Path, checkpoint: Path, tmp_path: Path, place: str) -> None:
    axis, kind, dtype = REAL[place]
    truth = tifffile.imread((data_dir / place).parent / "labels.tif")
    frame = int((truth > 0).sum(axis=(1, 2)).argmax()) if axis == "z" else 0
    prompts = prompts_from(truth, frame, kind, tmp_path)
    out = tmp_path / "result"
    words = ["--output", out, "--axis", axis, "--max-frames", 4, "--direction", "forward", "--checkpoint", checkpoint]
    done = run("segment", data_dir / place, "--prompts", prompts, *words)
    assert done.status == 0, done.err

    labels, scores, record = tifffile.imread(out / "labels.tif"), pd.read_csv(out / "scores.csv"), record_of(out)
    assert labels.shape == truth.shape
    n_objects = len(json.loads(prompts.read_text(encoding="utf-8"))["prompts"])
    assert len(scores) == 4 * n_objects
    assert sorted(scores["frame"].unique()) == list(range(frame, frame + 4))
    assert record["input"]["dtype"] == dtype
    assert record["input"]["axis"] == axis
    with open_stack(data_dir / place, axis=axis) as stack, open_stack(out / "labels.tif") as written:
        assert written.axis == axis
        assert written.calibration == stack.calibration
    if kind == "mask":
        for object_id in scores["object"].unique():
            np.testing.assert_array_equal(labels[frame] == object_id, truth[frame] == object_id)
    assert (out / "overlay.png").stat().st_size > 10_000


def test_pixel_sizes_of_an_ome_scan_are_kept(run: Run, fast: list[object], tmp_path: Path) -> None:
    sample = make_sample("zstack")
    path, out = tmp_path / "scan.ome.tif", tmp_path / "result"
    sizes = {"PhysicalSizeX": 0.9, "PhysicalSizeY": 0.8, "PhysicalSizeZ": 3.0}
    units = {f"PhysicalSize{name}Unit": "mm" for name in "XYZ"}
    tifffile.imwrite(path, sample.frames[:6], ome=True, metadata={"axes": "ZYX", **sizes, **units})
    prompts = write_entries(tmp_path / "prompts.json", [{"frame": 2, "object": 1, "box": [90, 60, 150, 120]}])
    assert run("segment", path, "--prompts", prompts, "--output", out, *fast).status == 0
    with open_stack(out / "labels.tif") as written:
        assert written.axis == "z"
        assert written.pixel_size == pytest.approx((0.8, 0.9))
        assert (written.step, written.unit, written.step_unit) == (3.0, "mm", "mm")


@pytest.mark.slow
def test_bundled_model_follows_a_cell(run: Run, data_dir: Path, tmp_path: Path) -> None:
    if not get_entry("sam2_nano").path.is_file():
        pytest.skip("this source tree has no bundled weights")
    place = data_dir / "ctc_fluo_n2dh_sim01"
    truth = tifffile.imread(place / "labels.tif")
    out = tmp_path / "result"
    prompts = prompts_from(truth, 0, "mask", tmp_path)
    done = run("segment", place / "frames.tif", "--prompts", prompts, "--output", out, "--max-frames", 5)
    assert done.status == 0, done.err
    labels = tifffile.imread(out / "labels.tif")
    for object_id in np.unique(labels[0])[1:]:
        found, true = labels[1:5] == object_id, truth[1:5] == object_id
        # What the model can do is measured elsewhere. A mask that does not follow the object is near 0.
        assert (found & true).sum() / (found | true).sum() > 0.3

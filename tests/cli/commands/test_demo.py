"""The demo: each sample through the main job, and the figures it prints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from commandline import Run
from napari.components import ViewerModel
from PIL import Image

from napari_sam2.cli.commands.demo import Overlap, measure, run_sample
from napari_sam2.cli.viewer import add_results, why_no_viewer
from napari_sam2.data.readers.open_stack import open_stack
from napari_sam2.job.options import ModelOptions
from napari_sam2.synthetic.samples import SAMPLES, Sample, make_sample
from napari_sam2.weights.catalog import get_entry

FILES = {"prompts.json", "labels.tif", "scores.csv", "session.json", "overlay.gif", "overlay.png"}


def check_folder(sample: Sample, folder: Path) -> list[Overlap]:
    """Check what lies in a sample's folder; how well each object was tracked."""
    stack_file = folder / f"{sample.name}.tif"
    assert {path.name for path in folder.iterdir()} == FILES | {stack_file.name}
    np.testing.assert_array_equal(tifffile.imread(stack_file), sample.frames)
    with open_stack(stack_file) as stack, open_stack(folder / "labels.tif") as labels:
        assert (stack.axis, stack.step) == (sample.axis, sample.step)
        assert stack.pixel_size == (None if sample.pixel_size is None else pytest.approx(sample.pixel_size))
        assert labels.calibration == stack.calibration
    assert len(pd.read_csv(folder / "scores.csv")) == len(sample.frames) * len(sample.prompts)
    with Image.open(folder / "overlay.gif") as animation:
        assert animation.n_frames == len(sample.frames)
    overlaps = measure(sample, folder)
    assert [one.object_id for one in overlaps] == sorted(prompt["object"] for prompt in sample.prompts)
    return overlaps


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_is_tracked_in_a_folder_of_its_own(name: str, checkpoint: Path, tmp_path: Path) -> None:
    whole = make_sample(name)
    first = min(prompt["frame"] for prompt in whole.prompts)
    prompt = next(prompt for prompt in whole.prompts if prompt["frame"] == first)
    cut = slice(first, first + 3)
    short = replace(whole, frames=whole.frames[cut], labels=whole.labels[cut], prompts=({**prompt, "frame": 0},))
    report = run_sample(short, tmp_path / name, ModelOptions(checkpoint=checkpoint, image_size=64))
    assert report.complete
    check_folder(short, tmp_path / name)
    # An earlier demo is no reason to refuse.
    assert run_sample(short, tmp_path / name, ModelOptions(checkpoint=checkpoint, image_size=64)).complete


@pytest.mark.slow
def test_demo_tracks_every_sample_and_says_how_well(run: Run, tmp_path: Path) -> None:
    if not get_entry("sam2_nano").path.is_file():
        pytest.skip("this source tree has no bundled weights")
    done = run("demo", "--output", tmp_path, "--no-viewer")
    assert done.status == 0, done.err
    assert "napari" not in done.out
    for name in SAMPLES:
        overlaps = check_folder(make_sample(name), tmp_path / name)
        mean = sum(one.iou for one in overlaps) / len(overlaps)
        assert f"mean IoU {mean:.2f} (object {overlaps[0].object_id}: {overlaps[0].iou:.2f}" in done.out
        # What the model can do is measured elsewhere. Masks that do not follow their objects are near 0.
        assert mean > 0.15, done.out
    check_layers([tmp_path / name / f"{name}.tif" for name in SAMPLES])


def check_layers(stacks: list[Path]) -> None:
    viewer = ViewerModel()
    add_results(viewer, stacks)
    names = [name for kind in reversed(SAMPLES) for name in (kind, f"{kind} labels")]
    assert [layer.name for layer in viewer.layers] == names
    assert [layer.visible for layer in viewer.layers] == [False, False, False, False, True, True]
    assert viewer.layers["endoscope"].rgb
    assert viewer.layers["endoscope labels"].data.shape == viewer.layers["endoscope"].data.shape[:3]


def test_overlap_is_measured_where_either_has_the_object(tmp_path: Path) -> None:
    sample = make_sample("endoscope")
    tifffile.imwrite(tmp_path / "labels.tif", sample.labels)
    assert {one.iou for one in measure(sample, tmp_path)} == {1.0}
    # An object that is drawn on every frame although it is away on most cannot score well.
    away = next(prompt["object"] for prompt in sample.prompts if (sample.labels[0] != prompt["object"]).all())
    ghost = np.where(sample.labels == away, away, 0)
    ghost[~(ghost == away).any(axis=(1, 2)), :9, :9] = away
    tifffile.imwrite(tmp_path / "labels.tif", ghost)
    scored = {one.object_id: one.iou for one in measure(sample, tmp_path)}
    present = (sample.labels == away).any(axis=(1, 2)).mean()
    assert scored[away] == pytest.approx(present)
    assert present < 1
    assert all(iou == 0 for object_id, iou in scored.items() if object_id != away)


def test_demo_output_that_is_a_file(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    done = run("demo", "--output", tmp_path / "file", "--checkpoint", checkpoint)
    assert done.status == 2
    assert "file" in done.complaint
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("environment", "platform", "reason"),
    [
        ({"CI": "true", "DISPLAY": ":0"}, "linux", "CI"),
        ({}, "linux", "no screen"),
        ({"DISPLAY": ""}, "linux", "no screen"),
        ({"DISPLAY": ":0"}, "linux", None),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", None),
        ({}, "darwin", None),
        ({"CI": "1"}, "win32", "CI"),
    ],
)
def test_when_napari_opens(environment: dict[str, str], platform: str, reason: str | None) -> None:
    pytest.importorskip("PyQt6", reason="without a Qt binding napari never opens")
    told = why_no_viewer(environment, platform)
    assert told is None if reason is None else reason in (told or "")

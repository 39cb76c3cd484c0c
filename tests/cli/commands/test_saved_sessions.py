"""Sessions on the command line: kept by segment, tracked again by run, gone on with by resume."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import tifffile
from commandline import DiskStack, Run, start_script, write_disk, write_entries

from napari_sam2 import Session
from napari_sam2.cli import main
from napari_sam2.job.run_stack import Progress
from napari_sam2.session.results.frame_result import FrameResult

# Frames of a run that is stopped on the way.
LONG = 60


def results(folder: Path) -> tuple[np.ndarray, str]:
    return tifffile.imread(folder / "labels.tif"), (folder / "scores.csv").read_text(encoding="utf-8")


def assert_same_results(one: Path, other: Path) -> None:
    np.testing.assert_array_equal(results(one)[0], results(other)[0])
    assert results(one)[1] == results(other)[1]


def journal_in(folder: Path) -> str:
    """What is in the journal, if it is not just being written anew."""
    try:
        return "".join(path.read_text(encoding="utf-8") for path in folder.glob("journal-*.jsonl"))
    except FileNotFoundError:
        return ""


@pytest.fixture
def saved(run: Run, disk: DiskStack, fast: list[object], tmp_path: Path) -> Path:
    """Results with a session folder."""
    done = run("segment", disk.path, "--prompts", disk.prompts, "--output", tmp_path / "first", "--save", *fast)
    assert done.status == 0, done.err
    return tmp_path / "first"


def test_segment_keeps_a_session(saved: Path) -> None:
    session = Session.open(saved / "session.napari-sam2")
    assert session.problems == ()
    np.testing.assert_array_equal(session.labels.to_array(), results(saved)[0])
    assert [prompt.object_id for prompt in session.prompts] == [1, 2, 3]


def test_a_folder_stands_for_the_session_in_it(run: Run, saved: Path, tmp_path: Path) -> None:
    again = run("resume", saved, "--output", tmp_path / "again", "--overlay", "none")
    assert again.status == 0, again.err
    assert_same_results(saved, tmp_path / "again")
    shutil.copytree(saved / "session.napari-sam2", saved / "other.napari-sam2")
    for command in ("resume", "run"):
        done = run(command, saved, "--output", tmp_path / "third", "--overlay", "none")
        assert done.status == 2
        assert "holds 2 sessions, name one: other.napari-sam2, session.napari-sam2" in done.complaint


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files, which Windows does not")
def test_a_full_disk_says_how_to_go_on(run: Run, saved: Path, disk: DiskStack, fast: list[object]) -> None:
    import resource

    from napari_sam2.job.option_types import format_names
    from napari_sam2.job.options import JobOptions, ModelOptions
    from napari_sam2.job.prepare import started_job
    from napari_sam2.job.run_stack import track_and_write

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill_up(steps: Iterator[FrameResult], _progress: Progress, _name: str) -> Iterator[FrameResult]:
        yield from steps
        # No file may grow beyond 300 bytes: what a full disk says, without filling one.
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, limit[1]))

    model = ModelOptions(checkpoint=Path(str(fast[1])), image_size=64)
    output = saved.parent / "full"
    options = JobOptions(disk.path, disk.prompts, output, model, exports=format_names("csv"), save=True)
    try:
        with pytest.raises(OSError, match="disk may be full") as caught, started_job(options) as work:
            track_and_write(work, fill_up)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    session = output / "session.napari-sam2"
    assert caught.value.__notes__ == [f"the session was kept: 'napari-sam2 resume {session}' goes on"]
    done = run("resume", output, "--overlay", "none")
    assert done.status == 0, done.err
    assert_same_results(saved, output)


def test_what_goes_on_counts_on(run: Run, disk: DiskStack, fast: list[object], tmp_path: Path) -> None:
    from napari_sam2.job.options import JobOptions, ModelOptions
    from napari_sam2.job.prepare import started_job
    from napari_sam2.job.run_stack import track_and_write

    def some(steps: Iterator[FrameResult], progress: Progress, _name: str) -> Iterator[FrameResult]:
        yield from islice(steps, progress.planned - 2)

    model = ModelOptions(checkpoint=Path(str(fast[1])), image_size=64)
    options = JobOptions(disk.path, disk.prompts, tmp_path / "half", model, exports=(), save=True)
    with started_job(options) as work:
        report = track_and_write(work, some)
    assert report.steps == report.planned - 2
    done = run("resume", tmp_path / "half", "--overlay", "none", "--json")
    assert done.status == 0, done.err
    assert f" {report.steps}/{report.planned} [" in done.err
    assert f" {report.planned}/{report.planned} [" in done.err
    told = json.loads(done.out)
    assert (told["before"], told["steps"], told["planned"]) == (report.steps, 2, 2)


def test_run_does_the_same_again(run: Run, saved: Path, tmp_path: Path) -> None:
    before = {p: p.read_bytes() for p in (saved / "session.napari-sam2").rglob("*") if p.is_file()}
    again = run("run", saved / "session.napari-sam2", "--output", tmp_path / "again", "--overlay", "none")
    assert again.status == 0, again.err
    assert_same_results(saved, tmp_path / "again")
    assert {p: p.read_bytes() for p in (saved / "session.napari-sam2").rglob("*") if p.is_file()} == before
    record = json.loads((tmp_path / "again" / "session.json").read_text(encoding="utf-8"))
    assert record["model"]["image_size"] == 64


def test_run_and_resume_keep_to_the_lineage(run: Run, saved: Path, tmp_path: Path) -> None:
    folder = saved / "session.napari-sam2"
    session = Session.open(folder)
    mother, frame, mask = 1, 4, np.zeros(session.stack.shape[1:], bool)
    mask[4:12, 4:12] = True
    # This model hides what it tracks.
    for t in range(8):
        session.add_mask(t, mother, mask)
    (new,) = session.divide(frame, mother, [mother])
    session.end(new, frame)
    session.set_class(new, "neuron")
    before = session.labels.to_array()
    session.close()
    for command in ("resume", "run"):
        out = tmp_path / command
        done = run(command, folder, "--output", out, "--overlay", "none", "--export", "ctc")
        assert done.status == 0, done.err
        labels = results(out)[0]
        assert [t for t, image in enumerate(labels) if (image == new).any()] == [frame]
        assert not (labels[frame:] == mother).any() and (labels[:frame] == mother).any()
        tracks = np.loadtxt(out / "ctc" / "res_track.txt", dtype=int, ndmin=2).tolist()
        assert [new, frame, frame, mother] in tracks
        record = json.loads((out / "session.json").read_text(encoding="utf-8"))
        assert (record["parents"], record["classes"]) == ({str(new): mother}, {str(new): "neuron"})
        assert run("export", out, "--to", "coco").status == 0
        categories = json.loads((out / "coco.json").read_text(encoding="utf-8"))["categories"]
        assert [one["name"] for one in categories] == ["neuron", "object"]
    np.testing.assert_array_equal(results(tmp_path / "resume")[0], before)


def test_run_with_another_model_and_on_another_image(
    run: Run, saved: Path, disk: DiskStack, fast: list[object], tmp_path: Path
) -> None:
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, tifffile.imread(disk.path)[:6, ::-1].copy(), metadata={"axes": "TYX"}, imagej=True)
    options = ["--prompts", disk.prompts, "--model", "sam2_nano", "--image-size", 96, "--overlay", "none"]
    direct = run("segment", other, "--output", tmp_path / "direct", *options)
    assert direct.status == 0, direct.err
    session = saved / "session.napari-sam2"
    replayed = run("run", session, "--input", other, "--output", tmp_path / "replayed", *options[2:])
    assert replayed.status == 0, replayed.err
    assert_same_results(tmp_path / "direct", tmp_path / "replayed")


def test_run_in_a_part_of_the_image(run: Run, disk: DiskStack, fast: list[object], tmp_path: Path) -> None:
    entries = [{"frame": 2, "object": 1, "points": [[20, 20]], "labels": [1]}]
    prompts = write_entries(tmp_path / "few.json", entries)
    part = ["--prompts", prompts, "--crop", "4,4,36,40", "--every", "2", "--save"]
    done = run("segment", disk.path, "--output", tmp_path / "first", *part, *fast)
    assert done.status == 0, done.err
    session = tmp_path / "first" / "session.napari-sam2"
    assert run("run", session, "--output", tmp_path / "again", "--overlay", "none").status == 0
    assert_same_results(tmp_path / "first", tmp_path / "again")
    assert run("resume", session, "--output", tmp_path / "resumed", "--overlay", "none").status == 0
    assert_same_results(tmp_path / "first", tmp_path / "resumed")


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> tuple[list[object], Path]:
    """The words of a run that is long enough to be stopped on the way, however late the signal comes; its results."""
    folder = tmp_path_factory.mktemp("long")
    disk = write_disk(folder, LONG)
    fast = ["--checkpoint", checkpoint, "--image-size", 64, "--overlay", "none"]
    words = ["segment", disk.path, "--prompts", disk.prompts, "--save", *fast]
    assert main([*map(str, words), "--output", str(folder / "whole")]) == 0
    return words, folder / "whole"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_resume_goes_on(run: Run, long_run: tuple[list[object], Path], tmp_path: Path, how: int) -> None:
    (words, whole), stopped = long_run, tmp_path / "stopped"
    with start_script(*words, "--output", stopped) as process:
        # Once a frame is in the journal.
        while '"done":2' not in journal_in(stopped / "session.napari-sam2"):
            assert process.poll() is None
            time.sleep(0.005)
        os.kill(process.pid, how)
        process.communicate()
    assert process.returncode != 0
    resumed = run("resume", stopped / "session.napari-sam2", "--overlay", "none")
    assert resumed.status == 0, resumed.err
    assert_same_results(whole, stopped)
    record = json.loads((stopped / "session.json").read_text(encoding="utf-8"))
    assert record["complete"]
    assert record["tracked_frames"] == [[0, LONG - 1]]


def test_resume_after_everything_writes_the_results_again(run: Run, saved: Path) -> None:
    before = results(saved)
    (saved / "labels.tif").unlink()
    done = run("resume", saved / "session.napari-sam2", "--overlay", "none")
    assert done.out.startswith("3 objects on 8 frames: labels.tif, "), done.err
    np.testing.assert_array_equal(results(saved)[0], before[0])


def test_results_that_are_out_of_date_say_so(run: Run, saved: Path, tmp_path: Path) -> None:
    folder, out = saved / "session.napari-sam2", tmp_path / "out"
    session = Session.open(folder)
    session.add_points(4, 1, [(8, 8)], [1])
    stale = len(session.out_of_date)
    session.close()
    assert stale > 1
    with pytest.warns(UserWarning, match=f"{stale} frames out of date, as prompts came after"):
        assert run("resume", folder, "--output", out, "--overlay", "none").status == 0
    with pytest.warns(UserWarning, match=f"{stale} frames out of date: update, then export again") as told:
        assert run("export", out, "--to", "ome-tiff,coco").status == 0
    assert [str(one.message).partition(":")[0] for one in told] == ["labels.ome.tif", "coco.json"]
    # Tracked again from its prompts, nothing is.
    assert run("run", folder, "--output", tmp_path / "anew", "--overlay", "none").status == 0


def test_errors_are_one_line(run: Run, saved: Path, disk: DiskStack, fast: list[object], tmp_path: Path) -> None:
    session = saved / "session.napari-sam2"
    again = run("segment", disk.path, "--prompts", disk.prompts, "--output", saved, "--save", *fast)
    assert (again.status, "already holds" in again.complaint) == (2, True)
    for name in ("labels.tif", "scores.csv", "session.json", "prompts.json"):
        (saved / name).unlink()
    again = run("segment", disk.path, "--prompts", disk.prompts, "--output", saved, "--save", *fast)
    assert again.status == 2
    assert "napari-sam2 resume" in again.complaint
    again = run("segment", disk.path, "--prompts", disk.prompts, "--output", saved, "--save", "--overwrite", *fast)
    assert again.status == 0
    nothing = run("run", tmp_path / "nothing", "--output", tmp_path / "out")
    assert (nothing.status, "no session folder" in nothing.complaint) == (2, True)
    small = tmp_path / "small.tif"
    tifffile.imwrite(small, np.zeros((8, 30, 30), np.uint16), metadata={"axes": "TYX"}, imagej=True)
    misfit = run("run", session, "--input", small, "--output", tmp_path / "out")
    assert (misfit.status, "mask" in misfit.complaint) == (2, True)
    other = run("resume", session, "--input", small, "--output", tmp_path / "out")
    assert (other.status, "not the image of this session" in other.complaint) == (2, True)
    shutil.move(disk.path, tmp_path / "away.tif")
    moved = run("resume", session, "--output", tmp_path / "out")
    assert (moved.status, "not there any more" in moved.complaint) == (2, True)
    found = run("resume", session, "--input", tmp_path / "away.tif", "--output", tmp_path / "out", "--overlay", "none")
    assert found.status == 0

"""A batch on a real Dask cluster on loopback: a scheduler and worker processes, one of which is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import distributed
import pytest
from batches import assert_same_results, read_summary, states, write_stack, write_table
from commandline import Run, start_script

from napari_sam2.cli import main

NAMES = ("long", "b", "c", "d")
# As many as Dask gives its workers: sums over other numbers of threads end in other last bits.
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
DASK = (sys.executable, "-m", "dask")


@contextmanager
def running(*words: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended with the block."""
    process = subprocess.Popen([*map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ONE_THREAD)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Path:
    """A table of jobs, and what one process makes of them in ``alone`` beside it."""
    folder = tmp_path_factory.mktemp("batch")
    for name in NAMES:
        write_stack(folder, name, 120 if name == "long" else 4)
    table = list_jobs(folder / "jobs.csv", NAMES)
    options = ["--checkpoint", checkpoint, "--image-size", 64, "--overlay", "none"]
    with start_script("batch", table, "--output", folder / "alone", *options, env=ONE_THREAD) as process:
        out, err = process.communicate()
    assert process.returncode == 0, out + err
    return folder / "alone"


def list_jobs(path: Path, names: Iterable[str]) -> Path:
    return write_table(path, ({"input": f"{name}.tif", "prompts": f"{name}.prompts.json"} for name in names))


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")
def test_every_stack_is_done_once_though_a_worker_is_killed(alone: Path, fast: list[object], tmp_path: Path) -> None:
    table = alone.parent / "jobs.csv"
    out, address_file = tmp_path / "out", tmp_path / "scheduler.json"
    with ExitStack() as stack:
        options = ["--host", "127.0.0.1", "--port", 0, "--no-dashboard", "--scheduler-file", address_file]
        stack.enter_context(running(*DASK, "scheduler", *options))
        while not address_file.exists():
            time.sleep(0.05)
        workers = {}
        for name in ("w0", "w1"):
            words = ["--scheduler-file", address_file, "--no-nanny", "--nthreads", 1, "--resources", "GPU=1"]
            place = ["--name", name, "--no-dashboard", "--host", "127.0.0.1", "--local-directory", tmp_path / name]
            workers[name] = stack.enter_context(running(*DASK, "worker", *words, *place))
        client = stack.enter_context(distributed.Client(scheduler_file=str(address_file), set_as_default=False))
        client.wait_for_workers(2)
        thread = stack.enter_context(ThreadPoolExecutor(1))
        words = ["--scheduler", address_file, "--resources", "GPU=1"]
        batch = thread.submit(main, ["batch", str(table), "--output", str(out), *map(str, [*words, *fast])])
        workers[worker_at(out / "long", client, batch)].send_signal(signal.SIGKILL)
        assert batch.result() == 0
    assert states(out) == dict.fromkeys(NAMES, "done")
    for name in NAMES:
        assert_same_results(alone / name, out / name)
    attempts = {name: json.loads((out / name / "job.json").read_text(encoding="utf-8"))["attempts"] for name in NAMES}
    # The killed job went on where it was; nothing else was begun a second time.
    assert attempts == {"long": 2, "b": 1, "c": 1, "d": 1}
    assert "went on where it had stopped" in read_summary(out)["long"]["message"]


def worker_at(job: Path, client: distributed.Client, batch: Future[int]) -> str:
    """Name the worker that is in the middle of a job, once it is."""
    session = job / "session.napari-sam2"
    while not any('"done":2' in path.read_text(encoding="utf-8") for path in session.glob("journal-*.jsonl")):
        assert not batch.done(), batch.result()
        time.sleep(0.02)
    (address,) = [place for place, keys in client.processing().items() if any(key.startswith("long-") for key in keys)]
    name: str = client.scheduler_info()["workers"][address]["name"]
    return name


def test_processes_of_this_computer(
    run: Run, alone: Path, fast: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    table = list_jobs(alone.parent / "two.csv", NAMES[2:])
    done = run("batch", table, "--output", tmp_path / "out", "--workers", 1, *fast)
    assert done.status == 0, done.err
    for name in NAMES[2:]:
        assert_same_results(alone / name, tmp_path / "out" / name)
    nobody = run("batch", table, "--output", tmp_path / "new", "--scheduler", "nowhere", *fast)
    assert (nobody.status, "not 'nowhere'" in nobody.complaint) == (2, True)

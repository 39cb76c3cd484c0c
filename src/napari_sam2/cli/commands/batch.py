"""``napari-sam2 batch``: tracking of many stacks, from a table or a folder."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.cli.batch_options import RowReader, resource_list, worker_count
from napari_sam2.cli.exit_status import EXIT_FAILED, EXIT_INTERRUPTED
from napari_sam2.cli.job import on_terminal
from napari_sam2.cli.job_options import add_job_options
from napari_sam2.cli.outcome import tell

if TYPE_CHECKING:
    from napari_sam2.batch.jobs import BatchJob, JobList
    from napari_sam2.batch.run_one import JobResult
    from napari_sam2.job.run_stack import Progress, Watch
    from napari_sam2.session.results.frame_result import FrameResult

SUMMARY = "track the objects of many stacks, here or on a cluster"

_DESCRIPTION = """\
Track the objects of many stacks. Each gets a folder below DIR with all that 'segment' writes; DIR/summary.csv has a row
for each. The same command again goes on where it was stopped, and leaves alone what was done.

JOBS.csv has a row for each stack. The columns are input, prompts (or session), name, and any option below: a cell says
for one stack what the option says for all. Relative paths start from the folder of the file.

A FOLDER holds each stack NAME.tif with NAME.prompts.json, NAME.labels.tif (labels of its first frame) or the session
NAME.napari-sam2 beside it.
"""
_EXAMPLES = """\
examples:
  napari-sam2 batch jobs.csv --output results
  napari-sam2 batch stacks/ --output results --model sam2.1_hiera_tiny --axis z --export ctc
  napari-sam2 batch jobs.csv --output results --workers 4
  napari-sam2 batch jobs.csv --output /shared/results --scheduler tcp://10.0.0.1:8786 --resources GPU=1

exit status: 0 if all is done, 1 if a job failed or is left to do, 2 after a mistake (nothing was run), 130 after Ctrl-C
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    # The usage of thirty options would fill the screen.
    parser.usage = "napari-sam2 batch JOBS.csv|FOLDER --output DIR [OPTION ...]"
    parser.description = _DESCRIPTION
    parser.epilog = _EXAMPLES
    parser.add_argument("jobs", metavar="JOBS.csv|FOLDER", type=Path, help="a table of jobs, or a folder of stacks")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder for the results")
    parser.add_argument("--save", action="store_true", help="keep the session folder of each job once it is done, too")
    parser.add_argument("--check", action="store_true", help="look for mistakes and say what is to be done; do nothing")
    group = parser.add_argument_group("where")
    places = group.add_mutually_exclusive_group()
    workers = "run in N processes of this computer (default: one job after the other, in this one)"
    places.add_argument("--workers", type=worker_count, metavar="N", help=workers)
    scheduler = "a Dask cluster: tcp://HOST:PORT, or its scheduler file"
    places.add_argument("--scheduler", metavar="ADDRESS", help=scheduler)
    resources = "what a job takes of its worker, as GPU=1: workers started with --resources GPU=1 do one at a time"
    group.add_argument("--resources", type=resource_list, default={}, metavar="NAME=N,...", help=resources)
    add_job_options(parser)


def run(args: argparse.Namespace) -> int:
    """Check everything, do the jobs and sum up; returns the exit status."""
    from napari_sam2.batch.plan import plan_jobs

    if args.resources and not args.scheduler:
        raise ValueError("--resources says what a job takes of a cluster's worker: it goes with --scheduler")
    found = _read(args)
    for line in found.skipped:
        print(f"skipped {line}", file=sys.stderr)
    # All mistakes of all jobs are reported before the first one runs.
    with _bar("checking", len(found.jobs), "job") as bar:
        plan = plan_jobs(found.jobs, needs_weights=args.scheduler is None, seen=bar.update)
    if mistakes := sorted([*found.mistakes, *plan.mistakes], key=_line_number):
        print(*mistakes, sep="\n", file=sys.stderr)
        count = "a mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        raise ValueError(f"{args.jobs} has {count}, see above: nothing was run")
    if not found.jobs:
        raise ValueError(f"{args.jobs} has no stack with prompts: there is nothing to do")
    if args.check:
        counts = {"to_do": len(plan.to_do), "done_before": len(plan.done)}
        tell(args, f"{counts['to_do']} to do, {counts['done_before']} done before", counts)
        return 0
    results = {result.name: result for result in plan.done}
    interrupted = False
    try:
        # Closing the generator cancels jobs on the cluster that have not begun.
        with closing(_results(args, plan.to_do)) as coming:
            for result in coming:
                results[result.name] = result
    except KeyboardInterrupt:
        interrupted = True
    return _sum_up(args, found.jobs, results, interrupted=interrupted)


def _read(args: argparse.Namespace) -> JobList:
    from napari_sam2.batch.folder import read_folder
    from napari_sam2.batch.job_table import read_table

    if not args.jobs.exists():
        raise FileNotFoundError(f"{args.jobs} does not exist")
    if args.output.exists() and not args.output.is_dir():
        raise ValueError(f"--output must name a folder, but {args.output} is a file")
    read = read_folder if args.jobs.is_dir() else read_table
    return read(args.jobs, args.output.resolve(), RowReader(args))


def _line_number(mistake: str) -> int:
    # "line 10" after "line 9", as in the file.
    found = re.match(r"line (\d+)", mistake)
    return int(found[1]) if found else 0


def _results(args: argparse.Namespace, jobs: list[BatchJob]) -> Generator[JobResult]:
    from napari_sam2.batch.run_here import run_here

    if not jobs:
        return
    # In this process by default: one model in memory, and a progress bar for each job.
    if args.scheduler is None and args.workers is None:
        numbers = {job.name: f"{number}/{len(jobs)} {job.name}" for number, job in enumerate(jobs, 1)}
        yield from run_here(jobs, lambda job: _watch(numbers[job.name]), keep_sessions=args.save)
        return
    from napari_sam2.batch.cluster import Cluster, run_on_cluster

    cluster = Cluster(args.scheduler, args.workers or 1, args.resources)
    with (
        _bar("jobs", len(jobs), "job") as bar,
        closing(run_on_cluster(jobs, cluster, keep_sessions=args.save)) as coming,
    ):
        for result in coming:
            bar.update()
            # Through the bar, which would otherwise be torn apart by the line.
            bar.write(f"{result.name}: {result.state}{result.message and ', '}{result.message}", file=sys.stderr)
            yield result


def _watch(title: str) -> Watch:
    def watch(steps: Iterator[FrameResult], progress: Progress, _name: str) -> Iterator[FrameResult]:
        return on_terminal(steps, progress, title)

    return watch


def _bar(title: str, total: int, unit: str) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, desc=title, unit=unit)


def _sum_up(args: argparse.Namespace, jobs: list[BatchJob], results: dict[str, JobResult], *, interrupted: bool) -> int:
    from napari_sam2.batch.job_record import DONE
    from napari_sam2.batch.run_one import SKIPPED, STOPPED, WAITING, JobResult
    from napari_sam2.batch.summary import count_line, table_lines, write_summary

    # Jobs without a result were not reached.
    rows = [results.get(job.name) or JobResult(job.name, WAITING) for job in jobs]
    path = write_summary(args.output, rows)
    text = "\n".join([*table_lines(rows), f"{count_line(rows)}: {path}"])
    tell(args, text, {"jobs": [asdict(row) for row in rows], "summary": path})
    states = {row.state for row in rows}
    if interrupted or STOPPED in states:
        print("napari-sam2: stopped; the same command goes on from here", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0 if states <= {DONE, SKIPPED} else EXIT_FAILED

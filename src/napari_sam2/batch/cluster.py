"""Jobs of a batch on a Dask cluster, or on a local one of several processes of this computer.

Tasks and results are plain data. Workers read and write the files themselves, so they must see the same folders.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from napari_sam2.weights.worker_settings import WORKER_SETTINGS

from .job_record import FAILED
from .jobs import BatchJob
from .run_one import JobResult, Tools, do_job
from .shared_model import shared_model

if TYPE_CHECKING:
    from napari_sam2.job.run_stack import Progress
    from napari_sam2.session.results.frame_result import FrameResult

_PURPOSE = "doing jobs in several processes"
_PACKAGE = "napari-sam2"


@dataclass(frozen=True)
class Cluster:
    """The Dask cluster to use: a running one, or one made for the batch."""

    # Address (``tcp://host:8786``) or scheduler file of a Dask cluster.
    scheduler: str | None = None
    # Without a scheduler: how many processes of this computer.
    workers: int = 1
    # What a job needs of its worker, such as ``{"GPU": 1}``: a worker with one GPU then runs one job at a time.
    resources: Mapping[str, float] = field(default_factory=dict)


def run_on_cluster(jobs: Sequence[BatchJob], cluster: Cluster, *, keep_sessions: bool = False) -> Generator[JobResult]:
    """Do jobs on the workers of a cluster.

    A job whose worker dies goes on at another one, up to three times. When the generator is closed early, jobs that no
    worker has begun are cancelled.
    """
    from napari_sam2.data.files.optional_packages import load_extra

    distributed = load_extra("distributed", _PURPOSE)
    with _client(distributed, cluster) as client:
        _check_workers(client, cluster)
        shared = {"keep_sessions": keep_sessions, "version": version(_PACKAGE)}
        # Keys are unique: Dask would hand out the stored result of an earlier task of the same name.
        futures = {
            client.submit(
                do_plain,
                {"job": job.to_plain()} | shared,
                key=f"{job.name}-{uuid4().hex}",
                resources=dict(cluster.resources) or None,
            ): job
            for job in jobs
        }
        try:
            # In the order in which they finish, so that progress shows at once.
            for future in distributed.as_completed(futures):
                yield _result(future, futures[future].name)
        finally:
            client.cancel([future for future in futures if not future.done()])


def do_plain(task: Mapping[str, Any]) -> dict[str, Any]:
    """Run a job on a worker."""
    job = BatchJob.from_plain(task["job"])
    # Other versions may have other options and results; a mixed batch could not be repeated.
    if (own := version(_PACKAGE)) != task["version"]:
        message = f"the worker has {_PACKAGE} {own}, the batch was started by {task['version']}: install the same"
        return asdict(JobResult(job.name, FAILED, message=message))
    return asdict(do_job(job, Tools(shared_model, _unwatched, task["keep_sessions"])))


def _unwatched(steps: Iterator[FrameResult], _progress: Progress, _name: str) -> Iterator[FrameResult]:
    return steps


def _result(future: Any, name: str) -> JobResult:
    # Whatever goes wrong within a job is in its result; here it is the cluster itself.
    error = future.exception()
    if error is None:
        return JobResult(**future.result())
    return JobResult(name, FAILED, message=f"{type(error).__name__}: {' '.join(str(error).split())}")


@contextmanager
def _client(distributed: Any, cluster: Cluster) -> Iterator[Any]:
    """Connect to the cluster, or make one."""
    from napari_sam2.data.files.optional_packages import load_extra

    if cluster.scheduler is None:
        # Dask would give each process one thread, whatever the number of cores.
        threads = os.environ.get("OMP_NUM_THREADS") or str(max((os.cpu_count() or 1) // cluster.workers, 1))
        # A worker's memory is mostly the model's: Dask's own limits would only stop jobs for no good reason.
        # One thread per process, since PyTorch spreads over cores itself; no dashboard, which needs a port.
        with (
            load_extra("dask", _PURPOSE).config.set(WORKER_SETTINGS),
            distributed.LocalCluster(
                n_workers=cluster.workers,
                threads_per_worker=1,
                memory_limit=0,
                dashboard_address=None,
                resources=dict(cluster.resources) or None,
                env={"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
            ) as local,
            distributed.Client(local) as client,
        ):
            yield client
        return
    # Clusters on batch systems such as Slurm announce themselves by a scheduler file.
    is_address = "://" in cluster.scheduler
    if not is_address and not Path(cluster.scheduler).is_file():
        raise ValueError(
            f"--scheduler takes an address such as tcp://host:8786 or a scheduler file, not {cluster.scheduler!r}"
        )
    where = {"address": cluster.scheduler} if is_address else {"scheduler_file": cluster.scheduler}
    with distributed.Client(**where) as client:
        yield client


def _check_workers(client: Any, cluster: Cluster) -> None:
    # A warning and no error: workers of a batch system often start later than the batch.
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    # Dask leaves a task waiting for ever, in silence, where no worker has the resource.
    able = [one for one in workers if all(one["resources"].get(k, 0) >= n for k, n in cluster.resources.items())]
    if not able:
        asked = ", ".join(f"{name}={number:g}" for name, number in cluster.resources.items())
        what = f"none of its {len(workers)} workers has {asked}" if workers else "the cluster has no workers yet"
        warnings.warn(f"{what}: waiting for some", stacklevel=2)

"""A Dask scheduler with workers on this computer, for sessions on others."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_sam2.data.files.optional_packages import load_extra
from napari_sam2.weights.worker_settings import WORKER_SETTINGS

DEFAULT_PORT = 8786
_LOOPBACK = "127.0.0.1"
_ALL = ("0.0.0.0", "::")
_SETTINGS: dict[str, Any] = {
    # No pages of figures.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # The scheduler passes each question on: a new connection for each would take longer than the question.
    "distributed.scheduler.reuse-broadcast-comm": True,
}
_ROLES = ("scheduler", "worker", "client")
_PURPOSE = "serving models to other computers"
# Imported by a worker at its start, and torch with it: the first session need not wait for that.
_PRELOADED = "napari_sam2.remote.model_actor"


@dataclass(frozen=True)
class TlsFiles:
    """Dask's certificates: who has one of the same authority may connect, and all is encrypted."""

    ca_file: Path
    cert: Path
    key: Path


@dataclass(frozen=True)
class ServeSettings:
    """Where to listen, and what for."""

    host: str = _LOOPBACK
    # 0 for any that is free.
    port: int = DEFAULT_PORT
    # CPU threads of each worker; where not given, those that are quickest, or the cores shared among the workers.
    threads: int | None = None
    tls: TlsFiles | None = None

    @property
    def is_open(self) -> bool:
        """Whether other computers can connect without a certificate."""
        return self.tls is None and self.host not in ("localhost", "::1") and not self.host.startswith("127.")


@dataclass(frozen=True)
class Served:
    """What is there."""

    # Of the scheduler, as clients on this computer reach it.
    address: str
    workers: int
    gpus: int


def serve(settings: ServeSettings, announce: Callable[[Served], None]) -> None:
    """Serve until interrupted; ``announce`` is called once a worker is there."""
    # Before it is imported, which is when it sets its loggers up.
    load_extra("dask", _PURPOSE).config.set({"logging": {"distributed": "warning"}})

    async def run() -> None:
        async with serving(settings) as served:
            announce(served)
            await asyncio.Event().wait()

    asyncio.run(run())


@asynccontextmanager
async def serving(settings: ServeSettings) -> AsyncIterator[Served]:
    """Start a scheduler and a worker for each GPU, or one; all of them end with the block.

    Only the scheduler listens where the settings say: it passes on what clients ask of workers.
    """
    dask, distributed = (load_extra(name, _PURPOSE) for name in ("dask", "distributed"))
    security, gpus = _security(distributed, settings.tls), _count_gpus()
    common: dict[str, Any] = {
        "security": security,
        "protocol": "tcp" if security is None else "tls",
        # Dask's pages of figures stay on this computer, and are left empty.
        "dashboard_address": f"{_LOOPBACK}:0",
        "dashboard": False,
    }
    with (
        dask.config.set(_SETTINGS | WORKER_SETTINGS),
        tempfile.TemporaryDirectory(prefix="napari-sam2-serve-") as folder,
    ):
        async with AsyncExitStack() as stack:
            scheduler = distributed.Scheduler(host=settings.host, port=settings.port, **common)
            await stack.enter_async_context(scheduler)
            # Where all networks are listened to, this computer itself is one of them.
            host = _LOOPBACK if settings.host in _ALL else settings.host
            address = f"{common['protocol']}://{host}:{scheduler.port}"
            for number in range(max(gpus, 1)):
                # A worker that dies is started again; its memory is the model's, which Dask's limits do not know.
                nanny = distributed.Nanny(
                    address,
                    host=_LOOPBACK,
                    nthreads=1,
                    memory_limit=0,
                    resources={"GPU": 1} if gpus else None,
                    env=_environment(settings, number, gpus),
                    preload=[_PRELOADED],
                    local_directory=folder,
                    silence_logs=logging.WARNING,
                    **common,
                )
                await stack.enter_async_context(nanny)
            yield Served(address, max(gpus, 1), gpus)


def _security(distributed: Any, tls: TlsFiles | None) -> Any:
    if tls is None:
        return None
    pair = {f"tls_{who}_{what}": str(getattr(tls, what)) for who in _ROLES for what in ("cert", "key")}
    return distributed.Security(tls_ca_file=str(tls.ca_file), require_encryption=True, **pair)


def _count_gpus() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _environment(settings: ServeSettings, number: int, gpus: int) -> Mapping[str, str]:
    """Threads of a worker, where they are given or have to be shared, and its GPU."""
    threads = settings.threads
    if threads is None and gpus > 1 and "OMP_NUM_THREADS" not in os.environ:
        threads = max((os.cpu_count() or 1) // gpus, 1)
    # Where none are set, the worker chooses as this process would.
    given = {} if threads is None else dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    return given | ({"CUDA_VISIBLE_DEVICES": str(number)} if gpus > 1 else {})

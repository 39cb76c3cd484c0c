"""Dask's settings for processes that run a model."""

from __future__ import annotations

from typing import Any

WORKER_SETTINGS: dict[str, Any] = {
    # Dask would have memory given back to the system as soon as it is free. A model asks for the same again at every
    # step, and a frame takes up to twice as long. Nor would it leave more than one thread.
    "distributed.nanny.pre-spawn-environ": {},
    # Nobody reads what was running every ten milliseconds.
    "distributed.worker.profile.enabled": False,
}

"""The connection to a model on a Dask worker: made when it is needed, and made again after it broke."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from napari_sam2.data.files.optional_packages import load_extra
from napari_sam2.weights.hash_file import hash_file

from .model_actor import Loader, ModelActor
from .protocol import Lacking, ModelThere, Refused, WeightsFile

_PURPOSE = "running a model on a cluster"
# How long a scheduler is waited for, and a worker, which may just be starting.
_SECONDS, _WORKER_SECONDS = 5, 60
# What a worker with a GPU calls it.
_GPU = "GPU"


class ClusterError(RuntimeError):
    """A cluster does not answer, or a worker of it has ended."""


class Line:
    """Calls methods of a `ModelActor`; each call is a round trip.

    Parameters
    ----------
    address : str
        Of a Dask scheduler, such as ``tcp://127.0.0.1:8786``.
    loader : Loader
        Loads the model there.
    arguments : Mapping[str, Any]
        For the loader.
    checkpoint : Path, optional
        A file of the user's own, which is sent where the worker does not see it.
    """

    def __init__(self, address: str, loader: Loader, arguments: Mapping[str, Any], checkpoint: Path | None) -> None:
        self.address = address
        self._loader = loader
        self._arguments = arguments
        self._checkpoint = checkpoint
        self._client: Any = None
        self._actor: Any = None
        # What was loaded the first time: the same has to be loaded whenever the line is made anew.
        self._model: ModelThere | None = None
        # Changes with each new actor, which knows no session; and the round trips made so far.
        self.epoch = 0
        self.trips = 0
        # Sessions that are over.
        self.forgotten: list[str] = []

    def connect(self) -> ModelThere:
        """Make the line and load the model, unless that is done; returns what was loaded."""
        if self._actor is None or self._model is None:
            distributed = load_extra("distributed", _PURPOSE)
            # Whoever asks is told what is wrong.
            logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
            self.close()
            try:
                self._actor = self._new_actor(distributed)
                self._model = self._load()
            except BaseException:
                self.close()
                raise
            self.epoch += 1
        return self._model

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the actor; `ClusterError` where nobody answers, after which the line is made anew."""
        self.connect()
        try:
            return self._call(method, *arguments)
        except ClusterError:
            self.close()
            raise

    def close(self) -> None:
        """Give the actor up, and what it holds with it."""
        client, self._client, self._actor = self._client, None, None
        if client is not None:
            client.close(timeout=2)

    def _call(self, method: str, *arguments: Any) -> Any:
        self.trips += 1
        try:
            # An actor finds its client by what is current.
            with self._client.as_current():
                reply = getattr(self._actor, method)(*arguments).result()
        except Exception as error:
            # What goes wrong in the model's work comes as a reply: this is the line itself.
            raise ClusterError(
                f"the worker at {self.address} does not answer any more: it has ended, or the line is broken. Nothing "
                "that was done is lost: continue once it is back"
            ) from error
        if isinstance(reply, Refused):
            raise reply.error
        return reply

    def _new_actor(self, distributed: Any) -> Any:
        """Start an actor, on a worker with a GPU where there is one."""
        try:
            self._client = distributed.Client(self.address, timeout=_SECONDS, set_as_default=False)
            self._client.wait_for_workers(1, timeout=_WORKER_SECONDS)
            workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
            gpu = {_GPU: 1} if any(one["resources"].get(_GPU) for one in workers) else None
            name = f"napari-sam2-{uuid.uuid4().hex}"
            with self._client.as_current():
                return self._client.submit(ModelActor, actor=True, resources=gpu, key=name).result(_WORKER_SECONDS)
        except (OSError, TimeoutError) as error:
            raise ClusterError(
                f"no worker answers at {self.address}: start one with 'napari-sam2 serve', or look at the address"
            ) from error
        except ImportError as error:
            raise ClusterError(f"the worker at {self.address} lacks what this package needs: {error}") from error

    def _load(self) -> ModelThere:
        own = None
        if self._checkpoint is not None:
            own = WeightsFile(str(self._checkpoint.resolve()), hash_file(self._checkpoint))
        there: ModelThere | Lacking = self._call("load", self._loader, self._arguments, own)
        if isinstance(there, Lacking) and own is not None:
            own = replace(own, content=Path(own.path).read_bytes())
            there = self._call("load", self._loader, self._arguments, own)
        if not isinstance(there, ModelThere):
            raise ClusterError(f"the worker at {self.address} cannot keep a checkpoint")
        # Other versions may compute something else.
        here = version("napari-sam2")
        if there.version != here:
            raise ClusterError(
                f"the worker at {self.address} has napari-sam2 {there.version}, and here it is {here}: install the same"
            )
        if self._model not in (None, there):
            raise ClusterError(f"another model than before was loaded at {self.address}: begin a new session with it")
        return there

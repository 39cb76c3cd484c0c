"""The actor on a Dask worker: a model, and the sessions that ask it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from napari_sam2.model.precision import precision_of
from napari_sam2.model.sam2 import Sam2
from napari_sam2.weights.hash_file import hash_file
from napari_sam2.weights.source import source_of

from .frames_there import KeptFrames
from .protocol import KnownThere, Lacking, ModelThere, Question, Refused, Reply, StackThere, WeightsFile
from .session_there import SessionThere

# `napari_sam2.load_model`, handed over: what it calls must not import it.
Loader: TypeAlias = Callable[..., Sam2]

_KEPT = KeptFrames()


class ModelActor:
    """Holds a model; all its methods are called from elsewhere, one at a time."""

    def __init__(self) -> None:
        self._model: Sam2 | None = None
        self._sessions: dict[str, SessionThere] = {}
        # Questions are answered there, and what the next one will need is computed between them.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="napari-sam2-model")

    def load(
        self, loader: Loader, arguments: Mapping[str, Any], own: WeightsFile | None
    ) -> ModelThere | Lacking | Refused:
        """Load a model; a checkpoint of the user's own that is not there has to be sent."""
        try:
            if own is None:
                return self._take(loader(**arguments))
            path = Path(own.path)
            if path.is_file() and hash_file(path) == own.sha256:
                return self._take(loader(checkpoint=path, **arguments))
            if own.content is None:
                return Lacking()
            with tempfile.TemporaryDirectory(prefix="napari-sam2-") as folder:
                # By its name a file's input size is known.
                sent = Path(folder, path.name)
                sent.write_bytes(own.content)
                return self._take(loader(checkpoint=sent, **arguments))
        except Exception as error:  # noqa: BLE001 - raised again where it was asked for
            return Refused(error)

    def _take(self, model: Sam2) -> ModelThere:
        source = source_of(model)
        if source is None:
            raise LookupError("the model came from no file")
        self._model = model
        return ModelThere(
            config=model.config,
            options=model.options,
            dtype=precision_of(model),
            backend=source.backend,
            device=str(model.device),
            sha256=hash_file(source.path),
            version=version("napari-sam2"),
        )

    def open(self, name: str, stack: StackThere, forgotten: Iterable[str]) -> KnownThere | Refused:
        """Begin to answer for a session, and let go of others."""
        try:
            for other in forgotten:
                if (session := self._sessions.pop(other, None)) is not None:
                    session.close()
            if self._model is None:
                raise LookupError("no model is loaded yet")
            self._sessions[name] = SessionThere(self._model, stack, _KEPT)
            return self._sessions[name].opened
        except Exception as error:  # noqa: BLE001 - raised again where it was asked for
            return Refused(error)

    def ask(self, name: str, question: Question) -> Reply | Lacking | Refused:
        """Reply a question of a session; while the reply is on its way, prepare for the next."""
        session = self._sessions[name]
        reply = self._thread.submit(session.ask, question).result()
        self._thread.submit(session.encode_ahead)
        return reply

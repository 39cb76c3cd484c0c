"""Loads a model on the worker's thread and holds the one in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from .engine import load
from .worker import Job

if TYPE_CHECKING:
    from .messages import ModelChoice
    from .worker import Worker


class ModelLoader(QObject):
    """Loads models, one in place of the other."""

    # With a line for the user about the model.
    said = Signal(str)
    # There is a model; sessions can be opened.
    ready = Signal()
    failed = Signal(object)

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self._worker = worker
        self.model: Any = None
        # What is being loaded; compared by identity, so that a model the user no longer wants is dropped when it comes.
        self._loading: ModelChoice | None = None

    def load(self, choice: ModelChoice | None) -> None:
        """Load a model; None for none."""
        # The old model is let go of before the new one is loaded: both together may not fit the GPU.
        self.model, self._loading = None, choice
        if choice is None:
            self.said.emit("")
            return
        self.said.emit("Loading…")

        def done(model: Any) -> None:
            # Images may come and go meanwhile, but not models.
            if self._loading is choice:
                self.put(model)

        # Queued behind what the old sessions still do. With the key, a choice that has not been started yet is passed
        # over.
        self._worker.submit(Job(lambda: load(choice), done, self._load_failed, "load"))

    def put(self, model: Any, what: str = "") -> None:
        """Use a model that is there; ``what`` says where it comes from."""
        # On the GUI thread; called by `load` when a model has come, and by the controller for one that is there
        # already: taught, or of a session that was opened. Either way a model still on its way is not wanted now.
        self.model, self._loading = model, None
        config = model.config
        name = f"{config.name}, {what}" if what else config.name
        self.said.emit(f"Ready: {name}, {config.image_size} px, on {model.device}")
        self.ready.emit()

    def _load_failed(self, error: Exception) -> None:
        self.said.emit("Not loaded.")
        self.failed.emit(error)

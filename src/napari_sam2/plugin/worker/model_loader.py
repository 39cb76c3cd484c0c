"""Loads a model on the worker's thread and holds the one in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam2.weights.catalog import BUNDLED_NAME, is_available

from .engine import load
from .messages import ModelChoice
from .worker import Job

if TYPE_CHECKING:
    from .worker import Worker


class ModelLoader(QObject):
    """Loads models; the one in use stays until another is there to take its place."""

    # With a line for the user about the model.
    said = Signal(str)
    # Another model is in use; with the `ModelChoice` it was loaded by, None where it came from elsewhere.
    ready = Signal(object)
    failed = Signal(object)

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self._worker = worker
        self.model: Any = None
        # What the model in use was loaded by.
        self._choice: ModelChoice | None = None
        self._state = ""
        # What is being loaded; compared by identity, so that a model the user no longer wants is dropped when it comes.
        self._loading: ModelChoice | None = None

    @property
    def model_name(self) -> str:
        """The model in use and what it runs on; empty where there is none."""
        if self.model is None:
            return ""
        # It comes with the model, and torch with it.
        from napari_sam2.weights.source import device_of

        return f"{self.model.config.name} on {device_of(self.model)}"

    @property
    def is_loading(self) -> bool:
        """Whether a model is on its way."""
        return self._loading is not None

    def load(self, choice: ModelChoice) -> None:
        """Load a model, unless it is in use."""
        if self.model is not None and choice == self._choice:
            self._loading = None
            self.said.emit(self._state)
            return
        self._loading = choice
        self.said.emit("Loading…")

        def done(model: Any) -> None:
            # Images may come and go meanwhile, but not models.
            if self._loading is choice:
                self._use(model, choice)

        def failed(error: Exception) -> None:
            # Another one may be on its way by now, which will have its own say.
            if self._loading is choice:
                self._loading = None
                self._stay(choice)
            self.failed.emit(error)

        # Queued behind what the session in use still does. With the key, a choice that has not been started yet is
        # passed over.
        self._worker.submit(Job(lambda: load(choice), done, failed, "load"))

    def put(self, model: Any, what: str = "") -> None:
        """Use a model that is there; ``what`` says where it comes from."""
        # Called by the controller for a model that was taught, or of a session that was opened. A model still on its
        # way is not wanted now.
        self._use(model, None, what)

    def _use(self, model: Any, choice: ModelChoice | None, what: str = "") -> None:
        self.model, self._choice, self._loading = model, choice, None
        from napari_sam2.weights.source import device_of

        config = model.config
        name = f"{config.name}, {what}" if what else config.name
        self._state = f"Ready: {name}, {config.image_size} px, on {device_of(model)}"
        self.said.emit(self._state)
        self.ready.emit(choice)

    def _stay(self, choice: ModelChoice) -> None:
        """Go on with the model in use, or with the one that comes with the package."""
        if self.model is not None:
            self.said.emit(f"Not loaded: {self.model.config.name} stays in use.")
        elif choice.name != BUNDLED_NAME and is_available(BUNDLED_NAME):
            self.load(ModelChoice(BUNDLED_NAME, None, "auto", backend="torch"))
        else:
            self.said.emit("Not loaded.")

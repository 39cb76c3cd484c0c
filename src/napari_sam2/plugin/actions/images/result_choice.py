"""Looks at a Labels layer before it is used for results: labels that the widget did not write are never lost.

A layer of the widget's own is used as it is, and so is an empty one, which the user has made for this. One that holds
labels stays as it is, whatever becomes of them: the user is asked once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QMessageBox

from napari_sam2.plugin.layers.layer_frames import is_made_for
from napari_sam2.plugin.worker.worker import Job

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_sam2.plugin.controller import Controller
    from napari_sam2.plugin.panel.panel import Panel

# Bytes that are looked through while the window waits; more is left to the worker.
_AT_ONCE = 2**25
ANSWERS = {"take": "Take as objects", "keep": "Keep, use a new layer", "cancel": "Cancel"}


class ResultChoice(QObject):
    """Passes on which layer results go to, once it is safe to write into it."""

    # With the layer that results are written into from now on, or None.
    chosen = Signal(object)
    # With a layer that holds labels; `answer` says what becomes of them.
    asked = Signal(object)

    def __init__(self, controller: Controller, panel: Panel) -> None:
        super().__init__()
        self._controller = controller
        self._panel = panel
        # Layers of the user's own that were empty when they were chosen.
        self._given: set[str] = set()
        self._question: QMessageBox | None = None
        # The layer that the question is about.
        self.pending: Labels | None = None
        panel.labels_layer.layer_changed.connect(self._look_at)

    def answer(self, choice: str) -> None:
        """Say what becomes of the labels in a layer that was asked about: ``"take"``, ``"keep"`` or ``"cancel"``."""
        if choice not in ANSWERS:
            raise ValueError(f"the answer is one of {', '.join(ANSWERS)}, not {choice!r}")
        layer, question = self.pending, self._question
        self.pending = self._question = None
        if question is not None:
            question.close()
            question.deleteLater()
        if layer is None or choice == "cancel" or self._controller.layers.space is None:
            return
        self._controller.layers.need_labels()
        if choice == "take":
            self._controller.edits.take_objects(layer.data)
            # It would lie on the result, in other colours.
            layer.visible = False

    def close(self) -> None:
        """Ask nothing any more."""
        self.answer("cancel")

    def _look_at(self, layer: Labels | None) -> None:
        layers = self._controller.layers
        is_own = layer is None or str(layer.unique_id) in self._given
        if layer is None or is_own or (layers.image is not None and is_made_for(layer, layers.image)):
            self.chosen.emit(layer)
            return
        data = layer.data
        if np.dtype(layer.dtype).itemsize * np.prod(data.shape, dtype=float) <= _AT_ONCE:
            self._looked(layer, holds_labels(data))
            return
        # Until the answer comes, results go on to where they went before.
        look = Job(lambda: holds_labels(data), lambda found: self._looked(layer, found), self._controller.failed.emit)
        self._controller.worker.submit(look)

    def _looked(self, layer: Labels, has_labels: bool) -> None:
        combo = self._panel.labels_layer
        # The user may have chosen another one, or another image, while the worker was looking.
        if combo.layer is not layer:
            return
        if not has_labels:
            self._given.add(str(layer.unique_id))
            self.chosen.emit(layer)
            return
        combo.choose(self._controller.layers.labels)
        self.pending = layer
        self._ask(layer)
        self.asked.emit(layer)

    def _ask(self, layer: Labels) -> None:
        # Opened without waiting, as a waiting dialog would stop the event loop of tests and scripts.
        text = f"{layer.name} holds labels, which stay as they are: results go to a layer of their own."
        question = QMessageBox(
            QMessageBox.Icon.Question,
            "Labels in the result layer",
            f"{text}\n\nTake the labels as objects to track, each from the first frame that it is on?",
            QMessageBox.StandardButton.NoButton,
            self._panel.window(),
        )
        question.setObjectName("result_question")
        for choice, words in ANSWERS.items():
            role = QMessageBox.ButtonRole.RejectRole if choice == "cancel" else QMessageBox.ButtonRole.AcceptRole
            button = question.addButton(words, role)
            button.clicked.connect(lambda _=False, choice=choice: self.answer(choice))
        self._question = question
        question.open()


def holds_labels(data: Any) -> bool:
    """Whether there is any label in an array of any kind, looked at plane by plane."""
    return any(bool(np.any(np.asarray(data[place]))) for place in np.ndindex(*data.shape[:-2]))

"""Holds back painting of the window for a moment, so that a click and its mask appear together and sooner."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QApplication, QWidget

# A click that is answered within this is seen together with its mask; one that is not must be seen without.
_LONGEST_MS = 95


class RepaintGuard(QObject):
    """Keeps a widget's window from being painted for a moment.

    napari's window holds Python's lock for as long as Qt puts its picture together, 20 ms and more where there is no
    GPU. A worker that starts on an answer just then would wait for it, and the window would be painted once more for
    the answer.
    """

    def __init__(self, inside: QWidget) -> None:
        super().__init__(inside)
        # The window is looked up at each start, as the dock may have been moved to another one.
        self._inside = inside
        self._window: QWidget | None = None
        # Whether Qt has asked to paint since the start, and has not been let.
        self._is_owed = False
        # The answer may be late, or never come after an error: the window waits no longer than this.
        self._limit = QTimer(self)
        self._limit.setSingleShot(True)
        self._limit.setInterval(_LONGEST_MS)
        self._limit.timeout.connect(self.end)

    @property
    def is_on(self) -> bool:
        """Whether the window waits."""
        return self._window is not None

    def start(self) -> None:
        """Let the window wait until `end`, or for 95 ms."""
        # Called by the controller when a prompt is queued. A second prompt before the answer prolongs the wait.
        if self._window is None:
            self._window, self._is_owed = _outermost(self._inside), False
            self._window.installEventFilter(self)
        self._limit.start()

    def end(self) -> None:
        """Let the window be painted."""
        # Called when an answer has been shown, when time is up, and when the dock closes; whichever comes first counts.
        self._limit.stop()
        window, self._window = self._window, None
        if window is None:
            return
        # The filter goes first: it would swallow the request that is posted below.
        window.removeEventFilter(self)
        if self._is_owed:
            # Qt counts the request as made, and makes no other before this one is met.
            QApplication.postEvent(window, QEvent(QEvent.Type.UpdateRequest))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Put off requests to paint."""
        # Only painting is held back: clicks, keys and the worker's answers get through.
        if event.type() == QEvent.Type.UpdateRequest:
            self._is_owed = True
            return True
        return False


def _outermost(widget: QWidget) -> QWidget:
    """The window that the canvas is in, also where the dock floats in a window of its own."""
    while (parent := widget.parentWidget()) is not None:
        widget = parent
    return widget

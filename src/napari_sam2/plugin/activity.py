"""Shows a tracking run in napari's activity dock, too, where other long work is shown."""

from __future__ import annotations

from napari.utils import progress


class Activity:
    """A bar in the activity dock, while there is something to show."""

    def __init__(self) -> None:
        self._bar: progress | None = None

    def show(self, done: int, total: int) -> None:
        """Show how many frames are done."""
        if self._bar is None or self._bar.total != total:
            self.close()
            self._bar = progress(total=total, desc="SAM 2: tracking")
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

"""The methods of a session that say how good its masks are likely to be, and where a correction brings most."""

from __future__ import annotations

from napari_sam2.data.labels.scores import ScoreRow

from .accept_methods import Accepting
from .quality.expected_quality import ExpectedQuality, expected_quality
from .quality.worth import Outlook, outlook, worth_of_corrections


class Reviewing(Accepting):
    """Estimates of quality from scores, sizes and motion; ``benchmarks/quality.py check`` says what they are worth."""

    def expected_quality(self, object_id: int) -> ExpectedQuality:
        """Estimate how good the masks of an object are.

        Parameters
        ----------
        object_id : int
            Its label.

        Returns
        -------
        ExpectedQuality
            The expected J of each of its frames with a result, with an interval.

        Raises
        ------
        ValueError
            If there is no such object.
        """
        return self._qualities()[self._objects.known(object_id).object_id]

    def next_correction(self) -> tuple[int, int] | None:
        """Find where a correction brings most.

        Returns
        -------
        tuple of int or None
            Frame and object; ``None`` where no frame is expected to gain.
        """
        best, found = 0.0, None
        for object_id, quality in self._qualities().items():
            track = self._objects.tracks[object_id]
            worth = worth_of_corrections(quality, {*track.prompts, *track.accepted})
            if len(worth) and worth.max() > best:
                best, found = float(worth.max()), (int(quality.frames[worth.argmax()]), object_id)
        return found

    def outlook(self, corrections: int = 3) -> Outlook | None:
        """Say how good the result is on the whole, and what further corrections would make of it.

        Parameters
        ----------
        corrections : int
            How many, each where it brings most.

        Returns
        -------
        Outlook or None
            Expected mean J over all objects and frames, now and then; ``None`` where nothing has been tracked.
        """
        tracks = self._objects.tracks
        checked = {object_id: {*track.prompts, *track.accepted} for object_id, track in tracks.items()}
        return outlook(self._qualities(), checked, corrections=corrections)

    def _qualities(self) -> dict[int, ExpectedQuality]:
        # In one pass over the table: it has a row for each object and frame.
        rows: dict[int, list[ScoreRow]] = {object_id: [] for object_id in self._objects.tracks}
        for row in self._objects.outputs.scores:
            if row.object_id in rows:
                rows[row.object_id].append(row)
        size = self.stack.height, self.stack.width
        return {i: expected_quality(own, self._objects.tracks[i].prompts, size=size) for i, own in rows.items()}

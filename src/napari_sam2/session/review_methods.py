"""The methods of a session that say how good its masks are likely to be, and where a correction brings most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .accept_methods import Accepting
from .quality.expected_quality import ExpectedQuality, expected_quality
from .quality.recalibration import QualityCalibration, judged_masks
from .quality.worth import Outlook, corrections_in_turn, outlook

if TYPE_CHECKING:
    import pandas as pd


class Reviewing(Accepting):
    """Estimates of quality from how sharp outlines are; ``benchmarks/quality.py check`` says what they are worth."""

    @property
    def estimates(self) -> pd.DataFrame:
        """Table with a row per object and frame: ``frame``, ``object``, ``expected_j``, ``low`` and ``high``.

        The expected overlap of each mask with the true one, and the interval that holds it in four of five cases.
        """
        # pandas takes a second to import, and few need it.
        import pandas as pd

        columns = ["frame", "object", "expected_j", "low", "high"]
        rows = [
            row
            for i, one in self._qualities().items()
            for row in zip(one.frames.tolist(), [i] * len(one.frames), one.mean, one.low, one.high, strict=True)
        ]
        kinds = dict.fromkeys(columns, "float64") | {"frame": "int64", "object": "int64"}
        return pd.DataFrame(rows, columns=columns).astype(kinds).sort_values(columns[:2], ignore_index=True)

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
        rows = self._objects.outputs.scores.of_object(self._objects.known(object_id).object_id)
        return expected_quality(rows, self._calibration(), in_slices=self.stack.is_slices)

    def next_correction(self) -> tuple[int, int] | None:
        """Find where a correction brings most.

        Returns
        -------
        tuple of int or None
            Frame and object; ``None`` where no frame is expected to gain.
        """
        first = next(corrections_in_turn(self._qualities(), self._checked()), None)
        return None if first is None else (first[0].frame, first[0].object_id)

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
        return outlook(self._qualities(), self._checked(), corrections=corrections)

    def _checked(self) -> dict[int, set[int]]:
        """By object, the frames on which a person has said what is right."""
        return {i: {*track.prompts, *track.accepted} for i, track in self._objects.tracks.items()}

    def _qualities(self) -> dict[int, ExpectedQuality]:
        scores, calibration = self._objects.outputs.scores, self._calibration()
        slices = self.stack.is_slices
        return {i: expected_quality(scores.of_object(i), calibration, in_slices=slices) for i in self._objects.tracks}

    def _calibration(self) -> QualityCalibration:
        """What a person has said of the masks here."""
        return QualityCalibration(tuple(judged_masks(self._objects.outputs.scores.judged())))

"""What the window knows of a session's results."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_sam2.data.labels.scores import ScoreRow, ScoreTable
from napari_sam2.plugin.state.result_store import ResultStore
from napari_sam2.plugin.worker.messages import FrameUpdate

IMAGE = np.zeros((8, 8), np.uint16)


def update(frame: int, **rows: float) -> FrameUpdate:
    """A frame on which some objects, ``o1`` and so on, have a score."""
    made = {int(name[1:]): ScoreRow(frame, int(name[1:]), score, 0.5) for name, score in rows.items()}
    return FrameUpdate(frame, IMAGE, made)


def test_scores_are_made_anew_for_frames_that_have_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    results = ResultStore((50, 8, 8))
    made: list[int] = []
    real = ScoreTable.to_pandas

    def counted(table: ScoreTable) -> pd.DataFrame:
        made.append(len(table))
        return real(table)

    monkeypatch.setattr(ScoreTable, "to_pandas", counted)
    assert results.scores().empty
    for frame in range(50):
        results.take(update(frame, o1=0.9, o3=0.8))
    first = results.scores()
    results.take(update(7, o1=0.1, o2=0.7))
    results.take(update(3))
    second = results.scores()
    assert results.scores().equals(second)
    assert made == [0, 100, 2, 0]
    pd.testing.assert_frame_equal(second, real(results.table))
    assert len(first) == 100
    results.take(update(7))
    pd.testing.assert_frame_equal(results.scores(), real(results.table))

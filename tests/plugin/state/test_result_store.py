"""What the window knows of a session's results."""

from __future__ import annotations

from dataclasses import replace

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

    def counted(table: ScoreTable, *columns: tuple[str, ...]) -> pd.DataFrame:
        made.append(len(table))
        return real(table, *columns)

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


def test_a_mask_in_two_pieces_that_is_out_of_date_proposes_no_division() -> None:
    results = ResultStore((8, 8, 8))
    for frame in range(8):
        row = ScoreRow(frame, 1, 0.9, 0.5, area=40, centroid=(4.0, 4.0), bbox=(0, 0, 8, 8))
        results.take(FrameUpdate(frame, IMAGE, {1: row}, pieces={1: (40,) if frame < 4 else (20, 20)}))
    results.find_divisions()
    assert [(one.frame, one.mother) for one in results.open_divisions] == [(4, 1)]
    results.state = replace(results.state, stale={1: np.arange(4, 8)})
    results.find_divisions()
    assert results.open_divisions == []

"""The order of tracks in the lineage view."""

from __future__ import annotations

from napari_sam2.plugin.state.family_tree import TrackRow, family_rows


def test_a_mother_stands_between_her_daughters() -> None:
    lives = {1: (0, 4), 2: (0, 9), 3: (5, 7), 4: (5, 9), 5: (8, 9), 6: (8, 9)}
    rows = family_rows(lives, {3: 1, 4: 1, 5: 3, 6: 3})
    assert [one.object_id for one in rows] == [5, 3, 6, 1, 4, 2]
    assert rows[0] == TrackRow(5, 8, 9, 3)


def test_a_mother_that_is_not_drawn_counts_as_none() -> None:
    assert family_rows({3: (5, 7)}, {3: 1}) == [TrackRow(3, 5, 7)]
    assert family_rows({}, {}) == []

"""Lineages, and the rules that they keep."""

from __future__ import annotations

import pytest

from napari_sam2.data.labels.lineage import Division, Lineage, Track


def test_divisions_are_read_off_the_tracks() -> None:
    lineage = Lineage.of([Track(3, 4, 9, 1), Track(1, 0, 3), Track(2, 4, 6, 1), Track(4, 7, 9, 2)])
    assert [track.label for track in lineage.tracks] == [1, 2, 3, 4]
    assert lineage.divisions == (Division(4, 1, (2, 3)),)
    assert lineage.by_label[4].parent == 2


@pytest.mark.parametrize(
    ("tracks", "problem"),
    [
        ([Track(1, 0, 3), Track(1, 4, 5)], "each label once"),
        ([Track(1, 4, 3)], "from frame 4 to 3"),
        ([Track(1, 0, 3), Track(2, 3, 5, 1)], "after no object 1"),
        ([Track(2, 3, 5, 7)], "after no object 7"),
    ],
)
def test_what_the_challenge_refuses_is_refused(tracks: list[Track], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Lineage.of(tracks)

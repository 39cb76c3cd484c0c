"""Mothers of daughters that were found some frames after their birth; no model."""

from __future__ import annotations

import pytest

from drawn_discs import SIZE, candidate
from napari_sam2.session.population.late_daughters import with_late_daughters
from napari_sam2.session.population.proposals.candidates import Candidate
from napari_sam2.session.population.tracklets import Tracklet

BIRTH, FOUND, FRAMES = 4, 6, 9


def mother_seen(frame: int) -> Candidate:
    """A cell that goes on as one of her daughters."""
    return candidate(60, 60, 12) if frame < BIRTH else candidate(48, 60, 8)


def sister(begin: int, radius: float = 8) -> Tracklet:
    return Tracklet({t: candidate(70, 60, radius) for t in range(begin, FRAMES)})


@pytest.fixture
def mother() -> Tracklet:
    return Tracklet({t: mother_seen(t) for t in range(FRAMES)})


def test_a_newcomer_beside_an_object_that_shrank_is_its_daughter(mother: Tracklet) -> None:
    newcomer, child = sister(FOUND), Tracklet({FRAMES: candidate(48, 60, 8)})
    mother.daughters, child.mother = [child], mother
    kept = with_late_daughters([mother, newcomer, child], SIZE)
    (daughter,) = (one for one in kept if one not in (mother, newcomer, child))
    assert (mother.end, daughter.begin, newcomer.begin) == (BIRTH - 1, BIRTH, FOUND)
    assert mother.daughters == [daughter, newcomer]
    assert daughter.mother is newcomer.mother is mother
    # Whatever had become of the mother afterwards has become of the daughter.
    assert (daughter.daughters, child.mother) == ([child], daughter)


def test_a_mother_may_be_missed_on_the_frame_before_she_divides(mother: Tracklet) -> None:
    del mother.masks[BIRTH - 1]
    newcomer = sister(FOUND)
    with_late_daughters([mother, newcomer], SIZE)
    assert newcomer.mother is mother
    assert mother.end == BIRTH - 2


def test_what_shrank_too_long_ago_or_not_at_all_is_no_mother(mother: Tracklet) -> None:
    steady = Tracklet({t: candidate(60, 60, 12) for t in range(FRAMES)})
    for one, newcomer in ((steady, sister(FOUND)), (mother, sister(FOUND, radius=3))):
        assert with_late_daughters([one, newcomer], SIZE) == [one, newcomer]
    old = Tracklet({t: mother_seen(t) for t in range(20)})
    late = Tracklet({t: candidate(70, 60, 8) for t in range(14, 20)})
    assert with_late_daughters([old, late], SIZE) == [old, late]


def test_two_that_were_one_for_a_while_are_no_daughters(mother: Tracklet) -> None:
    # Another object ended beside her: she was shown as large as both, and now it is back.
    hidden = Tracklet({t: candidate(70, 60, 8) for t in range(BIRTH - 2)})
    newcomer = sister(BIRTH + 1)
    assert with_late_daughters([hidden, mother, newcomer], SIZE) == [hidden, mother, newcomer]

"""Joint choice and linking of candidates, and tracks made of it; no model."""

from __future__ import annotations

import pytest

from drawn_discs import SIZE, candidate
from napari_sam2.session.population.choose import choose_objects
from napari_sam2.session.population.proposals.candidates import Candidate
from napari_sam2.session.population.tracklets import (
    Tracklet,
    close_gaps,
    lineage_of,
    make_tracklets,
    rooted,
    without_strays,
)

FRAMES = 7


def moving(frame: int) -> Candidate:
    return candidate(60, 30 + 3 * frame, 10)


def dividing(frame: int) -> list[Candidate]:
    if frame < 3:
        return [candidate(60, 110, 12)]
    # The daughters part.
    return [candidate(60 - 9 - frame, 110, 8), candidate(60 + 9 + frame, 110, 8)]


def tracklets_of(frames: list[list[Candidate]], *, divisions: bool = True) -> list[Tracklet]:
    choice = choose_objects(frames, SIZE, dividing=divisions)
    objects = {(t, i): frames[t][i] for t, chosen in enumerate(choice.objects) for i in chosen}
    return make_tracklets(objects, choice.next_of)


def test_objects_keep_their_track_and_daughters_know_their_mother() -> None:
    mover, mother, *daughters = tracklets_of([[moving(t), *dividing(t)] for t in range(FRAMES)])
    assert (mover.begin, mover.end, mover.mother) == (0, FRAMES - 1, None)
    assert [one.masks[FRAMES - 1].centre for one in daughters] == [one.centre for one in dividing(FRAMES - 1)]
    assert [(one.begin, one.mother) for one in daughters] == [(3, mother), (3, mother)]
    tracks = [track for track, _ in lineage_of([mover, mother, *daughters])]
    born = [track for track in tracks if track.parent]
    assert {track.parent for track in born} == {track.label for track in tracks if track.end == 2}


def test_without_divisions_a_daughter_goes_on_or_begins_anew() -> None:
    assert all(one.mother is None for one in tracklets_of([dividing(t) for t in range(FRAMES)], divisions=False))


def test_a_whole_that_lasts_wins_over_its_parts() -> None:
    parts = [candidate(60, 52, 7, 0.8), candidate(60, 68, 7, 0.8)]
    frames = [[candidate(60, 60, 14, 1.2)] for _ in range(FRAMES)]
    # On one frame the parts weigh more than the whole.
    frames[3] = [candidate(60, 60, 14, 0.9), *parts]
    assert choose_objects([frames[3]], SIZE).objects == ((1, 2),)
    (only,) = tracklets_of(frames)
    assert len(only.masks) == FRAMES


def test_what_is_known_of_the_first_frame_is_kept() -> None:
    frames = [[candidate(60, 60, 14), candidate(60, 60, 10)] for _ in range(3)]
    assert choose_objects(frames, SIZE, chosen=[1]).objects[0] == (1,)
    assert choose_objects([[], []], SIZE).objects == ((), ())


def test_a_frame_on_which_an_object_was_missed_is_filled() -> None:
    frames = [[moving(t)] for t in range(FRAMES)]
    frames[3] = []
    (only,) = tracklets_of(frames)
    close_gaps(only)
    assert only.masks[3].centre == pytest.approx(moving(3).centre, abs=1)


def test_strays_go_and_a_stray_daughter_gives_her_sister_back() -> None:
    frames = [[moving(t)] for t in range(FRAMES)]
    frames[2].append(candidate(90, 120, 9))
    kept = without_strays(tracklets_of(frames), frames=FRAMES, frame_size=SIZE, least_score=0.1)
    assert len(kept) == 1

    stray = [candidate(60, 60, 12)], [candidate(48, 60, 8), candidate(72, 60, 8)], *[[candidate(48, 60, 8)]] * 5
    mother = Tracklet({0: stray[0][0]})
    sister = Tracklet({t: stray[t][0] for t in range(1, FRAMES)}, mother)
    lost = Tracklet({1: stray[1][1]}, mother)
    mother.daughters = [sister, lost]
    (whole,) = without_strays([mother, sister, lost], frames=FRAMES, frame_size=SIZE, least_score=0.1)
    assert sorted(whole.masks) == list(range(FRAMES))


def test_two_stray_daughters_leave_their_mother_alone() -> None:
    mother = Tracklet({t: moving(t) for t in range(4)})
    strays = [Tracklet({4: candidate(40 + 40 * i, 60, 8)}, mother) for i in range(2)]
    mother.daughters = list(strays)
    assert without_strays([mother, *strays], frames=FRAMES, frame_size=SIZE, least_score=0.1) == [mother]


def test_only_what_is_rooted_in_a_frame_is_kept() -> None:
    first = Tracklet({0: moving(0)})
    child, late = Tracklet({1: moving(1)}, first), Tracklet({1: candidate(20, 20, 9)})
    assert rooted([first, child, late], 0) == [first, child]

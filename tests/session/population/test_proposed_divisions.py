"""Divisions that tracks suggest, and what becomes of them in a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from drawn_discs import disc
from napari_sam2 import Session
from napari_sam2.data.labels.scores import Measures
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.population.proposed_divisions import DivisionProposal, DrawnObject, propose_divisions

pytestmark = pytest.mark.usefixtures("one_thread")
SIZE = (48, 56)


def drawn(frames: range, area: int, *, y: float = 20, x: float = 20, pieces: tuple[int, ...] = ()) -> DrawnObject:
    here = pieces or (area,)
    return DrawnObject({t: Measures(area, (y, x)) for t in frames}, dict.fromkeys(frames, here))


def joined(*parts: DrawnObject) -> DrawnObject:
    measures = {t: m for part in parts for t, m in part.measures.items()}
    return DrawnObject(measures, {t: p for part in parts for t, p in part.pieces.items()})


WHOLE, LEFT, RIGHT = drawn(range(6), 200), drawn(range(6, 10), 95, x=14), drawn(range(6, 10), 100, x=26)
FAR = drawn(range(10), 200, y=100)
PROPOSED = {
    "beside one that shrank": ({1: joined(WHOLE, RIGHT), 2: LEFT, 3: FAR}, [(6, 1, (1, 2))]),
    "seen some frames late": ({1: joined(WHOLE, RIGHT), 2: drawn(range(8, 10), 95, x=14)}, [(6, 1, (1, 2))]),
    "two after the end": ({1: WHOLE, 2: LEFT, 3: RIGHT, 4: FAR}, [(6, 1, (2, 3))]),
    "in two pieces": ({1: joined(WHOLE, drawn(range(6, 10), 195, pieces=(100, 95)))}, [(6, 1, (1,))]),
    "in two pieces for a frame": (
        {1: joined(WHOLE, drawn(range(6, 7), 195, pieces=(100, 95)), drawn(range(7, 10), 200))},
        [],
    ),
    "a crumb beside it": ({1: joined(WHOLE, drawn(range(6, 10), 195, pieces=(175, 20)))}, []),
    "one newcomer for two mothers": (
        {1: joined(WHOLE, RIGHT), 2: joined(drawn(range(6), 200, x=2), drawn(range(6, 10), 100, x=2)), 3: LEFT},
        [(6, 1, (1, 3))],
    ),
    "nobody near": ({1: joined(WHOLE, RIGHT), 2: drawn(range(6, 10), 95, x=80)}, []),
    "there from the first frame on": ({1: joined(WHOLE, RIGHT), 2: drawn(range(10), 95, x=14)}, []),
    "nothing": ({}, []),
}


@pytest.mark.parametrize(("objects", "wanted"), PROPOSED.values(), ids=PROPOSED)
def test_what_is_proposed(objects: dict[int, DrawnObject], wanted: list[tuple[int, int, tuple[int, ...]]]) -> None:
    assert propose_divisions(objects, {}) == [DivisionProposal(*one) for one in wanted]


def test_what_is_known_is_not_proposed() -> None:
    objects = {1: WHOLE, 2: LEFT, 3: RIGHT}
    assert propose_divisions(objects, {2: 1, 3: 1}) == []


def test_a_daughter_who_was_found_late_is_tracked_back(model: Sam2, frames: np.ndarray) -> None:
    session = Session(model, frames)
    for t in range(10):
        session.add_mask(t, 1, disc(20, 20, 8, SIZE) if t < 6 else disc(20, 26, 5, SIZE))
    session.add_mask(8, 2, disc(20, 14, 5, SIZE))
    (division,) = session.propose_divisions()
    assert (division.frame, division.mother, division.daughters) == (6, 1, (1, 2))
    assert session.take_division(division) == (3, 2)
    assert session.undo_name == "Divide object 1"
    assert session.lineage.set_index("object")["begin"].to_dict()[2] == 6
    assert {6, 7, 8} <= {row.frame for row in session.outputs.scores if row.object_id == 2}
    assert session.propose_divisions() == []
    session.undo()
    assert session.propose_divisions() == [division]


def test_pieces_of_a_mask_become_daughters(model: Sam2, frames: np.ndarray) -> None:
    session = Session(model, frames)
    for t in range(8):
        pieces = disc(20, 12, 5, SIZE) | disc(20, 30, 5, SIZE)
        session.add_mask(t, 1, disc(20, 20, 8, SIZE) if t < 5 else pieces)
    (division,) = session.propose_divisions()
    assert division.is_in_pieces
    daughters = session.take_division(division)
    assert session.parents == dict.fromkeys(daughters, 1)
    assert {session.labels[5][20, 12], session.labels[5][20, 30]} == {*daughters}
    assert session.outputs.frames_of(1) == [0, 1, 2, 3, 4]


def test_what_was_refused_stays_so_after_closing_until_it_is_undone(
    model: Sam2, frames: np.ndarray, make_model: Callable[..., Sam2], tmp_path: Path
) -> None:
    session, folder = Session(model, frames), tmp_path / "s.napari-sam2"
    for t in range(10):
        session.add_mask(t, 1, disc(20, 20, 8, SIZE) if t < 6 else disc(20, 26, 5, SIZE))
    session.add_mask(9, 2, disc(20, 14, 5, SIZE))
    (division,) = session.propose_divisions()
    session.save(folder)
    session.refuse_division(division)
    assert session.undo_name == "Object 1 does not divide"
    assert session.propose_divisions() == []
    session.close()
    # With other weights, too, of which the masks are not those that were saved.
    for opener in (model, make_model(5)):
        opened = Session.open(folder, frames=frames, model=opener)
        assert opened.refused_divisions == {1: {(1, 2)}} and opened.propose_divisions() == []
        opened.close()
    opened = Session.open(folder, frames=frames, model=model)
    opened.undo()
    assert opened.propose_divisions() == [division]
    opened.redo()
    # It was about this object 2, and not about one that gets its number later.
    opened.remove_object(2)
    opened.add_mask(9, 2, disc(20, 14, 5, SIZE))
    assert opened.propose_divisions() == [division]
    with pytest.raises(ValueError, match="there is no object 7"):
        opened.refuse_division(DivisionProposal(6, 1, (1, 7)))
    opened.close()

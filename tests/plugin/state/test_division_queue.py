"""Divisions that wait for a yes or a no."""

from __future__ import annotations

from napari_sam2.data.labels.scores import Measures
from napari_sam2.plugin.state.division_queue import DivisionQueue, question
from napari_sam2.session.population.proposed_divisions import DivisionProposal, DrawnObject

NAMES = {1: "mother", 2: "object 2", 3: "object 3"}


def drawn(first: int, last: int, area: int, x: float) -> DrawnObject:
    return DrawnObject({t: Measures(area, (20.0, x)) for t in range(first, last)})


def family(y: int) -> dict[int, DrawnObject]:
    return {y: drawn(0, 5, 200, 20.0 * y), y + 1: drawn(5, 9, 95, 20.0 * y - 6), y + 2: drawn(5, 9, 95, 20.0 * y + 6)}


def test_each_is_shown_once_and_then_all_again() -> None:
    queue = DivisionQueue()
    queue.look(family(1) | family(11), {})
    everybody = {1, 2, 3, 11, 12, 13}
    found = queue.open(everybody, {}, {})
    assert [(one.mother, one.daughters) for one in found] == [(1, (2, 3)), (11, (12, 13))]
    assert [queue.next(found) for _ in range(4)] == [*found, None, found[0]]
    # One that was answered or whose objects are gone is out; undone, it is back.
    assert queue.open(everybody, {2: 1, 3: 1}, {}) == found[1:]
    assert queue.open({1, 2, 11, 12, 13}, {}, {}) == found[1:]
    assert queue.open(everybody, {}, {}) == found
    refused = {1: frozenset({(2, 3)})}
    queue.look(family(1), {})
    assert queue.open(everybody, {}, refused) == []


def test_what_is_asked() -> None:
    assert question(DivisionProposal(5, 1, (2, 3)), NAMES) == "Does mother divide here, into object 2 and object 3?"
    assert question(DivisionProposal(5, 1, (1, 3)), NAMES) == "Does mother divide here, into itself and object 3?"
    assert question(DivisionProposal(5, 1, (1,)), NAMES) == "Does mother divide here, into its two pieces?"

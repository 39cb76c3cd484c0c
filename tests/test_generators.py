"""Results of generators that are gone through step by step."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from napari_sam2.generators import StepsWithResult, each, finish


class Counting:
    """Counts to three and says so; knows whether it was closed on the way."""

    closed = False

    def steps(self) -> Generator[int, None, str]:
        try:
            yield from (1, 2, 3)
        except GeneratorExit:
            self.closed = True
            raise
        return "three"


def test_the_result_is_there_at_the_end() -> None:
    going = StepsWithResult(Counting().steps())
    assert list(going) == [1, 2, 3]
    assert going.result == "three"
    assert finish(Counting().steps()) == "three"


def test_steps_are_made_into_others() -> None:
    doubled = StepsWithResult(each(Counting().steps(), lambda number: 2 * number))
    assert list(doubled) == [2, 4, 6]
    assert doubled.result == "three"


def test_closing_the_outer_closes_the_inner() -> None:
    counting = Counting()
    outer = each(counting.steps(), str)
    assert next(outer) == "1"
    outer.close()
    assert counting.closed


def test_an_error_comes_through() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        finish(each(failing(), str))  # type: ignore[arg-type]

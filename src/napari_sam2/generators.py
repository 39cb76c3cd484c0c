"""Generators that yield steps and return a result."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, Generic, TypeVar

Step = TypeVar("Step")
Made = TypeVar("Made")
Result = TypeVar("Result")


class StepsWithResult(Generic[Step, Result]):
    """The steps of a generator, and once they have been gone through its result."""

    result: Result

    def __init__(self, steps: Generator[Step, None, Result]) -> None:
        self._steps = steps

    def __iter__(self) -> Iterator[Step]:
        self.result = yield from self._steps


def finish(steps: Generator[Any, None, Result]) -> Result:
    """Go through all steps, and return what comes of them."""
    going = StepsWithResult(steps)
    for _ in going:
        pass
    return going.result


def each(steps: Generator[Step, None, Result], make: Callable[[Step], Made]) -> Generator[Made, None, Result]:
    """Yield what is made of each step, and return what comes of them."""
    going = StepsWithResult(steps)
    for step in going:
        yield make(step)
    return going.result

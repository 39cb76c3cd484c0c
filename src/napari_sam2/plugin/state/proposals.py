"""Objects that were found on a frame and are not the session's yet: which of them are going to be taken."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam2.session.population.found_objects import FoundObjects


@dataclass(frozen=True, eq=False)
class Proposals:
    """What was found, the bar and the areas that choose among it, and what the user has chosen by hand."""

    found: FoundObjects
    # Scores from which on, and least and greatest area in pixels between which, a proposal is taken.
    bar: float
    areas: tuple[float, float]
    # Labels that were clicked on, which bar and areas do not change.
    clicked_in: frozenset[int] = frozenset()
    clicked_out: frozenset[int] = frozenset()

    @property
    def taken(self) -> frozenset[int]:
        """Labels of those that are going to be taken."""
        low, high = self.areas
        measures = enumerate(zip(self.found.scores, self.found.areas, strict=True), 1)
        fit = frozenset(i for i, (score, area) in measures if score >= self.bar and low <= area <= high)
        return (fit | self.clicked_in) - self.clicked_out

    def clicked(self, label: int) -> Proposals:
        """Leave out a proposal that is taken, or take one that is left out."""
        one, is_taken = frozenset({label}), label in self.taken
        return replace(
            self,
            clicked_in=self.clicked_in - one if is_taken else self.clicked_in | one,
            clicked_out=self.clicked_out | one if is_taken else self.clicked_out - one,
        )

"""Divisions that tracks suggest, for the user to say yes or no to, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from collections.abc import Set as AbstractSet

    from napari_sam2.session.population.proposed_divisions import DivisionProposal, DrawnObject


class DivisionQueue:
    """What is proposed on a stack, of all its objects."""

    def __init__(self) -> None:
        self._found: list[DivisionProposal] = []
        # Those that the user was sent to since all were.
        self._seen: list[DivisionProposal] = []

    @property
    def is_any(self) -> bool:
        """Whether anything was found, answered or not."""
        return bool(self._found)

    def look(self, objects: Mapping[int, DrawnObject], parents: Mapping[int, int]) -> None:
        """Find out what there is to propose."""
        from napari_sam2.session.population.proposed_divisions import propose_divisions

        self._found = propose_divisions(objects, parents)

    def open(
        self,
        object_ids: Collection[int],
        parents: Mapping[int, int],
        refused: Mapping[int, AbstractSet[tuple[int, ...]]],
    ) -> list[DivisionProposal]:
        """Those that nobody has answered, of objects that there are, the earliest first.

        ``refused``: by mother, the daughters that somebody said no to; it holds whatever frame they would divide on.
        """
        return [
            one
            for one in self._found
            if one.daughters not in refused.get(one.mother, ())
            and {one.mother, *one.daughters} <= {*object_ids}
            and one.mother not in parents.values()
            and not {*one.daughters} - {one.mother} & parents.keys()
        ]

    def next(self, proposed: list[DivisionProposal]) -> DivisionProposal | None:
        """Return the next of those that are open; ``None`` when the user was sent to all of them, and then anew."""
        left = [one for one in proposed if one not in self._seen]
        if not left:
            self._seen.clear()
            return None
        self._seen.append(left[0])
        return left[0]


def question(division: DivisionProposal, names: Mapping[int, str]) -> str:
    """Ask about a division, in words."""
    mother = names[division.mother]
    if division.is_in_pieces:
        return f"Does {mother} divide here, into its two pieces?"
    one, other = ("itself" if i == division.mother else names[i] for i in division.daughters)
    return f"Does {mother} divide here, into {one} and {other}?"

"""The prompts of one stack as the window shows them: those of the session, and edits that it was not sent yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_sam2.wording import named_objects

if TYPE_CHECKING:
    from napari_sam2.data.prompts.drawing import Drawing, PromptKey


@dataclass(frozen=True)
class Edit:
    """What a user did to prompts."""

    # Name of the step that it becomes.
    name: str
    # New drawings; an empty one takes a prompt away.
    changes: dict[PromptKey, Drawing]


@dataclass
class ShownPrompts:
    """Prompts of one stack; only the GUI thread uses it."""

    # What the session has, edits that are on their way to it included.
    sent: dict[PromptKey, Drawing] = field(default_factory=dict)
    # Edits that the session is sent later: there is none yet, or prompts are not answered at once.
    pending: list[Edit] = field(default_factory=list)
    # How many edits the session has been sent and has not answered.
    unanswered: int = 0

    @property
    def drawings(self) -> dict[PromptKey, Drawing]:
        """All prompts."""
        drawings = dict(self.sent)
        for edit in self.pending:
            drawings |= edit.changes
        return {key: drawing for key, drawing in drawings.items() if not drawing.is_empty}

    def take_pending(self) -> list[Edit]:
        """Return the pending edits, which are sent now."""
        edits, self.pending = self.pending, []
        for edit in edits:
            self.sent |= edit.changes
        self.sent = {key: drawing for key, drawing in self.sent.items() if not drawing.is_empty}
        return edits


def edit_name(changes: dict[PromptKey, Drawing], known: dict[PromptKey, Drawing]) -> str:
    """Name the step of some changes, as in "Click on object 3"."""
    ids = sorted({key.object_id for key in changes})
    what = named_objects(ids)
    if len(changes) > 1:
        return f"Change prompts of {what}"
    ((key, drawing),) = changes.items()
    before = known.get(key)
    if drawing.is_empty:
        return f"Delete prompts of {what}"
    if before is None:
        before = type(drawing)()
    new_points = len(drawing.points) - len(before.points)
    # One that was pasted onto itself is there twice.
    new_shapes = [shape for shape in drawing.shapes if shape not in before.shapes] or drawing.shapes
    if new_points < 0 or len(drawing.shapes) < len(before.shapes):
        return f"Delete a prompt of {what}"
    if len(drawing.shapes) > len(before.shapes):
        return {"box": "Box around ", "outline": "Outline of ", "line": "Line on "}[new_shapes[-1].prompt_kind] + what
    if new_points > 0:
        return f"Click on {what}" if new_points == 1 else f"{new_points} clicks on {what}"
    return f"Change a prompt of {what}"

"""Records of what each of the user's undo steps did to a session, kept within a number of steps and bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam2.plugin.layers.prompt_spec import PromptKey, PromptSpec
    from napari_sam2.session.state import SessionState

# Steps that can be taken back; the same number on both threads, so that neither remembers what the other forgot.
UNDO_STEPS = 30


@dataclass(eq=False)
class EngineStep:
    """What one step of the user's did to the session."""

    # How many edits of the session's it took.
    edits: int = 0
    # Prompts in the layers before and after it.
    before: dict[PromptKey, PromptSpec] = field(default_factory=dict)
    after: dict[PromptKey, PromptSpec] = field(default_factory=dict)
    # Of a run, the session before it, or after it where it is taken back.
    other: SessionState | None = None
    # Whether it is taken back.
    is_undone: bool = False
    # Whether it was a run whose other state took too much memory to keep.
    is_lost: bool = False


class UndoSteps(dict[int, EngineStep]):
    """Steps by their number, as many as are kept."""

    def record(self, number: int, applied: Mapping[PromptKey, PromptSpec]) -> EngineStep:
        """Look a step up, or begin it from the prompts that the session has now."""
        if number not in self:
            # What was taken back before a new step is never done again.
            for known in [known for known, step in self.items() if step.is_undone]:
                del self[known]
            self[number] = EngineStep(before=dict(applied))
            for old in sorted(self)[:-UNDO_STEPS]:
                del self[old]
        return self[number]

    def limit(self) -> None:
        """Keep what undo and redo need of other runs within bounds; what is next either way stays whole."""
        from napari_sam2.session.state import UNDO_BYTES, limit_states

        # Done steps are counted from the newest back, undone ones from the next to be redone on: those nearest stay.
        for is_undone in (False, True):
            numbers = sorted(self, reverse=not is_undone)
            steps = [step for n in numbers if (step := self[n]).other and step.is_undone == is_undone]
            states = limit_states([step.other for step in steps if step.other], UNDO_BYTES)
            for step, state in zip(steps, states, strict=True):
                step.other, step.is_lost = state, state is None

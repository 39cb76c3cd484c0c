"""Names of the steps that edits of prompts become."""

from __future__ import annotations

import pytest

from napari_sam2.data.prompts.drawing import Drawing, DrawnPoint, DrawnShape, PromptKey
from napari_sam2.plugin.state.shown_prompts import edit_name

KEY = PromptKey(0, 3)
BOX = DrawnShape("rectangle", ((1.0, 2.0), (1.0, 9.0), (8.0, 9.0), (8.0, 2.0)))
LINE = DrawnShape("path", ((1.0, 2.0), (5.0, 9.0)))
POINT = DrawnPoint(4.0, 5.0, 1)


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        (Drawing(), Drawing((POINT,)), "Click on object 3"),
        (Drawing((POINT,)), Drawing((POINT,) * 3), "2 clicks on object 3"),
        (Drawing(), Drawing(shapes=(BOX,)), "Box around object 3"),
        (Drawing(shapes=(BOX,)), Drawing(shapes=(BOX, LINE)), "Line on object 3"),
        # Pasted onto itself.
        (Drawing(shapes=(BOX,)), Drawing(shapes=(BOX, BOX)), "Box around object 3"),
        (Drawing((POINT,)), Drawing((POINT, POINT)), "Click on object 3"),
        (Drawing(shapes=(BOX, BOX)), Drawing(shapes=(BOX,)), "Delete a prompt of object 3"),
        (Drawing((POINT,)), Drawing(), "Delete prompts of object 3"),
        (Drawing(shapes=(BOX,)), Drawing(shapes=(LINE,)), "Change a prompt of object 3"),
    ],
)
def test_names_say_what_was_done(before: Drawing, after: Drawing, name: str) -> None:
    assert edit_name({KEY: after}, {KEY: before}) == name

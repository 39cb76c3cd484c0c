"""Layers of prompts read without a window: whose rows are in a layer of the user's own, and what is new in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Points
from qtpy.QtWidgets import QApplication

from napari_sam2.data.prompts.drawing import Drawing, PromptKey
from napari_sam2.plugin.layers.layer_frames import is_own
from napari_sam2.plugin.layers.session_layers import SessionLayers
from napari_sam2.plugin.layers.viewing.sliders import current_space
from shown_session import everything_of

# Object, then the clicks on it.
Rows = dict[tuple[int, int], list[tuple[float, float]]]


@pytest.fixture
def layers(qapp: QApplication) -> SessionLayers:
    """Of an image in a viewer without a window; layers that are made are chosen as the widget would."""
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((6, 20, 24), np.uint8))
    made = SessionLayers(viewer)
    made.image, made.space = image, current_space(image, 0, viewer)
    made.layer_added.connect(lambda new: made.set_points(new) if isinstance(new, Points) else made.set_shapes(new))
    return made


@pytest.fixture
def mine(layers: SessionLayers) -> Points:
    rows = np.array([[0, 3, 4], [2, 5, 6]], float)
    return layers._viewer.add_points(rows, features={"word": ["a", "b"]}, face_color="word", name="mine")


def clicks(drawings: dict[PromptKey, Drawing]) -> Rows:
    return {tuple(key): [(point.y, point.x) for point in drawing.points] for key, drawing in drawings.items()}


def test_rows_are_about_the_object_that_is_selected_when_they_come(layers: SessionLayers, mine: Points) -> None:
    layers.select(4)
    layers.set_points(mine)
    known = layers.changes({})
    assert clicks(known) == {(0, 4): [(3, 4)], (2, 4): [(5, 6)]}
    layers.select(7)
    mine.add([2, 8, 9])
    known |= layers.changes(known)
    assert clicks(known) == {(0, 4): [(3, 4)], (2, 4): [(5, 6)], (2, 7): [(8, 9)]}
    mine.selected_data = {1}
    mine.remove_selected()
    known |= layers.changes(known)
    assert clicks(known) == {(0, 4): [(3, 4)], (2, 4): [], (2, 7): [(8, 9)]}
    assert list(mine.features) == ["word"]


@pytest.mark.parametrize("kind", ["points", "shapes"])
def test_a_layer_of_the_users_is_as_it_was(layers: SessionLayers, mine: Any, kind: str) -> None:
    if kind == "shapes":
        mine = layers._viewer.add_shapes([np.array([[0, 3, 4], [0, 9, 9]])], shape_type="line", name="mine")
    before = everything_of(mine)
    (layers.set_points if kind == "points" else layers.set_shapes)(mine)
    layers.changes({})
    layers.select(3)
    layers.set_next("negative")
    layers.show({})
    assert everything_of(mine) == before
    assert layers.next_is_positive


def test_what_was_read_before_a_stack_was_left_is_no_news(layers: SessionLayers, mine: Points) -> None:
    here, elsewhere = layers.space, replace(layers.space, image="another")
    layers.set_points(mine)
    assert layers.changes({})
    for space in (elsewhere, here):
        layers.set_points(None)
        layers.select(2)
        layers.space = space
        layers.set_points(mine)
        layers.come_back()
        # It was undone meanwhile.
        changes = layers.changes({})
    assert changes == {}
    # With another session on the stack all counts, as it is compared with what that one has.
    layers.come_back(anew=True)
    assert layers.changes({})
    # Chosen once more by hand it is taken once more, for the object that is selected now.
    layers.set_points(mine)
    assert clicks(layers.changes({})) == {(0, 2): [(3, 4)], (2, 2): [(5, 6)]}


def test_the_widget_s_own_layer_shows_what_there_is(layers: SessionLayers, mine: Points) -> None:
    own = layers.need_points()
    own.add([1, 2, 2])
    drawings = layers.changes({})
    layers.set_points(mine)
    taken = drawings | layers.changes(drawings)
    assert layers.need_points() is own is layers.points
    assert is_own(own)
    assert layers.changes(taken) == {}
    layers.show(taken)
    assert len(own.data) == 3
    # What was undone while another layer was in use does not come back with this one.
    layers.set_points(mine)
    assert layers.need_points() is own
    assert layers.changes({}) == {}
    layers.show({})
    assert len(own.data) == 0


def test_features_that_were_taken_away(layers: SessionLayers) -> None:
    own = layers.need_points()
    own.add([1, 2, 2])
    known = layers.changes({})
    with pytest.warns(RuntimeWarning, match="dropped"):
        own.features = {}
    assert layers.changes(known) == {}

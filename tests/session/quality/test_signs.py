from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.data.labels.scores import ScoreRow
from napari_sam2.session.quality.signs import SIGNS, signs_of

SIZE = 100, 120


def row(
    frame: int, *, score: float = 0.99, iou: float = 0.9, side: int = 10, at: tuple[int, int] = (40, 40)
) -> ScoreRow:
    mask = np.zeros(SIZE, bool)
    mask[at[0] : at[0] + side, at[1] : at[1] + side] = True
    return ScoreRow.from_mask(frame, 1, scores=(score, iou), mask=mask)


def signs(rows: list[ScoreRow], prompted: set[int]) -> dict[str, np.ndarray]:
    return dict(zip(SIGNS, signs_of(rows, prompted, size=SIZE).T, strict=True))


def test_a_track_that_was_doubtful_once_stays_so_on_the_side_away_from_its_prompt() -> None:
    rows = [row(t, iou=0.5 if t in (2, 7) else 0.9) for t in range(10)]
    np.testing.assert_allclose(signs(rows, {5})["lowest_iou"], [0.5] * 3 + [0.9] * 4 + [0.5] * 3)
    np.testing.assert_allclose(signs(rows, {0, 9})["lowest_iou"], [0.9] * 2 + [0.5] * 6 + [0.9] * 2)


def test_change_is_measured_from_the_side_of_the_prompt() -> None:
    rows = [row(0), row(1), row(2, side=20), row(3, side=20)]
    forward, backward = signs(rows, {0}), signs(rows, {3})
    np.testing.assert_allclose(forward["growth"], [0, 0, np.log(4), 0])
    np.testing.assert_allclose(backward["growth"], [0, np.log(4), 0, 0])
    np.testing.assert_allclose(forward["area_change"], [0, 0, np.log(4), np.log(4)])


def test_hidden_objects_and_those_at_the_border_are_told() -> None:
    hidden = ScoreRow(1, 1, 0.01, 0.4)
    found = signs([row(0), hidden, row(2, at=(0, 40)), row(3, at=(40, 110))], {0})
    assert found["hidden"].tolist() == [0, 1, 0, 0]
    assert found["border"].tolist() == [0, 0, 1, 1]


@given(
    st.lists(
        st.builds(row, st.just(0), score=st.floats(0, 1), iou=st.floats(0, 1), side=st.integers(0, 30)),
        min_size=1,
        max_size=8,
    ),
    st.sets(st.integers(0, 9)),
)
def test_every_row_is_described_by_numbers(rows: list[ScoreRow], prompted: set[int]) -> None:
    rows = [replace(one, frame=t) for t, one in enumerate(rows)]
    made = signs_of(rows, prompted, size=SIZE)
    assert made.shape == (len(rows), len(SIGNS))
    assert np.isfinite(made).all()

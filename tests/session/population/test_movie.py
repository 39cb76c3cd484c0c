"""A drawn movie from frames to labels and lineage, with the bundled model."""

from __future__ import annotations

import numpy as np
import pytest

from drawn_discs import picture
from napari_sam2.data.images.stack import Stack
from napari_sam2.session.features.frame_encoder import FrameEncoder
from napari_sam2.session.population.finder import ObjectFinder
from napari_sam2.session.population.movie import MovieOptions, MovieTracker, TrackedMovie
from napari_sam2.weights.load import load_model

FRAMES = 5


def frame(t: int) -> np.ndarray:
    # One moves, one divides after the second frame, one comes with the third.
    discs = [(30, 30 + 4 * t, 11, 90)]
    discs += [(80, 60, 13, 120)] if t < 2 else [(80 - 14 - t, 60, 9, 140), (80 + 10 + t, 60, 9, 140)]
    discs += [(60, 130, 12, 80)] if t >= 2 else []
    return picture(*discs, seed=t)


@pytest.fixture(scope="module")
def tracker() -> MovieTracker:
    encoder = FrameEncoder(load_model("sam2_nano"), Stack.from_array(np.stack([frame(t) for t in range(FRAMES)]), "t"))
    tracker = MovieTracker(ObjectFinder(encoder), MovieOptions())
    assert list(tracker.run()) == list(range(FRAMES))
    return tracker


@pytest.fixture(scope="module")
def movie(tracker: MovieTracker) -> TrackedMovie:
    return tracker.result


def test_tracks_newcomers_and_divisions(movie: TrackedMovie) -> None:
    labels = movie.labels
    mover = labels[0][30, 30]
    assert all(labels[t][30, 30 + 4 * t] == mover != 0 for t in range(FRAMES))
    mother, daughters = labels[0][80, 60], {labels[3][63, 60], labels[3][93, 60]}
    (division,) = [one for one in movie.lineage.divisions if one.mother == mother]
    assert set(division.daughters) == daughters
    assert division.frame == 2
    newcomer = movie.lineage.by_label[int(labels[3][60, 130])]
    assert (newcomer.begin, newcomer.end, newcomer.parent) == (2, FRAMES - 1, 0)


def test_scores_and_lineage_say_what_the_labels_show(movie: TrackedMovie) -> None:
    for track in movie.lineage.tracks:
        seen = [t for t in range(FRAMES) if track.label in movie.labels.object_ids(t)]
        assert (seen[0], seen[-1]) == (track.begin, track.end)
    for row in movie.scores:
        assert row.area == np.count_nonzero(movie.labels[row.frame] == row.object_id)

"""Simulated interaction over several frames, with the bundled model on a tiny clip."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_sam2.cli import main
from napari_sam2.data.images.stack import Stack
from napari_sam2.evaluation.interactive import (
    GOOD_ENOUGH,
    MOST_ACCEPTED,
    InteractionSettings,
    SimulatedUser,
    evaluate_interactively,
    frames_until,
)
from napari_sam2.evaluation.labelled_sequences import LabelledSequence
from napari_sam2.evaluation.metrics import region_similarity
from napari_sam2.evaluation.reports.markdown_tables import interactive_table
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.session import Session
from napari_sam2.weights.load import load_model

FRAMES = 6


@pytest.fixture(scope="module")
def model() -> Sam2:
    return load_model(device="cpu", image_size=64)


def jumping(axis: str = "t") -> LabelledSequence:
    """A bright square that jumps half-way and leaves its like behind: which is meant then, no tracker can know."""
    rng = np.random.default_rng(0)
    frames = rng.integers(60, 90, (FRAMES, 64, 80)).astype(np.uint8)
    labels = np.zeros((FRAMES, 64, 80), np.uint8)
    for t in range(FRAMES):
        x = 6 + 2 * t if t < FRAMES // 2 else 50
        labels[t, 20:36, x : x + 16] = 4
        frames[t, 20:36, x : x + 16] += 120
        if t >= FRAMES // 2:
            frames[t, 20:36, 10:26] += 120
    return LabelledSequence("jumping", axis, Stack.from_array(frames, axis), labels)


def user_of(model: Sam2, sequence: LabelledSequence, mode: str, *, rounds: int = 3) -> SimulatedUser:
    return SimulatedUser(sequence, Session(model, sequence.stack), InteractionSettings(mode, rounds=rounds, clicks=2))


def accuracy(user: SimulatedUser) -> dict[int, float]:
    return {t: region_similarity(user.masks[t, 4], user.sequence.truth(t, 4)) for t in range(FRAMES)}


def test_offline_clicks_on_the_worst_frame(model: Sam2) -> None:
    user = user_of(model, jumping(), "offline")
    for count, figures in enumerate(user.rounds(), start=1):
        js = accuracy(user)
        assert len(user.clicked[4]) == count == len(set(user.clicked[4]))
        assert figures["J"] == pytest.approx(np.mean([js[t] for t in range(1, FRAMES)]), abs=1e-4)
        left = {t: j for t, j in js.items() if t not in user.clicked[4]}
        worst = user.next_frame(4)
        assert worst is not None
        assert left[worst] == min(left.values())
        due = worst
        if count < 3:
            expected = [*user.clicked[4], due]
    assert user.clicked[4] == expected
    prompts = {prompt.frame: prompt for prompt in user.session.prompts}
    assert set(prompts) == set(user.clicked[4])
    assert all(1 <= len(prompt.points) <= 2 for prompt in prompts.values() if prompt.points is not None)


@pytest.mark.parametrize("axis", ["t", "z"])
def test_online_leaves_what_lies_behind(model: Sam2, axis: str) -> None:
    user = user_of(model, jumping(axis), "online")
    before: dict[int, np.ndarray] = {}
    for _ in user.rounds():
        clicked = user.clicked[4]
        for t in range(clicked[-1]):
            if before:
                np.testing.assert_array_equal(user.masks[t, 4], before[t])
        before = {t: user.masks[t, 4].copy() for t in range(FRAMES)}
        js, ahead = accuracy(user), range(clicked[-1] + 1, FRAMES)
        assert user.next_frame(4) == next((t for t in ahead if js[t] < GOOD_ENOUGH), None)
    assert len(clicked) > 1
    assert clicked == sorted(clicked)


@pytest.mark.parametrize("mode", ["offline", "online"])
def test_frames_between_clicks_can_come_from_both(model: Sam2, mode: str) -> None:
    sequence = jumping()
    user = SimulatedUser(sequence, Session(model, sequence.stack), InteractionSettings(mode, rounds=2, both_ways=True))
    for _ in user.rounds():
        assert user.session.one_sided == {}
    first, second = user.clicked[4]
    assert set(user.session._objects.tracks[4].fills) == set(range(first + 1, second))


@pytest.mark.parametrize(
    ("mode", "choice"),
    [("offline", "score"), ("online", "score"), ("offline", "worth"), ("online", "worth"), ("offline", "dissimilar")],
)
def test_the_next_frame_can_be_chosen_without_the_truth(model: Sam2, mode: str, choice: str) -> None:
    sequence = jumping()
    user = SimulatedUser(sequence, Session(model, sequence.stack), InteractionSettings(mode, rounds=3, choice=choice))
    list(user.rounds())
    clicked = user.clicked[4]
    # Online the model may be sure of every frame.
    assert len(clicked) == len(set(clicked)) >= (2 if mode == "offline" else 1)
    assert mode == "offline" or clicked == sorted(clicked)
    chosen = user.next_frame(4)
    # It is the same for other labels, as long as no mask is wholly right.
    sequence.labels[:, 0, 0] = 4
    assert user.next_frame(4) == chosen


def test_good_masks_are_locked_on_the_way(model: Sam2) -> None:
    sequence = jumping()
    settings = InteractionSettings("offline", rounds=3, choice="worth", lock=True)
    user = SimulatedUser(sequence, Session(model, sequence.stack), settings)
    next(user.rounds())
    # All but one are good: those are accepted, so many at a time, and the bad one is found.
    bad, session = 4, user.session
    for t in range(FRAMES):
        user.masks[t, 4] = sequence.truth(t, 4).copy()
        user.masks[t, 4][20, 0] = True
    user.masks[bad, 4] = np.zeros_like(user.masks[bad, 4])
    found = user.next_frame(4)
    while found != bad:
        assert found is not None and len(session.accepted[4]) >= MOST_ACCEPTED
        user.clicked[4].append(found)
        found = user.next_frame(4)
    assert bad not in session.accepted.get(4, ())


def test_depth_is_looked_through_both_ways(model: Sam2) -> None:
    sequence = jumping("z")
    sequence.labels[3, 16:40, 50:66] = 4
    user = user_of(model, sequence, "online", rounds=1)
    list(user.rounds())
    assert user.clicked[4] == [3]
    for t in range(FRAMES):
        user.masks[t, 4] = sequence.truth(t, 4)
    user.masks[2, 4] = user.masks[0, 4] = np.zeros_like(user.masks[2, 4])
    # forward first, then from the prompt backward
    assert user.next_frame(4) == 2
    user.masks[5, 4] = np.zeros_like(user.masks[2, 4])
    assert user.next_frame(4) == 5


def test_nobody_clicks_where_nothing_is_wrong(model: Sam2) -> None:
    for mode in ("offline", "online"):
        user = user_of(model, jumping(), mode)
        next(user.rounds())
        for t in range(FRAMES):
            user.masks[t, 4] = user.sequence.truth(t, 4)
        assert user.next_frame(4) is None


def test_clicks_help(model: Sam2) -> None:
    for mode in ("offline", "online"):
        report = evaluate_interactively(model, [jumping()], interaction=InteractionSettings(mode, rounds=3, clicks=3))
        one = report["sequences"]["jumping"]
        accuracies = [figures["J&F"] for figures in one["rounds"]]
        assert len(accuracies) == 3
        assert accuracies[-1] > accuracies[0]
        assert report["mean"]["J&F"] == one["J&F"] == accuracies[-1]
        assert one["clicked"]["4"][0] == 0
        json.dumps(report)


def test_frames_until_by_hand() -> None:
    assert frames_until([0.5, 0.76, 0.74, 0.9], 0.75) == 2
    assert frames_until([0.5, 0.76, 0.74, 0.9], 0.85) == 4
    assert frames_until([0.5], 0.75) is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mode": "later"}, "'later'"),
        ({"rounds": 0}, "rounds=0"),
        ({"mode": "online", "choice": "dissimilar"}, "it goes with 'offline'"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InteractionSettings(**{"mode": "offline", **wrong})


def test_the_table_by_hand() -> None:
    def round_of(value: float) -> dict[str, float]:
        return {"J": value, "F": value, "J&F": value}

    summary = {"rounds": [round_of(0.5), round_of(0.8)], "frames_until": {"0.75": 2, "0.85": None}}
    report = {"interactive": {"rounds": 2}, "mean": summary, "sequences": {"a": {**summary, "objects": 3}}}
    assert interactive_table(report).splitlines() == [
        "| sequence | objects | 1 | 2 | frames until 0.75 | frames until 0.85 |",
        "| --- | --- | --- | --- | --- | --- |",
        "| a | 3 | 0.500 | 0.800 | 2 | not reached |",
        "| **mean** |  | 0.500 | 0.800 | 2 | not reached |",
    ]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--output", str(tmp_path / "report.json"), "--markdown", str(tmp_path / "table.md")]
    words = ["--generated", "1", "--interactive", "online", "--rounds", "2", "--clicks", "1", "--image-size", "64"]
    assert main(["evaluate", *words, *files, "--device", "cpu", "--zoom", "off"]) == 0
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["interactive"] == {
        "mode": "online",
        "rounds": 2,
        "clicks": 1,
        "both_ways": False,
        "choice": "truth",
        "lock": False,
    }
    assert report["settings"]["peak_memory_mb"] is None or report["settings"]["peak_memory_mb"] > 50
    assert (tmp_path / "table.md").read_text(encoding="utf-8").startswith("| sequence | objects | 1 | 2 |")
    assert "frames until J&F 0.75" in capsys.readouterr().out
    assert main(["evaluate", *words, "--prompt", "box"]) == 2
    assert "leave out --prompt" in capsys.readouterr().err

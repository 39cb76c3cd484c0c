"""How the masks proposed for clicks are weighed and averaged, and what a session makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt, label

from napari_sam2 import Session, load_model
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.evaluation.labelled_sequences import deepest_point
from napari_sam2.evaluation.metrics import region_similarity
from napari_sam2.evaluation.simulated.simulated_clicks import first_click, worst_click
from napari_sam2.model.config import CONFIGS
from napari_sam2.model.mask_decoder import DecoderOutput
from napari_sam2.model.sam2 import ImageFeatures, Sam2, build_sam2
from napari_sam2.session.prompting import click_voting
from napari_sam2.session.prompting.click_voting import VotingRule, contradictions, vote, voting_rule, weigh
from napari_sam2.session.prompting.random_walk import spread_clicks
from napari_sam2.session.zoom.crop import Crop, whole
from napari_sam2.session.zoom.crop_size import make_zoom
from napari_sam2.synthetic import SceneSettings, render_clip
from napari_sam2.weights.load import save_checkpoint
from napari_sam2.weights.presets import PRESETS

pytestmark = pytest.mark.usefixtures("one_thread")
FRAME = (64, 64)
RULE = VotingRule()
FEATURES = ImageFeatures(torch.zeros(1, 8, 16, 16), torch.zeros(1, 8, 8, 8), torch.arange(64.0).reshape(1, 4, 4, 4))


def boxes(*corners: tuple[int, int, int, int], ious: Sequence[float], firm: float = 4.0) -> DecoderOutput:
    """Masks on a grid of 32 x 32 cells; the token of each tells its number."""
    masks = torch.full((1, len(corners), 32, 32), -firm)
    for k, (y0, x0, y1, x1) in enumerate(corners):
        masks[0, k, y0:y1, x0:x1] = firm
    tokens = torch.arange(len(corners)).float()[None, :, None].expand(1, -1, 8)
    return DecoderOutput(masks, torch.tensor([ious]), tokens, torch.tensor([5.0]))


def clicks(*places: tuple[float, float], labels: Sequence[int] = (1,)) -> Prompt:
    return Prompt(0, 1, points=np.array(places, np.float32), labels=np.array(labels, np.int32))


def weights(
    output: DecoderOutput, prompt: Prompt, *, view: Crop | None = None, features: ImageFeatures | None = None
) -> list[float]:
    seen = view or whole(FRAME)
    return weigh(output, prompt, seen, rule=RULE, frame_size=FRAME, features=features).weights_k.tolist()


def test_what_the_model_trusts_weighs_more() -> None:
    assert weights(boxes((8, 8, 24, 24), (8, 8, 24, 20), ious=[0.8, 0.4]), clicks((30, 30))) == pytest.approx(
        [0.64, 0.16]
    )


def test_a_mask_that_wavers_weighs_less() -> None:
    output = boxes((8, 8, 24, 24), (8, 8, 24, 24), ious=[0.5, 0.5])
    output.masks_bkhw[0, 1, 8:16] = torch.where(output.masks_bkhw[0, 1, 8:16] > 0, 0.5, -4.0)
    # Half of it is gone at a slightly higher threshold: a quarter of the weight.
    assert weights(output, clicks((30, 30))) == pytest.approx([0.25, 0.0625])


def test_a_click_on_a_new_object_is_meant_for_the_middle() -> None:
    output = boxes((8, 8, 24, 24), (8, 8, 24, 32), ious=[0.5, 0.5])
    middle, beside = weights(output, clicks((18, 32)), features=FEATURES)
    assert weights(output, clicks((18, 32))) == pytest.approx([0.25, 0.25])
    # A rectangle is as deep as it is wide: the click is a row and two cells of eight away from its middle.
    assert middle == pytest.approx(beside) and middle < 0.25
    centred, _ = weights(output, clicks((32, 32)), features=FEATURES)
    assert centred == pytest.approx(0.25)


def test_the_judge_weighs_by_what_it_expects() -> None:
    output, prompt = boxes((8, 8, 24, 24), (8, 8, 24, 32), ious=[0.5, 0.5]), clicks((32, 32))
    expected = RULE.judge.expected_iou(output, FEATURES, prompt=prompt, view=whole(FRAME), frame_size=FRAME)
    proposed, denied = (
        weigh(output, asked, whole(FRAME), rule=RULE, frame_size=FRAME, features=FEATURES)
        for asked in (prompt, clicks((32, 32), (32, 60), labels=(1, 0)))
    )
    first, second = proposed.judged.weights_k.tolist()
    assert first / second == pytest.approx(np.exp(RULE.sharpness * (expected[0] - expected[1])), rel=1e-4)
    # A "not here" in the second counts as ever.
    less = denied.judged.weights_k.tolist()
    assert less[1] / less[0] == pytest.approx(RULE.contradicted * second / first, rel=1e-4)
    # Of a mask that is refined it says nothing.
    refined = weigh(output, prompt, whole(FRAME), rule=RULE, frame_size=FRAME)
    assert refined.judged is refined


def test_a_mask_against_the_clicks_or_cut_off_weighs_little() -> None:
    output = boxes((8, 8, 24, 24), (2, 2, 8, 8), ious=[1.0, 1.0])
    prompt = clicks((30, 30), (40, 40), (8, 8), labels=(1, 1, 0))
    assert [contradictions(m.numpy() > 0, prompt, whole(FRAME)) for m in output.masks_bkhw[0]] == [0, 3]
    assert weights(output, prompt) == pytest.approx([1, RULE.contradicted**3])
    edge = boxes((0, 8, 24, 24), (8, 8, 24, 24), ious=[1.0, 1.0])
    assert weights(edge, clicks((30, 36)), view=Crop(16, 16, 32, 32)) == pytest.approx([RULE.cut, 1])
    assert weights(edge, clicks((30, 30))) == pytest.approx([1, 1])


def test_the_answer_is_the_average_over_what_each_look_shows() -> None:
    prompt, window = clicks((32, 32)), Crop(16, 16, 32, 32)
    far = weigh(boxes((8, 8, 24, 24), ious=[0.6]), prompt, whole(FRAME), rule=RULE, frame_size=FRAME)
    # The window's left half of what it shows: frame rows 16 to 48, columns 16 to 40.
    near = weigh(boxes((1, 1, 31, 24), ious=[0.9]), prompt, window, rule=RULE, frame_size=FRAME)
    output = vote([far, near], prompt, whole(FRAME))
    mask = output.masks_bkhw[0, 1] > 0
    assert mask[12:20, 10:19].all() and not mask[:, 21:].any() and not mask[:7].any()
    assert output.ious_bk[0, 1] == pytest.approx(0.9) and output.mask_tokens_bkc[0, 1, 0] == 0
    assert output.object_score_logits_b.tolist() == pytest.approx([5.0])


def test_an_answer_follows_the_clicks_if_any_mask_does() -> None:
    # Three masks without the second click outweigh one with it, and so does their average.
    prompt = clicks((20, 20), (44, 44), labels=(1, 1))
    output = boxes(*[(8, 8, 14, 14)] * 3, (8, 8, 24, 24), ious=[0.9, 0.9, 0.9, 0.21])
    proposed = weigh(output, prompt, whole(FRAME), rule=replace(RULE, contradicted=0.05), frame_size=FRAME)
    assert proposed.weights_k[:3].sum() > proposed.weights_k[3] > proposed.weights_k[0]
    voted = vote([proposed], prompt, whole(FRAME)).masks_bkhw[0, 1] > 0
    assert contradictions(voted.numpy(), prompt, whole(FRAME)) == 0


def test_the_answer_holds_no_specks_apart_from_the_clicks() -> None:
    output = boxes((8, 8, 24, 24), ious=[0.9])
    output.masks_bkhw[:, :, 28:30, 4:6] = 5.0
    proposed = weigh(output, clicks((32, 32)), whole(FRAME), rule=RULE, frame_size=FRAME)
    clicked = vote([proposed], clicks((32, 32)), whole(FRAME)).masks_bkhw[0, 1] > 0
    assert clicked[8:24, 8:24].all() and clicked.sum() == 16 * 16
    both = clicks((32, 32), (58, 10), labels=(1, 1))
    assert (vote([proposed], both, whole(FRAME)).masks_bkhw[0, 1] > 0).sum() == 16 * 16 + 4


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", [*CONFIGS, "MedSAM2_latest"])
def test_only_the_small_model_votes(name: str, preset: str) -> None:
    # MedSAM2 is Meta's tiny model with an input of 512 pixels of its own.
    own = CONFIGS.get(name) or CONFIGS["sam2.1_hiera_tiny"].with_image_size(512)
    size = PRESETS[preset].input_size(own.image_size)
    with torch.device("meta"):
        model = build_sam2(own.with_image_size(size))
    assert voting_rule(model, make_zoom("auto", size)) == (RULE if name == "sam2_nano" else None)
    assert voting_rule(model, None) is None


def test_the_small_model_votes_with_a_small_input_only() -> None:
    large = load_model("sam2_nano", device="cpu", image_size=544)
    assert voting_rule(large, make_zoom("auto", 544)) is None


def test_a_taught_small_model_votes_too(tmp_path: Path) -> None:
    save_checkpoint(load_model("sam2_nano", device="cpu"), tmp_path / "taught.safetensors")
    taught = load_model(checkpoint=tmp_path / "taught.safetensors", device="cpu")
    assert voting_rule(taught, make_zoom("auto", 384)) == RULE


def test_clicks_on_another_small_input_are_answered_as_the_reference_does(model: Sam2, frames: np.ndarray) -> None:
    looks: list[int] = []
    hook = model.sam_mask_decoder.register_forward_hook(lambda *_: looks.append(1))
    session = Session(model, frames, zoom="auto")
    session.add_points(0, 1, [[20, 30], [24, 33]], [1, 1])
    hook.remove()
    # The whole frame, and the window that its answer asks for: nothing is looked at beside them.
    assert len(looks) <= 2


def test_a_click_finds_a_small_cell_in_a_large_crowd() -> None:
    clip = render_clip(np.random.default_rng(2), SceneSettings(size=(768, 768), n_frames=1, kind="cells"))
    session, overlaps = Session(load_model("sam2_nano", device="cpu"), clip.frames), []
    for number in range(1, 9):
        truth = clip.labels[0] == number
        answer = session.add_points(0, 1000 + number, [deepest_point(truth)], [1])
        overlaps.append(region_similarity(answer.masks[answer.row(1000 + number)], truth))
    # With one close-up, half as wide as the frame, it was 0.18.
    assert np.mean(overlaps) > 0.4


def test_a_correction_brings_back_what_a_click_took_away() -> None:
    # A disc of which the model has seen nothing else; a click off it next to its edge, then one on it.
    nano = load_model("sam2_nano", device="cpu")
    y, x = np.mgrid[:160, :240]
    disc = (y - 80) ** 2 + (x - 100) ** 2 <= 15**2
    frames = np.where(disc, 200, 70).astype(np.uint8)[None]
    session = Session(nano, frames, zoom="auto")
    session.add_points(0, 1, [[80, 100]], [1])
    session.add_points(0, 1, [[80, 122]], [0], replace=False)
    mask = session.add_points(0, 1, [[80, 110]], [1], replace=False).masks[0]
    assert mask[80, 100] and mask[80, 110] and not mask[80, 122]
    assert np.count_nonzero(mask & disc) / np.count_nonzero(mask | disc) > 0.7


def test_a_correction_changes_nothing_far_from_its_click() -> None:
    # Of a leaf's three corrections two also changed some ten per cent of it elsewhere.
    nano = load_model("sam2_nano", device="cpu")
    clip = render_clip(np.random.default_rng(11), SceneSettings(size=(192, 256), n_frames=1, kind="natural"))
    truth = clip.labels[0] == 1
    session = Session(nano, clip.frames, zoom="auto")
    before = session.add_points(0, 1, [first_click(truth)[:2]], [1]).masks[0]
    for _ in range(3):
        click = worst_click(before, truth)
        assert click is not None
        after = session.add_points(0, 1, [click[:2]], [click[2]], replace=False).masks[0]
        for changed in (after & ~before, before & ~after):
            regions, count = label(changed, np.ones((3, 3)))
            for region in (regions == number for number in range(1, count + 1)):
                # Four pixels, somewhat more than the outline's two cells.
                near = np.hypot(*(np.argwhere(region) - click[:2]).T).min() <= 6
                assert near or distance_transform_edt(np.pad(region, 1)).max() <= 4
        before = after


def test_a_denied_mask_goes_and_the_object_is_hidden() -> None:
    output = boxes((8, 8, 24, 24), (8, 8, 24, 22), ious=[0.9, 0.5])
    for places, labels, score, left in (
        ([(32, 32)], (0,), -10.0, False),
        ([(48, 48), (32, 32)], (0, 1), 5.0, True),
    ):
        prompt = clicks(*places, labels=labels)
        proposed = weigh(output, prompt, whole(FRAME), rule=RULE, frame_size=FRAME)
        answer = vote([proposed], prompt, whole(FRAME))
        assert float(answer.object_score_logits_b) == score
        assert bool((answer.masks_bkhw > 0).any()) == left


def test_a_no_in_the_middle_of_a_tracked_mask_sticks() -> None:
    nano = load_model("sam2_nano", device="cpu")
    y, x = np.mgrid[:160, :240]
    frames = np.stack([np.where((y - 80) ** 2 + (x - 100 - 2 * t) ** 2 <= 15**2, 200, 70) for t in range(4)])
    session = Session(nano, frames.astype(np.uint8), zoom="auto")
    session.add_points(0, 1, [[80, 100]], [1])
    list(session.propagate())
    assert session.labels[2].any()
    answer = session.add_points(2, 1, [[80, 104]], [0])
    assert not answer.masks.any() and answer.object_score_logits[0] <= -10
    list(session.update())
    assert not session.labels[2].any() and session.labels[1].any()


def test_a_correction_goes_up_to_the_edges_of_the_picture() -> None:
    # The model is unsure of an outline two cells off; what the frame shows decides.
    y, x = np.mgrid[:32, :32]
    disc = np.hypot(y - 16, x - 16) < 8
    picture = np.where(disc[..., None], np.uint8(150), np.uint8(90)).repeat(3, axis=2)
    output, prompt = boxes((0, 0, 1, 1), ious=[0.9], firm=0.5), clicks((32, 32), (6, 6), labels=(1, 0))
    output.masks_bkhw[:] = torch.from_numpy(np.where(np.hypot(y - 16, x - 16) < 10, 0.5, -0.5)).float()
    proposed = weigh(output, prompt, whole(FRAME), rule=RULE, frame_size=FRAME)
    without, drawn = (vote([proposed], prompt, whole(FRAME), picture=p).masks_bkhw[0, 1] > 0 for p in (None, picture))
    np.testing.assert_array_equal(drawn.numpy(), disc)
    assert without.sum() > 1.4 * disc.sum()


def test_only_corrections_of_what_was_tracked_go_by_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    nano, seen = load_model("sam2_nano", device="cpu"), []
    monkeypatch.setattr(
        click_voting, "spread_clicks", lambda *args, **how: seen.append(args) or spread_clicks(*args, **how)
    )
    clip = render_clip(np.random.default_rng(3), SceneSettings(size=(96, 128), n_frames=3, kind="natural"))
    y, x = first_click(clip.labels[0] == 1)[:2]
    session = Session(nano, clip.frames, zoom="auto")
    session.add_points(0, 1, [[y, x]], [1])
    session.add_points(0, 1, [[y + 2, x]], [1], replace=False)
    list(session.propagate())
    assert not seen
    answer = session.add_points(2, 1, [[y, x]], [1])
    assert seen and answer.masks[0, round(y), round(x)]

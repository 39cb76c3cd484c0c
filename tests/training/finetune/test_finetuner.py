from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_sam2.evaluation.labelled_sequences import read_sequences
from napari_sam2.model.sam2 import Sam2
from napari_sam2.training.finetune.examples import ExampleClips, split_stacks
from napari_sam2.training.finetune.finetuner import LabelledStack, Taught, TeachProgress, TeachSettings, teach
from napari_sam2.training.finetune.steps import Lesson
from napari_sam2.training.run_state import start
from napari_sam2.training.train_settings import TrainSettings
from napari_sam2.weights.load import load_model

FEW = TeachSettings(steps=2, tracks=2, clip_frames=2)


@pytest.fixture(scope="module")
def model() -> Sam2:
    return start(TrainSettings("unused", image_size=64)).model.requires_grad_(False)


def drifting_disks(frames: int = 8) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    y, x = np.mgrid[:48, :56]
    labels = np.zeros((frames, 48, 56), np.uint16)
    for t in range(frames):
        labels[t][(y - 14) ** 2 + (x - 12 - 3 * t) ** 2 < 64] = 7
        labels[t][(y - 34) ** 2 + (x - 40 + 3 * t) ** 2 < 64] = 900
    pixels = np.random.default_rng(0).integers(0, 60, labels.shape) + 120 * (labels > 0)
    return pixels.astype(np.uint8), labels


@pytest.fixture(scope="module")
def disks() -> LabelledStack:
    return LabelledStack(*drifting_disks())


def run(model: Sam2, stacks: list[LabelledStack], settings: TeachSettings) -> tuple[list[TeachProgress], Taught]:
    teaching, heard = teach(model, stacks, settings=settings), []
    while True:
        try:
            heard.append(next(teaching))
        except StopIteration as end:
            return heard, end.value


def weights_of(model: Sam2) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


def changed(before: dict[str, torch.Tensor], model: Sam2) -> set[str]:
    """The parts of the model, by the first word of their names, with a weight that differs."""
    after = model.state_dict()
    assert after.keys() == before.keys()
    return {key.split(".")[0] for key in after if not torch.equal(after[key], before[key])}


def test_the_far_end_is_held_out(disks: LabelledStack) -> None:
    (example,) = split_stacks([disks], 0.25)
    assert (example.training, example.held_out) == (tuple(range(6)), (6, 7))
    assert example.start == 5
    (example,) = split_stacks([LabelledStack(disks.frames, disks.labels, accepted=(5, 0, 1, 2, 1))], 0.5)
    assert (example.training, example.held_out) == ((0, 1), (2, 5))


def test_two_frames_are_left_to_learn_from(disks: LabelledStack) -> None:
    (example,) = split_stacks([LabelledStack(disks.frames, disks.labels, accepted=(0, 1, 2))], 0.9)
    assert (example.training, example.held_out) == ((0, 1), (2,))


def test_what_is_missing_is_said_at_once(model: Sam2, disks: LabelledStack) -> None:
    frames, labels = disks.frames, disks.labels
    with pytest.raises(ValueError, match="2 accepted frames are too few"):
        teach(model, [LabelledStack(frames, labels, accepted=(3, 4))])
    with pytest.raises(ValueError, match="0 accepted frames are too few"):
        teach(model, [])
    with pytest.raises(ValueError, match="shows an object"):
        teach(model, [LabelledStack(frames, np.zeros_like(labels))])
    with pytest.raises(ValueError, match=r"\(8, 40, 56\) do not fit frames of shape \(8, 48, 56\)"):
        teach(model, [LabelledStack(frames, labels[:, :40])])
    with pytest.raises(ValueError, match="float32"):
        teach(model, [LabelledStack(frames, labels.astype(np.float32))])
    with pytest.raises(ValueError, match="99"):
        teach(model, [LabelledStack(frames, labels, accepted=(0, 1, 99))])


@pytest.mark.parametrize(
    ("setting", "value"), [("part", "head"), ("held_out", 1.0), ("minutes", 0.0), ("steps", 0), ("clip_frames", 1)]
)
def test_settings_that_make_no_sense_are_refused(setting: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{setting}="):
        TeachSettings(**{setting: value})


def test_progress_goes_through_the_stages_and_never_back(model: Sam2, disks: LabelledStack) -> None:
    heard, taught = run(model, [disks], FEW)
    stages = [progress.stage for progress in heard]
    assert list(dict.fromkeys(stages)) == ["measuring before", "teaching", "measuring after"]
    shares = [progress.share_done for progress in heard]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert [progress.step for progress in heard if progress.stage == "teaching"] == [1, 2]
    assert heard[0].before is None
    assert heard[-1].before == taught.before["J&F"]
    assert heard[-1].seconds_left == pytest.approx(0)
    assert set(taught.before) == set(taught.after) == {"J", "F", "J&F"}
    assert taught.held_out_frames == ((6, 7),)
    assert taught.helped == (taught.after["J&F"] > taught.before["J&F"])


def test_only_the_part_is_trained_and_the_old_model_stays(model: Sam2, disks: LabelledStack) -> None:
    before = weights_of(model)
    _, taught = run(model, [disks], FEW)
    assert changed(before, model) == set()
    parts = changed(before, taught.model)
    assert {"sam_mask_decoder", "memory_attention", "memory_encoder"} <= parts
    assert "image_encoder" not in parts
    assert not taught.model.training
    assert not any(p.requires_grad for p in taught.model.parameters())


@pytest.mark.parametrize("part", ["adapters", "all"])
def test_the_encoder_learns_with_other_parts(model: Sam2, disks: LabelledStack, part: str) -> None:
    before = weights_of(model)
    settings = TeachSettings(steps=2, tracks=2, clip_frames=2, part=part, held_out=0)
    _, taught = run(model, [disks], settings)
    assert {"image_encoder", "sam_mask_decoder"} <= changed(before, taught.model)
    assert changed(before, model) == set()


def test_steps_and_seed_decide_what_is_learned(model: Sam2, disks: LabelledStack) -> None:
    first, second = (run(model, [disks], FEW)[1].model for _ in range(2))
    assert changed(weights_of(first), second) == set()


def test_clips_follow_small_objects_and_show_large_ones_whole(disks: LabelledStack) -> None:
    def share(side: int) -> float:
        labels = np.zeros((4, 200, 200), np.uint8)
        labels[:, 20 : 20 + side, 30 : 30 + side] = 1
        (example,) = split_stacks([LabelledStack(np.zeros_like(labels), labels)], 0)
        return ExampleClips(example).follow_share

    # 8 x 8 pixels of 200 x 200 cannot be made out, 40 are what a session zooms in on, 120 fill the frame
    assert [share(side) for side in (8, 40, 120)] == [1.0, 0.7, 0.15]
    clips = ExampleClips(split_stacks([disks], 0.25)[0])
    assert clips.ids.tolist() == [7, 900]
    batch = clips.draw(np.random.default_rng(0), frames=3, objects=2, size=64)
    assert batch.frames_btchw.shape == (1, 3, 3, 64, 64)
    assert batch.masks_btnhw.shape == (1, 3, 2, 64, 64)
    assert batch.present_btn[:, 0].all()


def test_specks_cannot_be_learned_from() -> None:
    labels = np.zeros((4, 400, 400), np.uint8)
    labels[:, 200, 200] = 1
    (example,) = split_stacks([LabelledStack(np.zeros_like(labels), labels)], 0)
    with pytest.raises(ValueError, match="too small"):
        ExampleClips(example).draw(np.random.default_rng(0), frames=2, objects=1, size=64)


def test_weights_between_the_old_and_the_taught_ones(model: Sam2, disks: LabelledStack) -> None:
    lesson = Lesson(model, split_stacks([disks], 0.0), FEW)
    lesson.step(0.0)
    old = model.state_dict()
    none, half, all_ = (lesson.learned(share) for share in (0.0, 0.5, 1.0))
    assert all(torch.equal(none[name], old[name]) for name in old)
    assert all(torch.equal(all_[name], value) for name, value in lesson.student.state_dict().items())
    assert all(torch.allclose(half[name], (old[name] + all_[name]) / 2, atol=1e-6) for name in old)


def test_where_all_of_it_does_not_help_half_of_it_is_tried(disks: LabelledStack) -> None:
    # such steps leave nothing of what the model could do
    ruinous = TeachSettings(steps=3, tracks=2, clip_frames=2, learning_rate=50.0)
    heard, taught = run(load_model("sam2_nano", device="cpu"), [disks], ruinous)
    assert not taught.helped
    passes = [round(progress.share_done, 3) for progress in heard if progress.stage == "measuring after"]
    assert passes == [0.917, 0.933, 0.95, 0.967, 0.983, 1.0, 1.0]
    assert taught.learned_share in (0.5, 1.0)


def test_what_is_saved_is_not_rounded(disks: LabelledStack) -> None:
    mixed = load_model("sam2_nano", device="cpu", dtype="mixed")
    _, taught = run(mixed, [disks], TeachSettings(steps=1, tracks=1, clip_frames=2, held_out=0))
    name = "memory_attention.layers.0.linear1.weight"
    kept, full = taught.model.state_dict()[name], taught.in_full().state_dict()[name]
    assert (kept.dtype, full.dtype) == (torch.bfloat16, torch.float32)
    assert torch.equal(full.bfloat16(), kept)
    # rounding is coarser than such a step
    assert not torch.equal(full, kept.float())


def test_closed_halfway_it_changes_nothing(model: Sam2, disks: LabelledStack) -> None:
    before = weights_of(model)
    teaching = teach(model, [disks], settings=FEW)
    while next(teaching).stage != "teaching":
        pass
    teaching.close()
    assert changed(before, model) == set()


def test_no_figures_are_invented(model: Sam2, disks: LabelledStack) -> None:
    short = [LabelledStack(disks.frames[:2], disks.labels[:2]), LabelledStack(disks.frames[2:4], disks.labels[2:4])]
    heard, taught = run(model, short, FEW)
    assert {progress.stage for progress in heard} == {"teaching"}
    assert (taught.before, taught.after, taught.helped) == (None, None, False)
    assert taught.held_out_frames == ((), ())


def test_teaching_works_where_gradients_are_off(model: Sam2, disks: LabelledStack) -> None:
    with torch.inference_mode():
        _, taught = run(model, [disks], TeachSettings(steps=1, tracks=1, clip_frames=2, held_out=0))
    assert changed(weights_of(model), taught.model)


def test_a_half_precision_model_comes_back_as_one(model: Sam2, disks: LabelledStack) -> None:
    half = start(TrainSettings("unused", image_size=64)).model.requires_grad_(False)
    fourier = half.sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix.clone()
    half.bfloat16().sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix = fourier
    _, taught = run(half, [disks], TeachSettings(steps=1, tracks=1, clip_frames=2, held_out=0))
    assert taught.model.dtype == torch.bfloat16
    assert taught.model.sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix.dtype == torch.float32


@pytest.mark.slow
def test_teaching_on_the_first_half_of_real_cells_improves_the_second(data_dir: Path) -> None:
    (cells,) = read_sequences(data_dir, ("ctc_fluo_n2dh_sim01",))
    stack = LabelledStack(cells.stack, cells.labels)
    _, taught = run(load_model("sam2_nano", device="cpu"), [stack], TeachSettings(steps=25, held_out=0.5))
    assert taught.after["J&F"] > taught.before["J&F"] + 0.02
    cells.stack.close()

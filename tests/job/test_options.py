"""The options of a job: the same everywhere they are said."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path

import pytest

from napari_sam2.cli.job_options import add_job_options, job_options
from napari_sam2.job.options import InputOptions, JobOptions, ModelOptions, ResultOptions
from napari_sam2.option_fields import option_names
from napari_sam2.session.tracking.schedule import DIRECTIONS

FILES = {"input": Path("a.tif"), "prompts": Path("a.json"), "output": Path("out")}
SAID = (*option_names(ModelOptions), *option_names(InputOptions), *option_names(JobOptions))
FULL = JobOptions(
    **FILES,
    model=ModelOptions("sam2_nano", None, "cpu", "float32", "fast", 256, "openvino"),
    part=InputOptions("z", 0, (0, 2), ((0, 1), (2, 3)), 1, (1, 2, 3, 4), Fraction(1, 2)),
    direction="both",
    start=3,
    max_frames=4,
    fill_holes=0,
    zoom=2.5,
    memory="gated",
)


def read(*words: str) -> JobOptions:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_job_options(parser)
    return job_options(parser.parse_args(words), stack=FILES["input"], prompts=FILES["prompts"], output=FILES["output"])


@pytest.mark.parametrize(
    "options",
    [
        JobOptions(**FILES),
        FULL,
        replace(FULL, part=InputOptions(channels=(1,)), contrast_limits=(-5, 9.5), zoom="off", direction="outward"),
        replace(FULL, model=ModelOptions(checkpoint=Path("a.pt").resolve())),
    ],
)
def test_words_and_plain_data_say_the_options_again(options: JobOptions) -> None:
    names = [name for name in SAID if name not in ("contrast_limits", "overwrite", "save")]
    assert read(*options.words(*names)) == options
    assert JobOptions.from_plain(options.to_plain()) == options


def test_directions_are_those_of_a_session() -> None:
    (choices,) = (field.metadata["option"]["choices"] for field in fields(JobOptions) if field.name == "direction")
    assert set(choices) == set(DIRECTIONS)


def test_formats_are_the_picture_and_more() -> None:
    assert ResultOptions("both", ("ctc",)).formats == ("gif", "png", "ctc")
    assert read("--overlay", "none", "--export", "ctc,coco").exports == ("ctc", "coco")


@pytest.mark.parametrize("name", [*SAID, *option_names(ResultOptions)])
def test_every_option_is_explained_in_the_documentation(name: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert f"`--{name.replace('_', '-')}" in text or f"segment --{name}" in text or f"`--{name}" in text

"""The command evaluate: report, table and pictures, with the bundled model on rendered clips."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_sam2.cli import main
from napari_sam2.evaluation.evaluate_folder import ABSENCES_FRAMES, generated_sequences
from napari_sam2.evaluation.reports.markdown_tables import markdown_table
from napari_sam2.synthetic import ABSENCES


def test_several_prompts_on_rendered_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--generated", "1", "--prompt", "mask", "click", "--image-size", "128", "--device", "cpu"]
    files = ["--output", "report.json", "--markdown", "table.md", "--calibration", "scores.png", "--pictures", "rows"]
    paths = [word if word.startswith("--") else str(tmp_path / word) for word in files]
    assert main(["evaluate", *words, *paths, "--zoom", "off"]) == 0
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert set(report["prompts"]) == {"mask", "click"}
    assert report["settings"]["image_size"] == 128
    assert report["settings"]["zoom"] == "off"
    assert "optical_flow" in report["prompts"]["mask"]["mean"]
    table = (tmp_path / "table.md").read_text(encoding="utf-8").splitlines()
    assert table[0] == "| sequence | objects | mask: J / F | click: J / F | copied | optical flow |"
    assert len({line.count("|") for line in table}) == 1
    assert (tmp_path / "scores.png").exists()
    with Image.open(tmp_path / "rows" / "generated_000_mask.png") as row:
        assert row.width > 4 * row.height
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<h2>") == 2
    # worst frames, frames from first to last and object scores
    assert page.count("data:image/jpeg;base64,") == 6
    assert "mask prompts: J" in capsys.readouterr().out


def test_rendered_clips_are_the_same_every_time() -> None:
    one, other = (next(generated_sequences(1)) for _ in range(2))
    np.testing.assert_array_equal(one.stack.read(3), other.stack.read(3))
    np.testing.assert_array_equal(one.labels, other.labels)


@pytest.mark.parametrize("words", [[], ["somewhere", "--generated", "2"]])
def test_one_source_of_sequences(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", *words]) == 2
    assert "either a folder of labelled sequences or --generated" in capsys.readouterr().err


def test_scenes_are_rendered(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "somewhere", "--scenes", ABSENCES]) == 2
    assert "--scenes is about rendered clips" in capsys.readouterr().err
    long = next(generated_sequences(1, kind=ABSENCES))
    assert (len(long.labels), sorted(long.objects())) == (ABSENCES_FRAMES, [1, 2])


def test_the_page_does_not_take_the_place_of_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--generated", "1", "--output", str(tmp_path / "report.html")]) == 2
    assert "such as .json" in capsys.readouterr().err


def test_the_table_counts_wins() -> None:
    def pair(j: float, f: float) -> dict[str, float]:
        return {"J": j, "F": f, "J&F": (j + f) / 2}

    sequences = {
        "a": {**pair(0.9, 0.7), "objects": 1, "copied": pair(0.5, 0.5)},
        "b": {**pair(0.2, 0.2), "objects": 3, "copied": pair(0.4, 0.2)},
    }
    report = {"mean": {**pair(0.55, 0.45), "copied": pair(0.45, 0.35)}, "sequences": sequences}
    assert markdown_table({"mask": report}).splitlines() == [
        "| sequence | objects | mask: J / F | copied |",
        "| --- | --- | --- | --- |",
        "| a | 1 | 0.90 / 0.70 | 0.50 / 0.50 |",
        "| b | 3 | 0.20 / 0.20 | 0.40 / 0.20 |",
        "| **mean** |  | **0.55 / 0.45** | **0.45 / 0.35** |",
        "| mean J&F |  | 0.500 | 0.400 |",
        "| better than copied |  | 1 of 2 |  |",
    ]

"""Boxes by text from detectors in folders, and the masks that a session answers them with."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from napari_sam2 import Session
from napari_sam2.data.files.optional_packages import MissingExtraError
from napari_sam2.session.population.text.text_detector import TextBox, TextDetector, load_detector, without_doubles
from small_model import build_small, drifting_textures
from tiny_detectors import save_dino, save_owl

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)


@pytest.fixture(scope="module", params=[save_owl, save_dino], ids=["OWLv2", "Grounding DINO"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers", reason="the extra [text] is not installed")
    return request.param(tmp_path_factory.mktemp("detectors") / "tiny")


def test_boxes_are_found_in_the_image_the_surest_first(folder: Path) -> None:
    found = TextDetector(str(folder)).find(IMAGE, "nucleus, cell")
    assert len(found) > 2
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    for one in found:
        y0, x0, y1, x1 = one.box
        assert 0 <= y0 < y1 <= 60
        assert 0 <= x0 < x1 <= 90
    middle = sorted(one.score for one in found)[len(found) // 2]
    assert {one.score for one in TextDetector(str(folder)).find(IMAGE, "nucleus, cell", middle)} == {
        one.score for one in found if one.score > middle
    }


def test_another_text_is_answered_otherwise(folder: Path) -> None:
    detector = load_detector(str(folder))
    assert load_detector(str(folder)) is detector
    assert detector.find(IMAGE, "nucleus") != detector.find(IMAGE, "polyp")
    with pytest.raises(ValueError, match="say in words"):
        detector.find(IMAGE, " , ")


def test_boxes_become_masks_that_can_be_taken(folder: Path) -> None:
    session = Session(build_small(0, presence=8.0), drifting_textures())
    before = session.undo_name
    found = session.find_by_text(3, "cell", load_detector(str(folder)))
    assert len(found) > 0
    # Nothing is added by looking.
    assert (session.object_ids, session.undo_name) == ((), before)
    ids = session.add_objects(3, found)
    assert ids == tuple(range(1, len(found) + 1))
    drawn = session.labels[3]
    assert all((drawn == number).any() for number in ids)
    session.undo()
    assert session.object_ids == ()


def test_a_folder_of_something_else_is_refused_with_its_name(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the extra [text] is not installed")
    with pytest.raises(ValueError, match=r"there is no folder .*nowhere/at/all"):
        TextDetector("nowhere/at/all")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    with pytest.raises(ValueError, match="is no detector by text"):
        TextDetector(str(tmp_path))


def test_a_pickled_model_is_not_loaded(folder: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    for file in folder.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save(load_file(folder / "model.safetensors"), tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="is no detector by text"):
        TextDetector(str(tmp_path))


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install \"napari-sam2\[text\]\""):
        TextDetector("any")


def test_of_two_boxes_for_one_object_the_surer_stays() -> None:
    one, same, other = TextBox(0.5, (0, 0, 10, 10)), TextBox(0.8, (0, 1, 10, 11)), TextBox(0.3, (0, 8, 10, 18))
    assert without_doubles([one, same, other]) == [same, other]

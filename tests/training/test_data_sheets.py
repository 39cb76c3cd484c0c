from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from napari_sam2.training.data_sheets import write_data_sheets
from napari_sam2.training.train_settings import TrainSettings


def write_still(folder: Path, *, origin: str) -> None:
    (folder / "frames").mkdir(parents=True)
    (folder / "labels").mkdir()
    labels = np.zeros((48, 64), np.uint16)
    labels[10:40, 12:50] = 1
    Image.fromarray(np.full((48, 64), 90, np.uint8)).save(folder / "frames" / "a.png")
    Image.fromarray(labels).save(folder / "labels" / "a.png")
    (folder / "meta.json").write_text(json.dumps({"axis": "still", "original": origin}), encoding="utf-8")


def test_every_origin_has_its_picture(tmp_path: Path) -> None:
    for name, origin in (("one", "camera"), ("two", "camera"), ("three", "scanner"), ("none", "web")):
        write_still(tmp_path / "images" / name, origin=origin)
    data = ("generated", str(tmp_path / "images"))
    written = write_data_sheets(TrainSettings("", data=data, without=("none",), image_size=64), tmp_path / "sheets")
    assert sorted(path.name for path in written) == ["one_stills.png", "three_stills.png"]
    with Image.open(written[0]) as sheet:
        assert sheet.size == (6 * 192, 4 * 192)
        assert len(sheet.getcolors(maxcolors=10**6)) > 50

"""Tracks of other programs become objects of a session, with who came from whom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from drawn_discs import disc
from napari_sam2 import Session
from napari_sam2.model.sam2 import Sam2

SIZE = (48, 56)


def test_a_session_takes_tracks_with_their_lineage_in_one_step(model: Sam2, frames: np.ndarray, tmp_path: Path) -> None:
    discs = {1: disc(20, 20, 8, SIZE), 2: disc(20, 13, 5, SIZE), 3: disc(20, 27, 5, SIZE)}
    for t in range(4):
        image = sum(label * discs[label] for label in ((1,) if t < 2 else (2, 3)))
        tifffile.imwrite(tmp_path / f"mask{t:03}.tif", np.asarray(image, np.uint16))
    (tmp_path / "res_track.txt").write_text("1 0 1 0\n2 2 3 1\n3 2 3 1\n", encoding="utf-8")
    session = Session(model, frames)
    session.add_mask(0, 1, disc(40, 46, 3, SIZE))
    assert session.take_tracks(tmp_path) == (2, 3, 4)
    assert session.parents == {3: 2, 4: 2}
    assert session.lineage.set_index("object")["end"].to_dict()[2] == 1
    np.testing.assert_array_equal(session.labels[3] == 3, discs[2])
    assert session.undo_name == "Take tracks"
    session.undo()
    assert session.object_ids == (1,)

"""NumPy's files of several arrays as stacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_sam2.data import Selection, open_stack
from napari_sam2.data.prompts.label_image import read_label_prompts

FRAMES = np.random.default_rng(0).integers(0, 60000, (3, 12, 16)).astype(np.uint16)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_one_array(tmp_path: Path, save) -> None:
    save(tmp_path / "one.npz", FRAMES)
    with open_stack(tmp_path / "one.npz") as stack:
        np.testing.assert_array_equal(stack.read(2), FRAMES[2])


def test_one_of_several(tmp_path: Path) -> None:
    labels = np.zeros(FRAMES.shape, np.uint8)
    labels[1, 2:6, 3:9] = 4
    np.savez(tmp_path / "two.npz", raw=FRAMES, labels=labels)
    with pytest.raises(ValueError, match=r"two.npz holds 2 series: 0 \(raw\), 1 \(labels\): choose one \(--series\)"):
        open_stack(tmp_path / "two.npz")
    with open_stack(tmp_path / "two.npz", selection=Selection(series="raw")) as stack:
        np.testing.assert_array_equal(stack.read(0), FRAMES[0])
    np.savez(tmp_path / "labels.npz", labels=labels)
    (prompt,) = read_label_prompts(tmp_path / "labels.npz")
    assert (prompt.frame, prompt.object_id) == (1, 4)


def test_files_that_hold_no_stack(tmp_path: Path) -> None:
    np.savez(tmp_path / "words.npz", np.array(["no", "image"]))
    with pytest.raises(ValueError, match=r"words.npz holds <U5 of shape \(2,\), which is no stack of images"):
        open_stack(tmp_path / "words.npz")
    np.savez(tmp_path / "objects.npz", np.array([{}, None]))
    with pytest.raises(ValueError, match=r"objects.npz cannot be read as a NumPy file"):
        open_stack(tmp_path / "objects.npz")
    np.savez(tmp_path / "cut.npz", FRAMES)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "cut.npz").read_bytes()[:500])
    with pytest.raises(ValueError, match=r"cut.npz cannot be read as a NumPy file"):
        open_stack(tmp_path / "cut.npz")

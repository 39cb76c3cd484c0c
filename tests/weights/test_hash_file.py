from __future__ import annotations

import hashlib
import os
from pathlib import Path

from napari_sam2.weights.hash_file import hash_file


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"first")
    assert hash_file(path) == hashlib.sha256(b"first").hexdigest()
    path.write_bytes(b"other")
    os.utime(path, (1, 1))
    assert hash_file(path) == hashlib.sha256(b"other").hexdigest()

"""``napari-sam2 package``: what it asks for before a minute of work."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_sam2.cli import main


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["sam2_nano", "--output", "model.tar"], "ends in .zip"),
        (["mine.pt", "--output", "model.zip"], "--licence CC-BY-4.0"),
        (["mine.pt", "--licence", "CC-BY-4.0", "--output", "model.zip"], "who stands for the package"),
        (["sam2.1_hiera_tiny", "--output", "model.zip"], "who stands for the package"),
        (["sam2_nano", "--licence", "MIT", "--output", "model.zip"], "has the licence BSD-3-Clause"),
    ],
)
def test_what_is_missing_is_asked_for(
    words: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["package", *words]) == 2
    assert complaint in capsys.readouterr().err
    assert not list(tmp_path.iterdir())

"""Make the pictures of docs/gallery.md: every example is run, and makes its own.

Run it from anywhere, with names of examples to make those alone::

    .venv/bin/python scripts/make_gallery.py [NAME ...]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "images" / "gallery"
# Outlines, texts and cells: few colours, and the page loads at once.
COLOURS = 128


def main(names: list[str]) -> None:
    """Run the examples that make a picture."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for script in sorted((ROOT / "examples").glob("*.py")):
        # The name of the picture is that of the example.
        if f"{script.stem}.png" not in script.read_text(encoding="utf-8") or (names and script.stem not in names):
            continue
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, str(script), str(Path(folder, "made"))], check=True)
            (made,) = Path(folder).rglob(f"{script.stem}.png")
            picture = Image.open(made).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
            picture.save(PICTURES / made.name, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])

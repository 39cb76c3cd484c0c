"""Draw the rooms of docs/architecture.md, and who may import whom: ``python scripts/make_rooms.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "rooms.svg"
# Row and column from the upper left, and what is in it.
ROOMS = {
    "cli": (0, 1, "the command"),
    "plugin": (0, 2, "the widget in napari"),
    "batch": (1, 0, "many stacks"),
    "job": (2, 0, "one stack, files to files"),
    "training": (2, 2, "train, teach"),
    "remote": (3, 0, "a model on a worker of Dask"),
    "storage": (3, 1, "session folders"),
    "evaluation": (3, 2, "J, F, baselines, reports"),
    "backends": (3, 3, "OpenVINO, ONNX, bioimage.io"),
    "session": (4, 1, "tracking, prompting, results"),
    "weights": (4, 2, "catalogue, download, loading"),
    "synthetic": (4, 3, "drawn scenes, samples"),
    "data": (5, 1, "images, labels, formats"),
    "model": (5, 2, "SAM 2: torch, no files"),
}
# Each may import these, and what they may import.
ARROWS = {
    "cli": ("batch", "training"),
    "plugin": ("training",),
    "batch": ("job",),
    "job": ("storage",),
    "training": ("storage", "evaluation"),
    "remote": ("session", "weights"),
    "storage": ("session", "weights"),
    "evaluation": ("session", "weights", "synthetic"),
    "backends": ("weights", "synthetic"),
    "session": ("data", "model"),
    "weights": ("data", "model"),
}
WIDTH, HEIGHT, PITCH_X, PITCH_Y, MARGIN = 190, 52, 220, 116, 25
# How far apart arrows are that end or begin at the same room.
PORTS = 36


def left_top(room: str) -> tuple[int, int]:
    """Where a room's box begins."""
    row, column, _ = ROOMS[room]
    return MARGIN + column * PITCH_X, MARGIN + row * PITCH_Y


def port(room: str, other: str, others: list[str]) -> float:
    """Where along a room's edge the arrow to or from another begins or ends: in the order of where they lie."""
    ordered = sorted(others, key=lambda one: (ROOMS[one][1], ROOMS[one][0]))
    return left_top(room)[0] + WIDTH / 2 + (ordered.index(other) - (len(ordered) - 1) / 2) * PORTS


def arrows() -> Iterator[str]:
    """The arrows, each a curve that leaves and arrives upright."""
    for upper, lowers in ARROWS.items():
        for lower in lowers:
            uppers = [one for one, ends in ARROWS.items() if lower in ends]
            x0, y0 = port(upper, lower, list(lowers)), left_top(upper)[1] + HEIGHT
            x1, y1 = port(lower, upper, uppers), left_top(lower)[1] - 1
            bend = (PITCH_Y - HEIGHT) // 2
            yield (
                f'  <path d="M{x0:g} {y0}C{x0:g} {y0 + bend} {x1:g} {y1 - bend} {x1:g} {y1}" fill="none" '
                'stroke="#455a64" stroke-width="1.5" marker-end="url(#tip)"/>'
            )


def boxes() -> Iterator[str]:
    """The rooms: those that a user meets, the others, and those that know of no other."""
    for room, (_, _, text) in ROOMS.items():
        x, y = left_top(room)
        fill, edge = ("#fff3d6", "#b7791f") if room in ("cli", "plugin") else ("#d7f0ec", "#00897b")
        if room not in ARROWS:
            fill, edge = "#ffffff", "#78909c"
        middle = x + WIDTH // 2
        yield f'  <rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{fill}" stroke="{edge}"/>'
        yield f'  <text x="{middle}" y="{y + 22}" font-size="14" font-weight="bold" fill="#102a2a">{room}</text>'
        yield f'  <text x="{middle}" y="{y + 40}" font-size="11" fill="#37474f">{text}</text>'


def picture() -> str:
    """The whole picture."""
    width = 2 * MARGIN + 3 * PITCH_X + WIDTH
    height = 2 * MARGIN + 5 * PITCH_Y + HEIGHT
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"',
        '  font-family="sans-serif" text-anchor="middle">',
        "  <title>The folders of the package, and which may import which</title>",
        '  <defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">',
        '    <path d="M0 0L8 4L0 8z" fill="#455a64"/></marker></defs>',
        f'  <rect width="{width}" height="{height}" rx="10" fill="#f4f7f7"/>',
    ]
    return "\n".join([*head, *arrows(), *boxes(), "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")

"""The HTML page beside a report: the worst sequences first, each with its worst frames and the curves of its scores."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from napari_sam2.data.labels.scores import ScoreRow, ScoreTable
from napari_sam2.data.pictures.score_chart import ScoreChart
from napari_sam2.evaluation.grading import Masks
from napari_sam2.evaluation.labelled_sequences import LabelledSequence

from .contact_sheets import draw_sheet, frame_accuracy, spread_frames, worst_frames

_STYLE = (
    "body{font:15px sans-serif;margin:2em;color:#3c4046;max-width:2600px}"
    "img{display:block;max-width:100%;margin:.4em 0} pre{white-space:pre-wrap} h2{margin-top:2em}"
)
_LEGEND = "Thin white: the truth. Coloured: the answer. J is the mean over the objects of a frame."
_CHART_WIDTH = 900


@dataclass(frozen=True)
class PageEntry:
    """What the page shows of one sequence."""

    name: str
    # J&F, by which the entries are ordered.
    accuracy: float
    worst: Image.Image
    spread: Image.Image
    # Object scores over the frames.
    scores: Image.Image | None = None


def make_entry(
    name: str,
    sequence: LabelledSequence,
    masks: Masks,
    *,
    accuracy: float,
    scores: Mapping[tuple[int, int], float] | None = None,
) -> PageEntry:
    """Draw what the page shows of one sequence, before it is closed; ``scores`` by (frame, object id)."""
    by_frame = frame_accuracy(sequence, masks)
    captions = {t: f"J {j:.2f}" for t, j in by_frame.items()}
    frames, evenly = worst_frames(by_frame), spread_frames(sequence)
    worst = draw_sheet(sequence, masks, frames=frames, captions=captions, title="worst frames")
    spread = draw_sheet(sequence, masks, frames=evenly, captions=captions, title="from first to last")
    return PageEntry(name, accuracy, worst, spread, _chart(sequence, scores) if scores else None)


def _chart(sequence: LabelledSequence, scores: Mapping[tuple[int, int], float]) -> Image.Image:
    table = ScoreTable(ScoreRow(t, i, score, float("nan")) for (t, i), score in scores.items())
    frames, name = range(len(sequence.labels)), "slice" if sequence.axis == "z" else "frame"
    return ScoreChart(table, frames, name, _CHART_WIDTH).draw()


@dataclass
class Page:
    """Gathers entries and writes them."""

    entries: list[PageEntry] = field(default_factory=list)

    def write(self, path: Path, *, title: str, table: str) -> None:
        """Write the page, its pictures inside."""
        # The worst first: they are what one looks for.
        parts = [f"<h1>{html.escape(title)}</h1>", f"<pre>{html.escape(table)}</pre>", f"<p>{_LEGEND}</p>"]
        for entry in sorted(self.entries, key=lambda entry: entry.accuracy):
            parts += [f"<h2>{html.escape(entry.name)}: J&amp;F {entry.accuracy:.2f}</h2>"]
            parts += [_embed(picture) for picture in (entry.worst, entry.spread, entry.scores) if picture is not None]
        head = f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        body = "\n".join(parts)
        path.write_text(f"{head}<style>{_STYLE}</style></head><body>{body}</body></html>\n", encoding="utf-8")


def _embed(picture: Image.Image) -> str:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=85)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}">'

"""What lies in ``benchmarks/results``, as tables and pictures of the documentation."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from napari_sam2.benchmark.report import describe_host, markdown_table

DOCS = Path(__file__).parents[1] / "docs"
SHORT = {"nano": "sam2_nano", "tiny": "sam2.1_hiera_tiny"}
COLUMNS = tuple((short, preset) for short in SHORT for preset in ("exact", "balanced", "fast"))
COMPARED = {
    f"peer-{objects}{run}": f"{objects} object{'s' * (objects > 1)}"
    for objects, runs in ((1, ("", "-openvino")), (3, ("", "-openvino")), (10, ("-float32", "-bfloat16", "-openvino")))
    for run in runs
}
MEMORY = {
    "memory-1-off": "1 object",
    "memory-1-auto": "1 object, zoom",
    "memory-10-off": "10 objects",
    "memory-10-auto": "10 objects, zoom",
}
NOTHING = "-"


def load(folder: Path, name: str) -> dict[str, Any] | None:
    """What a part has measured, if it was."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def write_document(folder: Path) -> None:
    """Replace what stands between the marks of the documents, and draw the pictures."""
    tables = {"stages": stages, "tracking": tracking, "comparison": comparison, "growth": growth, "machine": machine}
    tables |= {"presets": presets, "long stack": long_stack}
    for path in (DOCS / "performance.md", DOCS / "memory.md"):
        text = path.read_text(encoding="utf-8")
        for name, table in tables.items():
            text = _fill(text, name, table(folder))
        path.write_text(text, encoding="utf-8")
    draw_growth(folder, DOCS / "images" / "growth.png")
    draw_frames(folder, DOCS / "images" / "growth-frames.png")
    draw_long(folder, DOCS / "images" / "memory-10000.png")


def _fill(text: str, name: str, content: str) -> str:
    begin, end = f"<!-- {name}: written by benchmarks/refresh.py -->", f"<!-- end of {name} -->"
    between = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    return between.sub(lambda _: f"{begin}\n\n{content}\n\n{end}", text)


# Tables


def machine(folder: Path) -> str:
    """The machine and the versions, of every part that says."""
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    hosts = {describe_host(report["machine"]) for report in reports if "machine" in report}
    return "\n".join(f"- {host}" for host in sorted(hosts))


def stages(folder: Path) -> str:
    """Milliseconds of each step, a column for each model and preset."""
    found = {column: load(folder, "-".join(column)) for column in COLUMNS}
    times = {
        column: {stage["name"]: f"{1e3 * stage['seconds']:.1f}" for stage in report["stages"]}
        for column, report in found.items()
        if report is not None
    }
    names = list(dict.fromkeys(name for column in times.values() for name in column))
    # Attention by number of memories, fewest first, with what comes before and after it where it was.
    head = ("ms, one object", *(f"{short} {preset}" for short, preset in times))
    return markdown_table(head, [(name, *(t.get(name, NOTHING) for t in times.values())) for name in _sorted(names)])


def _sorted(names: Sequence[str]) -> list[str]:
    attention = sorted((name for name in names if "attention" in name), key=lambda name: re.findall(r"\d+", name)[0])
    others = [name for name in names if name not in attention]
    return [*others[:1], *attention, *others[1:]]


def tracking(folder: Path) -> str:
    """Whole frames."""
    rows = []
    for short, preset in COLUMNS:
        report = load(folder, f"{short}-{preset}")
        for one in report["tracking"] if report else ():
            speed = f"{one['frames_per_second']:.2f}", f"{one['object_frames_per_second']:.2f}"
            about = report["model"]
            kind = f"{SHORT[short]}, {preset} ({about['image_size']} px, {about['dtype']})"
            size = f"{one['peak_bytes'] / 1e6:.0f}", f"{one['estimated_bytes'] / 1e6:.0f}"
            rows.append((kind, str(one["objects"]), f"{1e3 * one['seconds']:.0f}", *speed, *size))
    return markdown_table(
        ("model", "objects", "ms a frame", "frames/s", "object frames/s", "peak MB", "estimated MB"), rows
    )


def comparison(folder: Path) -> str:
    """Seconds of a frame beside transformers', and how many times as fast."""
    rows = []
    for part, objects in COMPARED.items():
        report = load(folder, part)
        for name, figures in report["compared"].items() if report else ():
            ratios = [figures.get(f"over transformers {dtype}") for dtype in ("float32", "bfloat16")]
            shown = (NOTHING if ratio is None else f"{ratio:.2f}" for ratio in ratios)
            rows.append((f"{objects}: {name}", f"{figures['seconds']:.2f}", *shown))
    return markdown_table(("", "s a frame", "times transformers float32", "times transformers bfloat16"), rows)


def presets(folder: Path) -> str:
    """Presets beside each other, and what the CPU was found to be quick at."""
    rows = []
    for short, name in SHORT.items():
        for row in (load(folder, f"presets-{short}") or {"rows": []})["rows"]:
            speeds = (f"{row['presets'][preset]['over exact']:.2f}" for preset in ("balanced", "fast"))
            seconds = f"{1e3 * row['presets']['exact']['seconds']:.0f}"
            rows.append((name, row["processor"], *speeds, row["presets"]["balanced"]["dtype"], seconds))
    return markdown_table(
        ("model", "instructions", "balanced, times exact", "fast, times exact", "chosen", "exact, ms a frame"), rows
    )


def growth(folder: Path) -> str:
    """Memory over 2,000 frames: beyond the labels, in MB."""
    rows = []
    for part, name in MEMORY.items():
        report = load(folder, part)
        if report is not None:
            beyond = {frame: (taken - labels) / 1e6 for frame, taken, labels in report["curve"]}
            last = max(beyond)
            at = (f"{beyond[frame]:.0f}" for frame in (200, 400, 1000, last))
            labels = report["curve"][-1][2] / 1e6
            rows.append((name, *at, f"{beyond[last] - beyond[200]:.0f}", f"{labels:.1f}"))
    return markdown_table(("MB", "frame 200", "400", "1,000", "2,000", "growth from 200 on", "labels"), rows)


def long_stack(folder: Path) -> str:
    """The picture of ten thousand frames, and what it says in numbers."""
    report = load(folder, "long_stack")
    if report is None:
        return "Not measured on this machine."
    beyond = {point["frame"]: (point["bytes"] - point["labels"]) / 1e6 for point in report["points"]}
    early = next((frame for frame in beyond if frame >= 500), 0)
    last = report["points"][-1]
    said = (
        f"{beyond[early]:.0f} MB beyond the labels at frame {early}, "
        f"{beyond[last['frame']]:.0f} MB at frame {last['frame']}; "
        f"{last['labels'] / 1e6:.1f} MB of labels; IoU with the true discs at the end {last['iou']:.2f}; "
        f"{last['seconds'] / 60:.0f} minutes with one thread."
    )
    return f"![Memory over ten thousand frames](images/memory-10000.png)\n\n{said}"


# Pictures


def _figure(columns: int, rows: int = 1) -> tuple[Figure, list[list[Axes]]]:
    figure = Figure(figsize=(4 * columns, 3 * rows), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _dress(axes: Axes, x: str, y: str) -> None:
    axes.set(xlabel=x, ylabel=y)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if len(axes.lines) > 1:
        axes.legend(frameon=False)


def draw_growth(folder: Path, picture: Path) -> None:
    """Time and memory by number of objects, side of the input, side of the frames."""
    panels = (
        ("objects, sam2_nano", "objects", {"whole frame": "objects", "windows (zoom)": "objects-zoom"}),
        ("model input, pixels", "input", {"sam2_nano": "input-nano", "sam2.1_hiera_tiny": "input-tiny"}),
        ("frame, pixels, sam2_nano", "side", {"sam2_nano": "frame-size"}),
    )
    figure, axes = _figure(len(panels), 2)
    for column, (title, x, parts) in enumerate(panels):
        for name, part in parts.items():
            points = (load(folder, part) or {"points": []})["points"]
            if not points:
                continue
            at = [point[x] for point in points]
            axes[0][column].plot(at, [1e3 * point["seconds"] for point in points], "o-", label=name)
            axes[1][column].plot(at, [point["bytes"] / 1e6 for point in points], "o-", label=name)
        _dress(axes[0][column], title, "ms a frame")
        _dress(axes[1][column], title, "peak memory, MB")
    figure.savefig(picture)


def draw_frames(folder: Path, picture: Path) -> None:
    """Time and memory over the frames of a run."""
    figure, ((times, sizes),) = _figure(2)
    for part, name in {"frames-1": "1 object", "frames-3": "3 objects"}.items():
        points = (load(folder, part) or {"points": []})["points"]
        if points:
            times.plot([p["frame"] for p in points], [1e3 * p["seconds"] for p in points], label=name)
    for part, name in MEMORY.items():
        curve = (load(folder, part) or {"curve": []})["curve"]
        if curve:
            sizes.plot([p[0] for p in curve], [(p[1] - p[2]) / 1e6 for p in curve], label=name)
    _dress(times, "frame", "ms a frame")
    _dress(sizes, "frame", "MB beyond the labels")
    figure.savefig(picture)


def draw_long(folder: Path, picture: Path) -> None:
    """Memory over ten thousand frames."""
    report = load(folder, "long_stack")
    if report is None:
        return
    figure, ((axes,),) = _figure(1)
    figure.set_size_inches(9, 3)
    points = report["points"]
    at = [point["frame"] for point in points]
    axes.plot(at, [point["bytes"] / 1e6 for point in points], label="all")
    axes.plot(at, [(point["bytes"] - point["labels"]) / 1e6 for point in points], label="without labels")
    axes.axvline(report["cancelled_at"], color="grey", linestyle=":", label="cancelled and continued")
    _dress(axes, "frame", "memory, MB")
    figure.savefig(picture)

"""Reports of measurements: text, Markdown, JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from .suite import Measurements

STAGE_HEAD = ("step, one object", "ms")
TRACKING_HEAD = ("objects", "ms a frame", "frames/s", "object frames/s", "peak memory, MB", "estimated, MB")


def stage_rows(measured: Measurements) -> list[tuple[str, ...]]:
    """Steps of a frame and their milliseconds."""
    return [(stage.name, f"{1e3 * stage.seconds:.1f}") for stage in measured.stages]


def tracking_rows(measured: Measurements) -> list[tuple[str, ...]]:
    """A row for each number of objects."""
    return [
        (
            str(one.objects),
            f"{1e3 * one.seconds:.0f}",
            f"{one.frames_per_second:.2f}",
            f"{one.object_frames_per_second:.2f}",
            f"{one.peak_bytes / 1e6:.0f}",
            f"{one.estimated_bytes / 1e6:.0f}",
        )
        for one in measured.tracking
    ]


def describe_model(measured: Measurements) -> str:
    """Name the model and how it ran, in a line."""
    about = measured.model
    parts = (
        f"{about['name']} with {about['weights']} weights",
        f"preset {about['preset']}",
        f"{about['image_size']} px input",
        about["dtype"],
        f"{about['device']} ({about['backend']})",
        f"frames of {measured.side} x {measured.side}",
    )
    return ", ".join(parts)


def describe_choices(measured: Measurements) -> list[str]:
    """Say what was chosen and why, a line for each: number type, threads, backend."""
    about = measured.model
    backend = "PyTorch unless asked for another" if about["backend"] == "auto" else "asked for"
    return [
        f"arithmetic: {about['dtype']}; {about['dtype_reason']}",
        f"threads: {about['threads']}; {about['threads_reason']}",
        f"backend: {about['backend']}; {backend}",
    ]


def describe_host(machine: dict[str, Any]) -> str:
    """Name the machine and the versions, in a line."""
    gpu = f", {machine['gpu']}" if "gpu" in machine else ""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (
        f"{machine['processor']} ({machine['instructions']}), {machine['cores']} cores, {machine['threads']} threads, "
        f"{machine['memory_gb']} GB{gpu}; {machine['system']}, Python {machine['python']}, {versions}"
    )


def as_text(measured: Measurements) -> str:
    """Tables for a terminal."""
    tables = (_columns(STAGE_HEAD, stage_rows(measured)), _columns(TRACKING_HEAD, tracking_rows(measured)))
    head = (describe_model(measured), *describe_choices(measured), describe_host(measured.machine))
    return "\n\n".join(("\n".join(head), *tables))


def as_markdown(measured: Measurements) -> str:
    """Tables for a document."""
    tables = (
        markdown_table(STAGE_HEAD, stage_rows(measured)),
        markdown_table(TRACKING_HEAD, tracking_rows(measured)),
    )
    about, host = describe_model(measured), describe_host(measured.machine)
    choices = "\n".join(f"- {line}" for line in describe_choices(measured))
    return "\n\n".join((f"{about}.", choices, *tables, f"{host}.")) + "\n"


def as_json(measured: Measurements) -> dict[str, Any]:
    """Everything, unrounded, for a file."""
    report = asdict(measured)
    for row, one in zip(report["tracking"], measured.tracking, strict=True):
        row["frames_per_second"] = one.frames_per_second
        row["object_frames_per_second"] = one.object_frames_per_second
    return report


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with its numbers to the right."""
    marks = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, marks, *rows))


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (head, *rows)
    )
    return "\n".join(lines)

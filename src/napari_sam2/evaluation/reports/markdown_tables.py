"""Reports of evaluations as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BASELINE_NAMES = {"copied": "copied", "optical_flow": "optical flow"}


def markdown_table(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay out the reports of several prompts, the first with the baselines, as a table of J / F by sequence."""
    first = next(iter(reports.values()))
    rivals = [name for name in BASELINE_NAMES if name in first["mean"]]
    head = ["sequence", "objects", *(f"{prompt}: J / F" for prompt in reports), *(BASELINE_NAMES[r] for r in rivals)]
    rows = [head, ["---"] * len(head)]
    # A row for each sequence that any of the prompts was measured on, in the first one's order.
    measured: dict[str, Mapping[str, Any]] = {}
    for report in reports.values():
        measured = {**report["sequences"], **measured}
    for name, one in measured.items():
        own = [j_and_f(report["sequences"].get(name)) for report in reports.values()]
        rows.append(
            [name, str(one["objects"]), *own, *(j_and_f(first["sequences"].get(name, {}).get(r)) for r in rivals)]
        )
    # Means, and how often the model beats each baseline.
    means = [*(report["mean"] for report in reports.values()), *(first["mean"][r] for r in rivals)]
    rows.append(["**mean**", "", *(f"**{j_and_f(mean)}**" for mean in means)])
    rows.append(["mean J&F", "", *(f"{mean['J&F']:.3f}" for mean in means)])
    for rival in rivals:
        better = [_better(report, first, rival) for report in reports.values()]
        rows.append([f"better than {BASELINE_NAMES[rival]}", "", *better, *([""] * len(rivals))])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _better(report: Mapping[str, Any], first: Mapping[str, Any], rival: str) -> str:
    rivals = {name: one[rival]["J&F"] for name, one in first["sequences"].items() if rival in one}
    pairs = [(report["sequences"][name]["J&F"], other) for name, other in rivals.items()]
    return f"{sum(own > other for own, other in pairs)} of {len(pairs)}"


def j_and_f(figures: Mapping[str, float] | None) -> str:
    """Write J and F with two digits; nothing where they are not known."""
    return "" if figures is None else f"{figures['J']:.2f} / {figures['F']:.2f}"


def interactive_table(report: Mapping[str, Any]) -> str:
    """Lay out the report of `evaluate_interactively` as a table of J&F by sequence and number of clicked frames."""
    rounds = report["interactive"]["rounds"]
    goals = list(report["mean"]["frames_until"])
    head = ["sequence", "objects", *map(str, range(1, rounds + 1)), *(f"frames until {goal}" for goal in goals)]
    rows = [head, ["---"] * len(head)]
    for name, one in [*report["sequences"].items(), ("**mean**", report["mean"])]:
        reached = [str(one["frames_until"][goal] or "not reached") for goal in goals]
        rows.append([name, str(one.get("objects", "")), *(f"{r['J&F']:.3f}" for r in one["rounds"]), *reached])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def graded_table(report: Mapping[str, Any]) -> str:
    """Lay out graded results as a table of J, F and J&F by result and object."""
    rows = [["result", "object", "label", "J", "F", "J&F"], ["---"] * 6]
    for name, one in report["results"].items():
        for object_id, figures in one["objects"].items():
            label = "none" if figures["label"] is None else str(figures["label"])
            rows.append([name, str(object_id), label, *_three(figures)])
    rows.append(["**mean**", "", "", *_three(report["mean"])])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _three(figures: Mapping[str, float]) -> list[str]:
    return [f"{figures[key]:.3f}" for key in ("J", "F", "J&F")]


def finding_table(report: Mapping[str, Any]) -> str:
    """Lay out the report of `evaluate_finding` as a table by sequence."""
    rows = [["sequence", "objects", "recall", "precision", "clicked"], ["---"] * 5]
    for name, one in [*report["sequences"].items(), ("**mean**", report["mean"])]:
        figures = (f"{one[key]:.2f}" for key in ("recall", "precision", "on_object"))
        rows.append([name, f"{one['objects']:.0f}", *figures])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)

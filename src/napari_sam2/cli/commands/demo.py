"""``napari-sam2 demo``: tracking of generated samples of each kind, measured against the truth."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.cli.exit_status import EXIT_INTERRUPTED
from napari_sam2.cli.job import run_job
from napari_sam2.cli.job_options import add_model_options, model_options
from napari_sam2.cli.outcome import done_line, stopped_line
from napari_sam2.cli.viewer import show_results, why_no_viewer
from napari_sam2.job.options import JobOptions, ModelOptions
from napari_sam2.job.output_folder import LABELS, PROMPTS
from napari_sam2.job.run_stack import JobReport

if TYPE_CHECKING:
    from napari_sam2.synthetic.samples import Sample

SUMMARY = "track generated samples of each kind and look at the results"

_DESCRIPTION = """\
Track the objects of three generated samples: cells in time, a z-stack and an endoscope video.

For each, a folder gets the stack, the prompts, labels.tif, scores.csv, session.json and an overlay as GIF and PNG.
The mean overlap (IoU) with the known truth is printed. Where there is a screen, napari opens.
"""
_EXAMPLES = """\
examples:
  napari-sam2 demo
  napari-sam2 demo --no-viewer --output samples
"""


@dataclass(frozen=True)
class Overlap:
    """How well an object was tracked."""

    # Its label.
    object_id: int
    # Intersection over union with the truth, averaged over the frames where either has the object.
    iou: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXAMPLES
    output = "folder for the results (default %(default)s)"
    parser.add_argument("--output", type=Path, default=Path("demo-output"), metavar="DIR", help=output)
    parser.add_argument("--no-viewer", action="store_true", help="do not open napari")
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Track the samples, print what came out and open napari; returns the exit status."""
    from napari_sam2.synthetic.samples import SAMPLES, make_sample

    for name in SAMPLES:
        sample = make_sample(name)
        report = run_sample(sample, args.output / name, model_options(args))
        # Ctrl-C ends the whole demo, not one sample of it.
        if not report.complete:
            print(stopped_line(report), file=sys.stderr)
            return EXIT_INTERRUPTED
        print(f"{name}: {done_line(report)}")
        overlaps = measure(sample, report.folder)
        each = ", ".join(f"object {one.object_id}: {one.iou:.2f}" for one in overlaps)
        print(f"  mean IoU {sum(one.iou for one in overlaps) / len(overlaps):.2f} ({each})")
    return _show([args.output / name for name in SAMPLES], no_viewer=args.no_viewer)


def run_sample(sample: Sample, folder: Path, model: ModelOptions) -> JobReport:
    """Write a sample and its prompts to a folder and track it there, as a user would."""
    from napari_sam2.data.prompts.prompt import Prompt, write_prompts

    stack = folder / f"{sample.name}.tif"
    _write_stack(sample, stack)
    prompts = (
        Prompt(one["frame"], one["object"], one.get("points"), one.get("labels"), one.get("box"))
        for one in sample.prompts
    )
    write_prompts(folder / PROMPTS, prompts)
    job = JobOptions(stack, folder / PROMPTS, folder, model, exports=("gif", "png"), overwrite=True)
    return run_job(job)


def measure(sample: Sample, folder: Path) -> list[Overlap]:
    """Compare the labels in a folder with the truth."""
    import numpy as np
    import tifffile

    found = tifffile.imread(folder / LABELS)
    overlaps = []
    for object_id in sorted({prompt["object"] for prompt in sample.prompts}):
        mask, truth = found == object_id, sample.labels == object_id
        # Frames without the object on either side say nothing about overlap and are left out.
        both, either = (mask & truth).sum(axis=(1, 2)), (mask | truth).sum(axis=(1, 2))
        overlaps.append(Overlap(object_id, float(np.mean(both[either > 0] / either[either > 0]))))
    return overlaps


def _write_stack(sample: Sample, path: Path) -> None:
    import tifffile

    from napari_sam2.data.files.atomic_files import replacing
    from napari_sam2.data.images.calibration import Calibration
    from napari_sam2.data.images.stack import Stack
    from napari_sam2.data.images.tiff_sizes import imagej_metadata

    sizes = Calibration(sample.pixel_size, sample.step, sample.unit, sample.unit)
    stack = Stack.from_array(sample.frames, sample.axis, calibration=sizes)
    metadata = imagej_metadata(stack.axes)
    # tifffile wants the colour samples named as an axis, too.
    metadata["axes"] += "S" if stack.is_rgb else ""
    height, width = sample.pixel_size or (1, 1)
    with replacing(path) as draft:
        tifffile.imwrite(
            draft,
            sample.frames,
            imagej=True,
            resolution=(1 / width, 1 / height),
            metadata=metadata,
        )


def _show(folders: list[Path], *, no_viewer: bool) -> int:
    reason = "--no-viewer was given" if no_viewer else why_no_viewer()
    if reason is None:
        print("Opening napari ...")
        show_results([folder / f"{folder.name}.tif" for folder in folders])
    elif not no_viewer:
        print(f"napari was not opened: {reason}. Look at {folders[0] / 'overlay.gif'} and its like.")
    return 0

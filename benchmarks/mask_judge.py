"""How well masks that are proposed for a click fit: collects, fits and checks the judge of `mask_judge`.

``python benchmarks/mask_judge.py collect --data FOLDER --held-out 0.1 rows.jsonl`` clicks on objects whose truth is
known and writes a row for each; ``--rest`` takes what is not held out, ``--generated 48`` drawn clips. ``fit
rows.jsonl`` fits the judge that comes with the package, and ``check rows.jsonl`` says how good the mask is that it
prefers, and the one that the model expects most of.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from named_model import named_model
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from torch.nn.functional import interpolate

from napari_sam2.data.images.stack import Stack
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.evaluation.evaluate_folder import generated_sequences
from napari_sam2.evaluation.image_sets import Split
from napari_sam2.evaluation.labelled_sequences import LabelledSequence, deepest_point, read_sequences
from napari_sam2.evaluation.metrics import region_similarity
from napari_sam2.model.mask_decoder import DecoderOutput
from napari_sam2.model.sam2 import ImageFeatures
from napari_sam2.session import prompting
from napari_sam2.session.model_parts import PartsSettings, make_parts
from napari_sam2.session.prompting.mask_judge import MaskJudge, load_judge, mask_traits
from napari_sam2.session.tracking.memory_bank import MemoryBank
from napari_sam2.session.tracking.object_track import ObjectTrack
from napari_sam2.session.zoom.crop import Crop

JUDGE = Path(prompting.__path__[0]) / "mask_judge.json"
UNITS = 8
# Weight of the squared weights in the fit, and parts that the families are divided into for `check --across`.
DECAY = 3e-4
FOLDS = 6
# Columns of `mask_traits`: base-2 logarithms of a mask's share of what is shown, and of that of the frame's side.
AREA, SHOWN = 5, 9
# Objects on a frame, frames of a stack, stills or stacks of a set: large sets are to teach no more than others.
PER_FRAME, PER_STACK, PER_SET = 3, 4, 24
# Users do not always click in the very middle.
BESIDE_SHARE = 0.3
SMALLEST = 20


@dataclass(frozen=True, eq=False)
class Witness(MaskJudge):
    """A judge that keeps what it was asked about, with the truth."""

    truth: NDArray[np.bool_]
    traits: list[list[float]] = field(default_factory=list)
    j: list[float] = field(default_factory=list)

    def expected_iou(
        self, output: DecoderOutput, features: ImageFeatures, *, prompt: Prompt, view: Crop, frame_size: tuple[int, int]
    ) -> NDArray[np.float64]:
        traits = mask_traits(output, features, prompt=prompt, view=view, frame_size=frame_size)
        self.traits.extend(traits.round(4).tolist())
        masks = interpolate(output.masks_bkhw.float(), view.size, mode="bilinear")[0].numpy() > 0
        for mask in masks:
            seen = np.zeros(frame_size, bool)
            seen[view.crop] = mask
            self.j.append(round(region_similarity(seen, self.truth), 4))
        return self.expect(traits)


def click_on(truth: NDArray[np.bool_], rng: np.random.Generator) -> tuple[int, int]:
    """(y, x) of the innermost pixel of an object, or now and then of one that is half as deep at least."""
    if rng.random() >= BESIDE_SHARE:
        return deepest_point(truth)
    depth = distance_transform_edt(np.pad(truth, 1))[1:-1, 1:-1]
    y, x = rng.choice(np.argwhere(depth >= depth.max() / 2))
    return int(y), int(x)


def rows(model: Any, sequence: LabelledSequence, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Click on objects of a sequence, each as if it were the first."""
    frames = rng.permutation(np.array(sequence.graded))[:PER_STACK]
    for frame in frames:
        ids, areas = np.unique(sequence.labels[frame], return_counts=True)
        parts = make_parts(model, Stack.from_array(sequence.stack.read(frame)[None], "t"), PartsSettings())
        answerer = parts.answerer
        for object_id in rng.permutation(ids[(ids > 0) & (areas > SMALLEST)])[:PER_FRAME]:
            truth = sequence.labels[frame] == object_id
            witness = Witness(**vars(load_judge()), truth=truth)
            answerer.rule = replace(answerer.rule, judge=witness)
            click = np.array([click_on(truth, rng)], np.float32)
            track = ObjectTrack(1, MemoryBank(parts.tracker.policy, spare_bytes=0))
            answerer.predict(track, Prompt(0, 1, points=click, labels=np.ones(1, np.int32)))
            yield {"sequence": sequence.name, "traits": witness.traits, "j": witness.j}


def family(name: str) -> str:
    """Sets of one source share the first word of their names."""
    return name.split("/")[0].split("_")[0]


def collect(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    model = named_model(args.model)
    rng, taken = np.random.default_rng(0), dict[str, int]()
    if args.generated:
        sequences = generated_sequences(args.generated)
    else:
        split = Split(args.held_out, held_out=args.held_out > 0 and not args.rest, without=tuple(args.without))
        sequences = read_sequences(args.data, split=split)
    with args.output.open("a", encoding="utf-8") as file:
        for sequence in sequences:
            source = family(sequence.name)
            taken[source] = taken.get(source, 0) + 1
            if args.generated or taken[source] <= PER_SET:
                for row in rows(model, sequence, rng):
                    file.write(json.dumps(row) + "\n")
                file.flush()
            sequence.stack.close()


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of `collect`: masks, the clicks that they belong to, and how much they count."""

    traits_mt: NDArray[np.float64]
    j_m: NDArray[np.float64]
    click_m: NDArray[np.intp]
    families: NDArray[np.str_]

    @classmethod
    def read(cls, paths: list[Path]) -> Table:
        lines = [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
        return cls(
            np.concatenate([line["traits"] for line in lines]),
            np.concatenate([line["j"] for line in lines]),
            np.repeat(np.arange(len(lines)), [len(line["j"]) for line in lines]),
            np.array([family(line["sequence"]) for line in lines]),
        )

    def part(self, names: set[str]) -> Table:
        """The rows of some families."""
        kept = np.isin(self.families, list(names))
        rows = kept[self.click_m]
        return Table(
            self.traits_mt[rows], self.j_m[rows], (np.cumsum(kept) - 1)[self.click_m[rows]], self.families[kept]
        )

    def mean(self, values: NDArray[np.float64]) -> float:
        """Mean over families of a value for each click."""
        return float(np.mean([values[self.families == name].mean() for name in np.unique(self.families)]))

    def sizes(self) -> NDArray[np.float64]:
        """For each click the size of its object: the share of the frame in powers of four, by the best mask."""
        first = self.best_by(self.j_m)
        shares = self.traits_mt[first, AREA] + 2 * self.traits_mt[first, SHOWN]
        return np.floor(shares / 2).clip(-6, -1)

    def best_by(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """Row of the mask with the highest value among those of each click."""
        order = np.lexsort((-values, self.click_m))
        rows: NDArray[np.intp] = order[np.unique(self.click_m[order], return_index=True)[1]]
        return rows

    def preferred(self, values: NDArray[np.float64]) -> float:
        """Mean J of the mask with the highest value among those of each click."""
        return self.mean(self.j_m[self.best_by(values)])


def fitted(table: Table) -> MaskJudge:
    """Fit a judge by least squares; every family of sets counts alike, and so do objects of every size."""
    traits, truth = (torch.from_numpy(values) for values in (table.traits_mt, table.j_m))
    _, which, clicks = np.unique(table.families, return_inverse=True, return_counts=True)
    per_click = 1 / clicks[which]
    sizes = table.sizes()
    for size in np.unique(sizes):
        per_click[sizes == size] /= per_click[sizes == size].sum()
    weights = torch.from_numpy((per_click / np.bincount(table.click_m))[table.click_m])
    mean, spread = traits.mean(dim=0), traits.std(dim=0).clamp(min=1e-3)
    torch.manual_seed(0)
    hidden, bias, out, out_bias = parameters = [
        (scale * torch.randn(size, dtype=torch.float64)).requires_grad_()
        for size, scale in (((len(mean), UNITS), 0.3), ((UNITS,), 0.3), ((UNITS,), 0.3), ((), 0.0))
    ]
    optimiser = torch.optim.LBFGS(parameters, max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        units = torch.tanh((traits - mean) / spread @ hidden + bias)
        error = ((torch.sigmoid(units @ out + out_bias) - truth) ** 2 * weights).sum() / weights.sum()
        total = error + DECAY * ((hidden**2).sum() + (out**2).sum())
        total.backward()
        return total

    optimiser.step(loss)
    # The spread and mean of the traits go into the first layer.
    first = (hidden / spread[:, None]).detach().numpy()
    return MaskJudge(first, bias.detach().numpy() - mean.numpy() @ first, out.detach().numpy(), out_bias.item())


def fit(args: argparse.Namespace) -> None:
    judge = fitted(Table.read(args.rows))
    kept = {
        "hidden": judge.hidden_tu.round(5).tolist(),
        "hidden_bias": judge.hidden_bias_u.round(5).tolist(),
        "out": judge.out_u.round(5).tolist(),
        "out_bias": round(judge.out_bias, 5),
    }
    args.output.write_text(json.dumps(kept) + "\n", encoding="utf-8")


def check(args: argparse.Namespace) -> None:
    """J of the mask preferred by the judge, by the model, and of the best; on families that it has not learned from."""
    table = Table.read(args.rows)
    expected = load_judge().expect(table.traits_mt)
    report = {"clicks": len(table.families), "masks": len(table.j_m)}
    report |= {
        name: round(table.preferred(values), 3)
        for name, values in (("J of the mask the model expects most of", table.traits_mt[:, 0]),
                             ("the judge", expected), ("the best", table.j_m))
    }  # fmt: skip
    report["correlation with J: the model, the judge"] = [
        round(float(np.corrcoef(values, table.j_m)[0, 1]), 2) for values in (table.traits_mt[:, 0], expected)
    ]
    if args.across:
        names, others = sorted(set(table.families)), []
        for fold in range(FOLDS):
            left_out = set(names[fold::FOLDS])
            part, judge = table.part(left_out), fitted(table.part(set(names) - left_out))
            others += [part.preferred(judge.expect(part.traits_mt))] * len(left_out)
        report["a judge fitted on other families"] = round(float(np.mean(others)), 3)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    collecting = commands.add_parser("collect")
    collecting.add_argument("output", type=Path)
    source = collecting.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path)
    source.add_argument("--generated", type=int)
    collecting.add_argument("--held-out", type=float, default=0.0, help="of --data, only this share of each set")
    collecting.add_argument("--rest", action="store_true", help="of --data, only what is not held out")
    collecting.add_argument("--without", nargs="+", default=[], help="sets of --data to leave out")
    collecting.add_argument("--model", default="sam2_nano", help="name or file")
    collecting.set_defaults(run=collect)
    fitting = commands.add_parser("fit")
    fitting.add_argument("rows", type=Path, nargs="+")
    fitting.add_argument("--output", type=Path, default=JUDGE)
    fitting.set_defaults(run=fit)
    checking = commands.add_parser("check")
    checking.add_argument("rows", type=Path, nargs="+")
    checking.add_argument("--across", action="store_true", help="fit again without each of some families in turn")
    checking.set_defaults(run=check)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()

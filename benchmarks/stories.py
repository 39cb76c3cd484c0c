"""Stories on real data, with real mouse and keys: how many actions each takes, and what a newcomer is told.

Run it where there is a screen, or under a virtual one. The sequences are looked for where ``NAPARI_SAM2_TEST_DATA``
points, else in ``../shared/data``; the population where ``NAPARI_SAM2_LINEAGE`` points, else in ``../shared/lineage``::

    scripts/qt_run.sh --virtual-display .venv/bin/python benchmarks/stories.py [STORY...] [--pictures FOLDER]

An action is a click, a drag, a key, a choice in a menu or a name typed. Every story ends when its objects are tracked;
the population's goes on until its divisions are answered and it is handed over.
"""

from __future__ import annotations

# First: it keeps napari, which reads its settings when it is imported, from the user's.
from newcomer import Newcomer

# isort: split

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from scipy.ndimage import distance_transform_edt

from napari_sam2.data.readers.open_stack import open_stack
from napari_sam2.plugin.widget import Sam2Widget

DATA = Path(os.environ.get("NAPARI_SAM2_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
LINEAGE = Path(os.environ.get("NAPARI_SAM2_LINEAGE", DATA.parent / "lineage"))
WINDOW = (1440, 900)
N_NUCLEI = 20
N_CELLS = 8


@dataclass(frozen=True)
class Sequence:
    """Frames and true labels."""

    frames: np.ndarray
    labels: np.ndarray

    @classmethod
    def read(cls, name: str, axis: str, *, root: Path = DATA) -> Sequence:
        if not (root / name).is_dir():
            raise SystemExit(f"no {name} in {root}: set NAPARI_SAM2_TEST_DATA and NAPARI_SAM2_LINEAGE")
        source = root / name / "frames"
        with open_stack(source if source.is_dir() else source.with_suffix(".tif"), axis=axis) as stack:
            frames = np.stack([stack.read(t) for t in range(stack.n_frames)])
        import tifffile

        return cls(frames, tifffile.imread(root / name / "labels.tif"))

    def part(self, n_frames: int | None, axis: str) -> Sequence:
        """Keep the first time points, or the slices or rows around the one with the largest objects."""
        along = 1 if axis == "y" else 0
        length = self.labels.shape[along]
        if n_frames is None or n_frames >= length:
            return self
        sizes = (self.labels > 0).sum(tuple({0, 1, 2} - {along}))
        first = 0 if axis == "t" else min(max(int(sizes.argmax()) - n_frames // 2, 0), length - n_frames)
        kept = (slice(None),) * along + (slice(first, first + n_frames),)
        return Sequence(self.frames[kept], self.labels[kept])

    def places(self, frame: int, most: int) -> list[tuple[float, float]]:
        """Points deep inside of the largest objects of a frame."""
        image = self.labels[frame]
        ids, sizes = np.unique(image[image > 0], return_counts=True)
        found = []
        for object_id in ids[np.argsort(-sizes)][:most]:
            depth = distance_transform_edt(np.pad(image == object_id, 1))[1:-1, 1:-1]
            found.append(tuple(map(float, np.unravel_index(depth.argmax(), depth.shape))))
        return found

    def quality(self, labels: np.ndarray, frame: int, places: list[tuple[float, float]]) -> float:
        """Mean overlap (J) on a frame of the objects clicked on, each with what lies at its place."""
        scores = []
        for y, x in places:
            truth = self.labels[frame] == self.labels[frame][int(y), int(x)]
            found = labels[frame][int(y), int(x)]
            mask = (labels[frame] == found) & (found > 0)
            scores.append(float((truth & mask).sum() / max((truth | mask).sum(), 1)))
        return float(np.mean(scores))


def nuclei(hand: Newcomer, sequence: Sequence) -> str:
    """Twenty nuclei in time, a click each."""
    places = sequence.places(0, N_NUCLEI)
    hand.press("one_object_per_click")
    for place in places:
        hand.click(*place)
    clicked = len(hand.actions)
    hand.track()
    return f"{clicked} actions for {len(places)} nuclei, J {judged(hand, sequence, 0, places)}"


def polyp(hand: Newcomer, sequence: Sequence) -> str:
    """A polyp in an endoscopy."""
    places = sequence.places(0, 1)
    hand.key(Qt.Key.Key_N)
    hand.click(*places[0])
    hand.track()
    return f"J {judged(hand, sequence, 0, places)}"


def plant(hand: Newcomer, sequence: Sequence) -> str:
    """Cells of a plant, from the middle of the stack."""
    middle = len(sequence.frames) // 2
    hand.viewer.dims.set_point(0, middle)
    places = sequence.places(middle, N_CELLS)
    hand.press("one_object_per_click")
    for place in places:
        hand.click(*place)
    hand.track()
    return f"{len(places)} cells, J {judged(hand, sequence, middle, places)}"


def plant_side(hand: Newcomer, sequence: Sequence) -> str:
    """The same cells, followed along the rows of the stack."""
    side = Sequence(*(np.ascontiguousarray(np.moveaxis(x, 1, 0)) for x in (sequence.frames, sequence.labels)))
    middle = len(side.frames) // 2
    hand.choose("axis", "y")
    hand.viewer.dims.set_point(1, middle)
    places = side.places(middle, N_CELLS)
    hand.press("one_object_per_click")
    for place in places:
        hand.click(*place)
    hand.track()
    found = np.moveaxis(np.asarray(hand.widget.layers.labels.data), 1, 0)
    return f"{len(places)} cells, J {side.quality(found, middle, places):.2f}"


def mri(hand: Newcomer, sequence: Sequence) -> str:
    """A tumour in a brain, in NIfTI, from the slice where it is largest; labels are handed over as NIfTI."""
    import nibabel

    largest = int((sequence.labels > 0).sum((1, 2)).argmax())
    hand.viewer.dims.set_current_step(0, largest)
    places = sequence.places(largest, 1)
    hand.key(Qt.Key.Key_N)
    hand.click(*places[0])
    hand.track()
    tracked = len(hand.actions)
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_DontUseNativeDialogs)
    scan = Path(hand.viewer.layers[0].source.path)
    written = scan.with_name("labels.nii.gz")
    hand.export("nifti", written)
    is_same = np.allclose(nibabel.load(written).affine, nibabel.load(scan).affine)
    where = "where the scan lies" if is_same else "elsewhere than the scan"
    return f"{tracked} actions until tracked, J {judged(hand, sequence, largest, places)}; NIfTI written, {where}"


def four_axes(hand: Newcomer, sequence: Sequence) -> str:
    """A nucleus in time, in one plane of a stack of two channels, both seen by the model."""
    hand.viewer.dims.set_point(0, 0)
    hand.choose("colours", "all shown layers")
    places = sequence.places(0, 1)
    hand.key(Qt.Key.Key_N)
    hand.click(*places[0])
    hand.track()
    found = np.asarray(hand.widget.layers.labels.data)[:, 0]
    seen = "colour" if hand.widget.session.stack.is_rgb else "grey"
    return f"seen in {seen}, J {sequence.quality(found, 0, places):.2f}"


def time_and_depth(hand: Newcomer, sequence: Sequence) -> str:
    """A cell in volumes over time, through both with one id."""
    labels = drifting(sequence.labels)
    ids, sizes = np.unique(sequence.labels[sequence.labels > 0], return_counts=True)
    object_id = int(ids[sizes.argmax()])
    plane = int((labels[1] == object_id).sum((1, 2)).argmax())
    depth = distance_transform_edt(np.pad(labels[1, plane] == object_id, 1))[1:-1, 1:-1]
    hand.choose("axis", "time and depth")
    hand.viewer.dims.set_point((0, 1), (1, plane))
    hand.key(Qt.Key.Key_N)
    hand.click(*map(float, np.unravel_index(depth.argmax(), depth.shape)))
    hand.track()
    found, truth = np.asarray(hand.widget.layers.labels.data) > 0, labels == object_id
    overlap = [
        float((one & other).sum() / max((one | other).sum(), 1)) for one, other in zip(found, truth, strict=True)
    ]
    return f"J of the volumes {', '.join(f'{value:.2f}' for value in overlap)}"


def drifting(stack: np.ndarray) -> np.ndarray:
    """(T, Z, Y, X) of a z-stack that moves up, down and aside."""
    return np.stack([np.roll(stack, (time, 4 * time, 6 * time), (0, 1, 2)) for time in range(3)])


def population(hand: Newcomer, sequence: Sequence) -> str:
    """All nuclei of a movie: found, tracked with those that come later, related, corrected and handed over."""
    found = find_and_track(hand, sequence)
    return f"{found}; {answer_divisions(hand)}; {swap_two(hand)}; {hand_over(hand)}"


def find_and_track(hand: Newcomer, sequence: Sequence) -> str:
    hand.key(Qt.Key.Key_G)
    hand.wait(lambda: hand.widget.panel.find_box.buttons["find_take"].isVisible())
    QTest.qWait(300)
    hand.picture("proposals")
    hand.press("find_take")
    hand.wait(lambda: hand.widget.controller.worker.is_idle)
    labels = hand.widget.layers.labels
    places = sequence.places(0, int(sequence.labels[0].max()))
    found = int(np.asarray(labels.data[0]).max())
    first = sequence.quality(np.asarray(labels.data), 0, places)
    hand.press("find_new")
    hand.track()
    hand.wait(lambda: hand.widget.controller.worker.is_idle)
    late = len(hand.widget.session.object_ids) - found
    last = len(sequence.frames) - 1
    end = sequence.quality(np.asarray(labels.data), last, sequence.places(last, 1000))
    return f"{found} found of {len(places)} (J {first:.2f}), {late} later; J {end:.2f} on the last frame"


def answer_divisions(hand: Newcomer) -> str:
    """Accept the first two divisions that are proposed, and refuse the third."""
    results, layers = hand.widget.controller.results, hand.widget.layers

    def asked() -> Any:
        division = results.division_on(layers.frame, layers.selected)
        return division if division is not None and division.mother == layers.selected else None

    n_proposed, answers = len(results.open_divisions), (Qt.Key.Key_Y, Qt.Key.Key_Y, Qt.Key.Key_W)
    for key in answers[:n_proposed]:
        hand.key(Qt.Key.Key_J)
        hand.wait(asked)
        if key is answers[0] and not results.state.parents:
            hand.picture("division")
        division = asked()
        hand.key(key)
        hand.wait(lambda division=division: division not in results.open_divisions)
    hand.wait(lambda: hand.widget.controller.worker.is_idle)
    accepted, refused = len({*results.state.parents.values()}), sum(map(len, results.state.refused.values()))
    fewer = f" (fewer than the {len(answers)} to answer)" if n_proposed < len(answers) else ""
    return f"{n_proposed} divisions proposed{fewer}, {accepted} accepted, {refused} refused"


def swap_two(hand: Newcomer) -> str:
    """Let two objects change places from the frame on show on; from the last one where the first is on show."""
    results, layers = hand.widget.controller.results, hand.widget.layers
    if layers.frame == 0:
        hand.viewer.dims.set_point(0, results.n_frames - 1)
    frame = layers.frame
    lives = {object_id: results.life(object_id) for object_id in results.object_ids}
    one, other = [object_id for object_id, life in lives.items() if life and life[0] < frame <= life[1]][:2]
    before = layers.drawn_on(frame).copy()
    hand.select([one, other])
    hand.key(Qt.Key.Key_X, Qt.KeyboardModifier.ShiftModifier)
    hand.wait(lambda: np.array_equal(layers.drawn_on(frame) == other, before == one))
    hand.wait(lambda: hand.widget.controller.worker.is_idle)
    return f"{one} and {other} swapped"


def hand_over(hand: Newcomer) -> str:
    """Write what other programs read: the graph, and the Challenge's folder."""
    # The system's own dialog cannot be typed into from here.
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_DontUseNativeDialogs)
    folder = Path(os.environ["NAPARI_SAM2_HOME"])
    for name, file in (("geff", "tracks.geff"), ("ctc", "ctc")):
        hand.export(name, folder / file)
    lines = (folder / "ctc" / "res_track.txt").read_text(encoding="utf-8").splitlines()
    return f"GEFF and CTC written, {len(lines)} tracks, {sum(not line.endswith(' 0') for line in lines)} with a parent"


def judged(hand: Newcomer, sequence: Sequence, frame: int, places: list[tuple[float, float]]) -> str:
    return f"{sequence.quality(np.asarray(hand.widget.layers.labels.data), frame, places):.2f}"


# By name: data, axis that is followed, what is done.
STORIES = {
    "nuclei": ("ctc_fluo_n2dh_sim01", "t", nuclei),
    "polyp": ("cvc_clinicdb_seq12", "t", polyp),
    "plant": ("plantseg_ovule_cells", "z", plant),
    "plant-side": ("plantseg_ovule_cells", "y", plant_side),
    "mri": ("brats2013_flair_pat0005", "z", mri),
    "four-axes": ("ctc_fluo_n2dh_sim01", "t", four_axes),
    "time-and-depth": ("plantseg_ovule_cells", "z", time_and_depth),
    "population": ("ctc_fluo_n2dh_sim01", "t", population),
}


def write_scan(sequence: Sequence) -> Path:
    """Write slices as NIfTI, with sizes and a place in the scanner."""
    import nibabel

    affine = np.array([[-1.0, 0, 0, 90], [0, -1.0, 0, 126], [0, 0, 1.5, -72], [0, 0, 0, 1]])
    path = Path(os.environ["NAPARI_SAM2_HOME"]) / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(sequence.frames.T, affine), path)
    return path


def open_viewer(name: str, sequence: Sequence, axis: str) -> napari.Viewer:
    viewer = napari.Viewer()
    viewer.window.resize(*WINDOW)
    if name == "four-axes":
        planes = np.stack([sequence.frames, sequence.frames[::-1]], axis=1)
        edges = np.abs(np.gradient(planes.astype(np.float32), axis=-1))
        for channel, image, colour in (("nuclei", planes, "green"), ("edges", edges, "magenta")):
            viewer.add_image(
                image, name=channel, axis_labels=("t", "z", "y", "x"), colormap=colour, blending="additive"
            )
    elif name == "mri":
        viewer.open(str(write_scan(sequence)), plugin="napari-sam2")
    elif name == "time-and-depth":
        viewer.add_image(drifting(sequence.frames), name=name, axis_labels=("t", "z", "y", "x"))
    else:
        first = "z" if axis == "y" else axis
        viewer.add_image(sequence.frames, name=name, axis_labels=(first, "y", "x"), rgb=sequence.frames.ndim == 4)
    return viewer


def tell(name: str, *, n_frames: int | None, pictures: Path | None) -> str:
    """Do one story; return its row of the table."""
    # Work of the story before would be offered in this one.
    os.environ["NAPARI_SAM2_HOME"] = tempfile.mkdtemp()
    data, axis, story = STORIES[name]
    root = LINEAGE if name == "population" else DATA
    sequence = Sequence.read(data, "z" if axis == "y" else axis, root=root).part(n_frames, axis)
    viewer = open_viewer(name, sequence, axis)
    try:
        widget = Sam2Widget(viewer)
        viewer.window.add_dock_widget(widget, name="SAM 2")
        viewer.dims.set_point(0, 0)
        hand = Newcomer(viewer, widget, pictures=None if pictures is None else pictures / name)
        hand.wait(lambda: widget.session is not None)
        QTest.qWait(300)
        first = hand.controls
        begun = time.perf_counter()
        said = story(hand, sequence)
        seconds = time.perf_counter() - begun
        hand.picture("end")
        return f"| {name} | {len(hand.actions)} | {first} | {seconds:.0f} s | {said} |"
    finally:
        viewer.close()


def main() -> None:
    """Tell the stories that are asked for, or all."""
    parser = argparse.ArgumentParser(description="Count what stories take.")
    parser.add_argument("stories", nargs="*", default=list(STORIES), metavar="STORY", help=", ".join(STORIES))
    parser.add_argument("--pictures", type=Path, help="folder for pictures of the window, narrow and wide")
    parser.add_argument("--frames", type=int, help="most frames of a sequence, for a slow machine")
    options = parser.parse_args()
    sys.stdout.write("| story | actions | controls at first | time | |\n|---|---:|---:|---:|---|\n")
    for name in options.stories:
        sys.stdout.write(tell(name, n_frames=options.frames, pictures=options.pictures) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

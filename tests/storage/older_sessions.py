"""Session folders as versions of the past wrote them, and what they must give when they are opened and gone on with.

``python tests/storage/older_sessions.py FOLDER`` writes all stories as the present version does. The files of a
released format stay as they are: what is in ``saved_sessions`` was written by the version that its name says.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from napari_sam2 import FrameResult, Session
from napari_sam2.data.images.stack import Stack
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.model.sam2 import Sam2, build_sam2
from napari_sam2.session.volumes.volume_session import VolumeSession
from small_model import SMALL, single_thread

SAVED = Path(__file__).parent / "saved_sessions"


def make_model(presence: float = 1.0) -> Sam2:
    """Build a small model whose weights are the same to the bit everywhere."""
    rng = np.random.default_rng(0)
    model = build_sam2(SMALL)
    with torch.no_grad():
        for name, tensor in sorted(model.state_dict().items()):
            if not tensor.is_floating_point():
                continue
            drawn = rng.standard_normal(tensor.shape) / np.sqrt(max(np.prod(tensor.shape[1:]), 1))
            if tensor.ndim == 1:
                drawn = np.full(tensor.shape, 1.0 if name.endswith(("weight", "gamma")) else 0.0)
            drawn *= 15 if "output_hypernetworks_mlps" in name and "layers.2.weight" in name else 1
            tensor.copy_(torch.from_numpy(np.asarray(drawn, np.float32)))
        head = model.sam_mask_decoder.pred_obj_score_head.layers[-1]
        head.weight *= 10
        head.bias.fill_(presence)
    return model.requires_grad_(False)


def make_frames() -> np.ndarray:
    """(12, 48, 56) uint8: blocks that drift; whole numbers only."""
    blocks = np.random.default_rng(1).integers(0, 256, (24, 28), np.uint8).repeat(6, 0).repeat(6, 1)
    return np.stack([np.roll(blocks, (2 * t, 3 * t), (0, 1))[:48, :56] for t in range(12)])


def square(y: int, x: int, side: int = 12) -> np.ndarray:
    mask = np.zeros((48, 56), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def prompted(session: Session) -> Session:
    """One prompt of each kind, on the first frame, on the last and between."""
    session.add_mask(0, 1, square(10, 20))
    session.add_points(0, 2, [[30.125, 20.1], [5, 5]], [1, 0])
    session.add_box(4, 70000, [3, 30, 20, 50], points=[[10, 40]], labels=[1])
    session.add_points(11, 2, [[24, 24]], [1])
    return session


def resume(session: Session) -> Iterator[FrameResult]:
    yield from session.resume()


def edit_and_update(session: Session) -> Iterator[FrameResult]:
    yield from session.update()
    session.add_mask(6, 2, square(20, 24))
    yield from session.update()


def track_again(session: Session) -> Iterator[FrameResult]:
    yield from session.propagate(direction="both", start=5)


def undo_all(session: Session) -> Iterator[FrameResult]:
    while session.undo():
        pass
    while len(session.history[1]) > 3:
        session.redo()
    yield from session.propagate(direction="outward")


@dataclass(frozen=True)
class Story:
    """What was done before a session was closed, and what is done after it is opened again."""

    before: Callable[[Session], object]
    after: Callable[[Session], Iterator[FrameResult]]
    zoom: str | float = "off"
    presence: float = 1.0
    part: bool = False
    torn: bool = False


def forward(session: Session) -> None:
    list(prompted(session).propagate())


def cancelled(session: Session, frames: int = 7) -> None:
    list(islice(prompted(session).propagate(direction="both", start=5), frames))


def backward_with_edits(session: Session) -> None:
    list(prompted(session).propagate(direction="backward"))
    session.clear_prompts(0, 2)
    session.add_points(3, 2, [[40, 40]], [1])
    list(islice(session.update(), 2))


def removed_and_undone(session: Session) -> None:
    list(prompted(session).propagate(direction="outward"))
    session.add_mask(6, 1, square(0, 0, 0))
    session.remove_object(1)
    session.remove_object(2)
    session.undo()
    session.clear_prompts(4, 70000)
    session.undo()


def reset(session: Session) -> None:
    list(prompted(session).propagate(max_frames=3))
    session.reset()
    session.add_points(3, 5, [[20, 20]], [1])
    list(islice(session.propagate(), 4))


STORIES = {
    "prompts": Story(prompted, track_again),
    "forward": Story(forward, edit_and_update),
    "cancelled": Story(cancelled, resume),
    "hidden": Story(cancelled, resume, presence=-3.0),
    "windows": Story(cancelled, resume, zoom="auto"),
    "halved": Story(backward_with_edits, edit_and_update, zoom=2),
    "removed": Story(removed_and_undone, undo_all),
    "reset": Story(reset, resume),
    "part": Story(lambda session: list(islice(added(session).propagate(), 3)), resume, part=True),
    "torn": Story(lambda session: cancelled(session, 3), resume, torn=True),
}


def added(session: Session) -> Session:
    session.add_points(1, 1, [[10, 10]], [1])
    return session


def frames_of(story: Story) -> Stack:
    stack = Stack.from_array(make_frames())
    return stack.part(crop=(4, 6, 44, 50), every=2) if story.part else stack


def results_of(session: Session, results: list[FrameResult]) -> dict[str, np.ndarray]:
    """Everything a session says, as arrays."""
    return {
        "frames": np.array([result.frame for result in results]),
        "logits": np.concatenate([result.low_res_logits for result in results]) if results else np.zeros(0),
        "labels": session.labels.to_array(),
        "scores": session.scores.to_numpy(float),
        "stale": np.array([(i, t) for i, frames in session.stale.items() for t in frames], int).reshape(-1, 2),
        "objects": np.array(session.object_ids),
        "prompts": np.array([(p.frame, p.object_id) for p in session.prompts], int).reshape(-1, 2),
        "left": np.array([session.unfinished, *map(len, session.history)]),
    }


def go_on(session: Session, story: Story) -> dict[str, np.ndarray]:
    """Say what a session holds, go on with it, and say what it holds then."""
    opened = {f"opened_{key}": value for key, value in results_of(session, []).items() if key != "logits"}
    return opened | results_of(session, list(story.after(session)))


def volume_session(folder: Path | None) -> VolumeSession:
    image = np.stack([make_frames()[t : t + 5] for t in range(3)])
    session = VolumeSession(make_model(), image, folder=folder)
    session.add_prompt(1, Prompt(2, 5, box=(10, 10, 30, 34)))
    return session


def write_story(story: Story, name: str, target: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, f"{name}.napari-sam2")
        session = Session(make_model(story.presence), frames_of(story), zoom=story.zoom, folder=folder)
        story.before(session)
        session.close()
        if story.torn:
            (journal,) = folder.glob("journal-*")
            journal.write_bytes(journal.read_bytes()[:-40])
        shutil.make_archive(str(target / name), "zip", folder)
        session = Session.open(folder, frames=frames_of(story), model=session.model)
        assert session.problems == ()
        np.savez_compressed(target / f"{name}.npz", **go_on(session, story))
        session.close()


def write_volumes(target: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        steps = volume_session(Path(place, "volumes")).propagate()
        while next(steps).done < 1:
            pass
        shutil.make_archive(str(target / "volumes"), "zip", Path(place, "volumes"))
        whole = volume_session(None)
        list(whole.propagate())
        np.savez_compressed(target / "volumes.npz", labels=np.asarray(whole.labels))


def main() -> None:
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    with single_thread():
        for name, story in STORIES.items():
            write_story(story, name, target)
        write_volumes(target)


if __name__ == "__main__":
    main()

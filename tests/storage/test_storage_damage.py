"""Session folders that are damaged, of another version, or made to do harm: a clear line, and the rest is opened."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_sam2 import Session
from napari_sam2.model.sam2 import Sam2
from napari_sam2.storage.folder.journal import read_journal
from napari_sam2.storage.folder.schema import VERSION
from session_state import assert_same_prompts, assert_same_sessions

pytestmark = pytest.mark.usefixtures("one_thread")

Opened = Callable[[], Session]


@pytest.fixture
def saved(model: Sam2, frames: np.ndarray, tmp_path: Path) -> Session:
    """Three objects, all frames tracked, one edit of each kind; closed."""
    session = Session(model, frames, folder=tmp_path / "work.napari-sam2")
    mask = np.zeros(frames.shape[1:], bool)
    mask[10:24, 20:40] = True
    session.add_mask(0, 1, mask)
    session.add_points(0, 2, [[30, 20]], [1])
    session.add_box(4, 3, [3, 30, 20, 50])
    list(session.propagate())
    session.remove_object(3)
    session.undo()
    session.close()
    return session


@pytest.fixture
def folder(saved: Session, tmp_path: Path) -> Path:
    return tmp_path / "work.napari-sam2"


@pytest.fixture
def opened(folder: Path, frames: np.ndarray, model: Sam2) -> Opened:
    return lambda: Session.open(folder, frames=frames, model=model)


def change_header(folder: Path, **changes: Any) -> None:
    path = folder / "session.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def journal_of(folder: Path) -> Path:
    (path,) = folder.glob("journal-*.jsonl")
    return path


def change_events(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Rewrite a journal as somebody would who knows the format."""
    path = journal_of(folder)
    events = list(read_journal(path))
    lines = []
    for line in events:
        event = json.loads(line)
        change(event)
        text = json.dumps(event).encode()
        lines.append(b"%08x %b\n" % (zlib.crc32(text), text))
    path.write_bytes(b"".join(lines))


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != "lock"}


def test_a_torn_last_line_is_the_change_in_flight(folder: Path, opened: Opened, saved: Session) -> None:
    with journal_of(folder).open("ab") as file:
        file.write(b'0123abcd {"frames": {"3"')
    session = opened()
    assert session.problems == ()
    assert_same_sessions(saved, session)
    session.add_points(2, 1, [[20, 20]], [1])
    session.close()
    assert_same_sessions(session, opened())


def test_a_damaged_line_is_reported_and_the_rest_opened(folder: Path, opened: Opened, saved: Session) -> None:
    path = journal_of(folder)
    lines = path.read_bytes().splitlines(keepends=True)
    middle = len(lines) // 2
    lines[middle] = lines[middle].replace(b"frames", b"flames")
    path.write_bytes(b"".join(lines))
    before = files_of(folder)
    session = opened()
    assert f"line {middle + 1} of {path.name} is damaged" in session.problems[0]
    assert "save()" in session.problems[-1]
    assert_same_prompts(saved, session)
    assert len(session.labels.frames_done) >= len(saved.labels.frames_done) - 1
    # What is damaged is left as it is, for whoever can repair it.
    assert session.folder is None
    session.add_points(2, 1, [[20, 20]], [1])
    assert files_of(folder) == before


@pytest.mark.parametrize("harm", ["missing", "cut", "other", "shape"])
def test_lost_memories_are_made_anew(folder: Path, opened: Opened, saved: Session, harm: str) -> None:
    for path in (folder / "memories").iterdir():
        if harm == "missing":
            path.unlink()
        elif harm == "cut":
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        elif harm == "other":
            path.write_bytes(b"\xff" * 64)
        else:
            save_file({name: torch.zeros(1, 2, 3) for name in load_file(path)}, path)
    session = opened()
    assert any("memory" in problem for problem in session.problems)
    assert_same_prompts(saved, session)
    np.testing.assert_array_equal(session.labels.to_array(), saved.labels.to_array())
    tracked = {result.frame: result for result in session.propagate()}
    for result in saved.propagate():
        np.testing.assert_array_equal(tracked[result.frame].low_res_logits, result.low_res_logits)


def test_a_newer_format_is_reported(folder: Path, opened: Opened, saved: Session) -> None:
    change_header(folder, version=VERSION + 1, novelty={"colour": "red"})
    change_events(folder, lambda event: event.update(novelty=3))
    before = files_of(folder)
    session = opened()
    assert f"format {VERSION + 1}, this one knows format {VERSION}" in session.problems[0]
    assert "novelty" in session.problems[1]
    assert len(session.problems) == 3
    assert_same_sessions(saved, session)
    session.reset()
    assert files_of(folder) == before


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        (lambda f: (f / "session.json").unlink(), "it has no session.json"),
        (lambda f: (f / "session.json").write_text("{", encoding="utf-8"), "not valid JSON"),
        (lambda f: (f / "session.json").write_text("[" * 100_000, encoding="utf-8"), "not valid JSON"),
        (lambda f: (f / "session.json").write_text("[1]", encoding="utf-8"), "does not say 'napari-sam2 session'"),
        (lambda f: (f / "session.json").write_bytes(b" " * 2**21), "too many"),
        (lambda f: change_header(f, version="new"), "version: .*not 'new'"),
        (lambda f: change_header(f, data=3), "data: .*not 3"),
        (lambda f: change_header(f, data={}), "is damaged: data.axis: field required"),
        (
            lambda f: change_header(f, settings={"zoom": "off", "fill_hole_area": -1}),
            "settings.fill_hole_area: .*not -1",
        ),
        (lambda f: change_header(f, settings={"zoom": "up", "fill_hole_area": 1}), "zoom is"),
        (lambda f: change_header(f, settings={"zoom": "off", "memory": "good", "fill_hole_area": 1}), "memory is"),
        (lambda f: change_header(f, journal="../journal-1.jsonl"), "journal: .*not '../journal"),
        (lambda f: change_header(f, journal="/etc/passwd"), "journal: .*not '/etc"),
        (lambda f: change_header(f, journal="journal-1.jsonl\n"), "journal: .*not 'journal"),
    ],
)
def test_what_is_no_session_is_refused(
    folder: Path, opened: Opened, harm: Callable[[Path], object], complaint: str
) -> None:
    harm(folder)
    with pytest.raises(ValueError, match=complaint):
        opened()


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no session folder"):
        Session.open(tmp_path / "nothing")


def data_of(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / "session.json").read_text(encoding="utf-8"))["data"]
    return data


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"shape": [12, 48, 10**15]}, "data.shape.2: "),
        ({"shape": [12, -48, 56]}, "data.shape.1: .*not -48"),
        ({"shape": [12, 48]}, "data.shape.2: field required"),
        ({"path": "x" * 5000}, "data.path: "),
        ({"path": "a\0b"}, "data.path: "),
        ({"path": 7}, "data.path: .*not 7"),
        ({"path": "//server/share/image.tif", "relative": None}, "is not there any more"),
        ({"path": "/dev/zero", "relative": None}, "is not there any more"),
        ({"path": "/etc/hostname", "relative": "../../../../etc/passwd"}, "hostname|passwd"),
    ],
)
def test_an_image_that_cannot_be(folder: Path, model: Sam2, changes: dict[str, Any], complaint: str) -> None:
    change_header(folder, data=data_of(folder) | changes)
    with pytest.raises((ValueError, FileNotFoundError), match=complaint):
        Session.open(folder, model=model)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"name": None, "file": "/dev/zero"}, "no checkpoint file"),
        ({"name": "sam3_giant", "file": None}, "sam3_giant|came from no file"),
        ({"name": None, "file": "w.pt", "dtype": "complex64"}, "model is damaged"),
        ({"name": None, "file": 5}, "model.file: .*not 5"),
        ({"name": "sam2_nano", "file": None, "image_size": 10**9}, "model.image_size: .*not 1000000000"),
        ({"name": "sam2_nano", "file": None, "preset": "wild"}, "preset"),
    ],
)
def test_a_model_that_cannot_be(folder: Path, frames: np.ndarray, said: dict[str, Any], complaint: str) -> None:
    model = json.loads((folder / "session.json").read_text(encoding="utf-8"))["model"]
    change_header(folder, model=model | said)
    with pytest.raises((ValueError, FileNotFoundError), match=complaint):
        Session.open(folder, frames=frames)


def bomb(nbytes: int) -> str:
    return base64.b64encode(zlib.compress(bytes(nbytes), 9)).decode()


def one_run(first: int, length: int) -> dict[str, Any]:
    numbers = np.array([first, length], np.uint32).tobytes() + np.ones(1, np.uint16).tobytes()
    return {"runs": 1, "dtype": "uint16", "data": base64.b64encode(zlib.compress(numbers)).decode()}


def spoil(key: str, **changes: Any) -> Callable[[dict[str, Any]], None]:
    """Change every entry of one kind in an event."""

    def change(event: dict[str, Any]) -> None:
        for entry in event.get(key, {}).values():
            entry.update(changes)

    return change


def spoil_labels(**changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(event: dict[str, Any]) -> None:
        for entry in event.get("frames", {}).values():
            if entry["labels"] is not None:
                entry["labels"].update(changes)

    return change


EVILS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "label bomb": (spoil_labels(data=bomb(2**28)), "must hold"),
    "label type": (spoil_labels(dtype="object"), "labels.dtype: .*not 'object'"),
    "label box": (spoil_labels(box=[0, 10**9, 0, 10**9]), "labels.box.1: "),
    "label pixels": (spoil_labels(box=[0, 40, 0, 40]), "must hold"),
    "label runs": (spoil_labels(runs=2**31), "too many"),
    "label run of a row": (spoil_labels(**one_run(50, 56)), "inside the rows"),
    "label run outside": (spoil_labels(**one_run(2**31, 5)), "inside the rows"),
    "label text": (spoil_labels(data="!!!"), "labels.data: "),
    "mask bomb": (spoil("prompts", mask=bomb(2**28), points=None, labels=None, box=None), "must hold"),
    "points outside": (spoil("prompts", points=[[1e9, 2]], labels=[1], mask=None), "outside the image"),
    "points not numbers": (spoil("prompts", points=[["a", 2]], labels=[1], mask=None), "points.0.0: "),
    "prompt frame": (spoil("prompts", frame=10**6), "there is no frame"),
    "memory path": (spoil("memories", file="../../../etc/passwd"), "file: "),
    "memory file number": (spoil("memories", file=10**30), "file: "),
    "memory parts": (spoil("memories", parts=["__class__"]), "memory"),
    "memory view": (spoil("memories", view=[0, 0, 10**6, 10**6]), "is not inside the frame"),
    "track object": (spoil("tracks", object=-4), "object: .*not -4"),
    "track visited": (spoil("tracks", visited={"put": [[10**9, 1]], "drop": []}), "visited.put.0"),
    "track steps": (spoil("tracks", visited={"put": [[1, 0]], "drop": []}), "visited.put.0"),
    "tables": (lambda event: event.update(tracks=[1, 2]), "damaged"),
    "numbers": (lambda event: event.update(objects=["a"]), "damaged"),
    "unknown objects": (lambda event: event.update(objects=[99]), "99 is missing"),
    "run": (lambda event: event.update(run=[[0, 11, 1, [1]]] * 10**3), "goes over"),
    "long run": (lambda event: event.update(run=[[0, 10**12, 1, [1]]], done=0), "run.0.1: "),
    "rows": (
        lambda event: [f.update(rows=[[1, 0.5, 0.5, 10**12]]) for f in event.get("frames", {}).values()],
        "damaged",
    ),
}


@pytest.mark.parametrize("evil", EVILS)
def test_a_malicious_journal_does_no_harm(folder: Path, opened: Opened, evil: str) -> None:
    change, complaint = EVILS[evil]
    change_events(folder, change)
    before = files_of(folder.parent)
    session = opened()
    assert any(re.search(complaint, problem) for problem in session.problems), session.problems
    assert len(session.labels) == 12
    assert session.folder is None
    for track in session._objects.tracks.values():
        if track.prompts:
            next(session.propagate(object_ids=[track.object_id]))
    while session.undo():
        pass
    assert files_of(folder.parent) == before


@pytest.mark.skipif(sys.platform == "win32", reason="links take rights on Windows")
@pytest.mark.parametrize("name", ["session.json", "journal", "memory", "memories"])
def test_links_are_not_followed(folder: Path, opened: Opened, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    linked = {
        "session.json": folder / "session.json",
        "journal": journal_of(folder),
        "memory": sorted((folder / "memories").iterdir())[0],
        "memories": folder / "memories",
    }[name]
    linked.rename(outside / linked.name)
    linked.symlink_to(outside / linked.name)
    before = files_of(outside)
    if name == "session.json":
        with pytest.raises(ValueError, match="links are not followed"):
            opened()
    else:
        session = opened()
        assert any("links are not followed" in problem for problem in session.problems)
        session.add_points(2, 9, [[20, 20]], [1])
        assert session.folder is None
    assert files_of(outside) == before


@pytest.mark.skipif(sys.platform == "win32", reason="links take rights on Windows")
def test_a_link_under_a_name_to_be_written_is_not_written_through(folder: Path, opened: Opened, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine", encoding="utf-8")
    number = int(journal_of(folder).stem.removeprefix("journal-"))
    (folder / f"journal-{number + 1}.jsonl").symlink_to(precious)
    (folder / "memories" / "00000077.safetensors").symlink_to(precious)
    session = opened()
    session.add_points(2, 1, [[20, 20]], [1])
    list(session.update())
    assert session.folder == folder
    session.close()
    assert precious.read_text(encoding="utf-8") == "mine"
    assert_same_sessions(session, opened())


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() == 0, reason="whoever may do everything writes anywhere")
def test_a_folder_that_cannot_be_written_is_read(folder: Path, opened: Opened, saved: Session) -> None:
    (folder / "lock").unlink()
    folder.chmod(0o500)
    try:
        session = opened()
    finally:
        folder.chmod(0o700)
    assert "cannot be written to" in session.problems[0]
    assert_same_sessions(saved, session)


FULL = """
import resource, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from tracking_worker import give, load
from pathlib import Path
from napari_sam2 import Session
model = load(Path(sys.argv[2]))
frames = np.random.default_rng(0).integers(0, 255, (6, 48, 56)).astype(np.uint8)
session = Session(model, frames, folder=sys.argv[3])
give(session, 0)
resource.setrlimit(resource.RLIMIT_FSIZE, (session._writer._journal.nbytes + 100, resource.RLIM_INFINITY))
try:
    give(session, 1)
except OSError as error:
    sys.stdout.write(str(error))
assert len(session.prompts) == 2
session.close()
again = Session.open(sys.argv[3], frames=frames, model=model)
assert again.problems == (), again.problems
assert [p.object_id for p in again.prompts] == [1], again.prompts
try:
    give(again, 1)
except OSError:
    pass
# There is room again: the next change saves what could not be saved before, too.
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
give(again, 2)
again.close()
assert len(Session.open(sys.argv[3], frames=frames, model=model).prompts) == 3
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files, which Windows does not")
def test_full_disk(tmp_path: Path, checkpoint: Path) -> None:
    command = [
        sys.executable,
        "-c",
        FULL,
        str(Path(__file__).parent),
        str(checkpoint),
        str(tmp_path / "full.napari-sam2"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "the session cannot be saved" in done.stdout
    assert "full.napari-sam2" in done.stdout

"""The command as a whole: help, versions, what it loads, how errors are told."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import SCRIPT, DiskStack, Run, start_script

import napari_sam2
from napari_sam2.cli.entry import _COMMANDS
from napari_sam2.job.errors import describe_error
from napari_sam2.weights.transfer import DownloadError


def test_installed_command_says_its_version() -> None:
    process = start_script("--version")
    out, err = process.communicate()
    assert (process.returncode, out, err) == (0, f"napari-sam2 {napari_sam2.__version__}\n", "")


@pytest.mark.parametrize("words", [["--help"], ["segment", "--help"], ["demo", "--help"], ["weights", "list"]])
def test_answers_that_need_no_model_load_no_torch(words: list[str]) -> None:
    code = (
        "import sys\nfrom napari_sam2.cli import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        "print('loaded', *{'torch', 'numpy', 'napari'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert done.stderr == "loaded\n"


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_has_help(run: Run, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = run(command, "--help")
    assert done.status == 0
    assert done.out.startswith(f"usage: napari-sam2 {command}")
    assert command in run("--help").out
    text, _, examples = done.out.partition("\nexamples:\n")
    assert re.search(rf"^  (ssh .*)?napari-sam2 {command}\b", examples, re.MULTILINE)
    # An option that goes on in the next line is not found, and not copied.
    assert re.findall(r"--[\w-]*-$", text, re.MULTILINE) == []
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert "(default )" not in text and "(default none)" not in text


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "COMMAND"),
        (["segmnt"], "'segmnt'"),
        (["segment", "a.tif", "--output", "out"], "--prompts"),
        (["weights"], "ACTION"),
    ],
)
def test_words_that_make_no_command(run: Run, words: list[str], named: str) -> None:
    done = run(*words)
    assert (done.status, done.out) == (2, "")
    assert named in done.complaint
    assert "--help" in done.complaint


@pytest.mark.parametrize(
    ("words", "guess"),
    [
        (["segmnt"], "there is no command 'segmnt' (did you mean segment?)"),
        (["segment", "a.tif", "--prompts", "p.json", "--outptu=b"], "--outptu (did you mean --output?)"),
        (["batch", "jobs.csv", "--output", "b", "--workrs", "2"], "--workrs (did you mean --workers?)"),
        (["weights", "list", "--zzzz"], "unknown: --zzzz (see"),
        (["weights", "lst"], "invalid choice: 'lst' (choose from 'list', 'download', 'verify') (did you mean list?)"),
        (["export-onnx", "sam2_nanoo", "--output", "o"], "no model 'sam2_nanoo' in the catalogue; did you mean"),
    ],
)
def test_misspelt_words_bring_a_guess(run: Run, words: list[str], guess: str) -> None:
    done = run(*words)
    assert done.status == 2
    assert guess in done.complaint


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["segment", "a.tif", "b.json", "--output", "o"],
            "nothing is known of 'b.json' (see 'napari-sam2 segment --help'",
        ),
        (["segment", "a.tif", "--output", "o", "--start", "x"], "argument --start: give a whole number, not 'x'"),
        (["train", "run", "--ema", "x"], "argument --ema: give a number, not 'x'"),
        (["prompts", "nosuch.tif"], "nosuch.tif does not exist"),
    ],
)
def test_wrong_words_are_named(run: Run, words: list[str], said: str) -> None:
    done = run(*words)
    assert done.status == 2
    assert said in done.complaint


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_knows_every_option(run: Run, shell: str) -> None:
    done = run("--print-completion", shell)
    assert done.status == 0
    assert all(word in done.out for word in ("segment", "--fill-holes", "download", "--interactive"))
    if shell == "bash":
        assert subprocess.run(["bash", "-n"], input=done.out, text=True, check=False).returncode == 0


def test_json_is_one_object_on_stdout(run: Run, disk: DiskStack, fast: list[object], tmp_path: Path) -> None:
    out = tmp_path / "result"
    command = ["segment", disk.path, "--prompts", disk.prompts, "--output", out, "--max-frames", 2, *fast]
    done = run(*command, "--json")
    assert done.status == 0, done.err
    report = json.loads(done.out)
    assert (report["folder"], report["n_objects"], report["complete"]) == (str(out), 3, True)
    assert "labels.tif" in report["files"]
    written = json.loads(run("export", "--json", out, "--to", "ctc").out)
    assert written == {"written": [str(out / "ctc")]}
    listed = json.loads(run("weights", "list", "--json").out)["weights"]
    assert "sam2_nano" in [entry["name"] for entry in listed if entry["present"]]


def test_reader_that_has_seen_enough_is_no_error() -> None:
    process = subprocess.Popen([SCRIPT, "weights", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("two\n  lines"), "two lines"),
        (FileNotFoundError("x does not exist"), "x does not exist"),
        (PermissionError(13, "Permission denied", "/x"), "/x: Permission denied"),
        (DownloadError("no network"), "no network"),
        (RuntimeError("shapes differ"), None),
        (KeyError("x"), None),
    ],
)
def test_description_of_an_error(error: Exception, line: str | None) -> None:
    assert describe_error(error) == line


def test_names_in_letters_that_the_output_has_not(tmp_path: Path) -> None:
    home = tmp_path / "数据"
    env = {**os.environ, "NAPARI_SAM2_HOME": str(home), "PYTHONIOENCODING": "cp1252"}
    out, err = start_script("weights", "list", env=env).communicate()
    assert (err, "\\u6570\\u636e" in out) == ("", True)


def test_description_of_too_little_memory() -> None:
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    line = describe_error(caught.value)
    assert line is not None
    assert line.startswith("out of memory (")
    assert "--preset fast" in line


def test_notes_join_the_line() -> None:
    error = ValueError("frame 4 is broken")
    error.add_note("frames 0 to 3 are in result")
    assert describe_error(error) == "frame 4 is broken; frames 0 to 3 are in result"

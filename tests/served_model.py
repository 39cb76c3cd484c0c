"""The command that serves a model on loopback, and the end of its worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_sam2.model.sam2 import Sam2
from napari_sam2.remote.remote_model import RemoteModel

SCRIPT = Path(sys.executable).parent / "napari-sam2"


@contextmanager
def serving(*words: object) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run ``napari-sam2 serve``; gives the address that it prints, and the process."""
    # Sums over other numbers of threads end in other last bits.
    command = [str(SCRIPT), "serve", "--port", "0", "--threads", "1", "--json", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            yield json.loads(line)["address"], process
        finally:
            # Not SIGINT, which programs in the background of a shell may have been told to ignore.
            process.terminate()
            process.wait(timeout=20)


def kill_worker(model: Sam2) -> None:
    """End the process that a model is in, as the system does where memory runs out."""
    assert isinstance(model, RemoteModel)
    (pid,) = model.line._client.run(os.getpid).values()
    os.kill(pid, signal.SIGKILL)

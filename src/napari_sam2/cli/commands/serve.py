"""``napari-sam2 serve``: a model for sessions on other computers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.cli.outcome import tell
from napari_sam2.wording import counted

if TYPE_CHECKING:
    from napari_sam2.remote.serving import Served

SUMMARY = "let sessions on other computers use this one's GPU"

_DESCRIPTION = """\
Start a Dask scheduler and a worker for each GPU of this computer, or one on the CPU. A session anywhere uses it as
its device: in napari, choose 'on a cluster' as the device; on the command line, --device tcp://HOST:PORT.

Only this computer can connect, unless --host says otherwise. Who can connect can run any program here: over a network,
use an SSH tunnel, or certificates. Ctrl-C ends it.
"""
_EXAMPLES = """\
examples:
  napari-sam2 serve
  napari-sam2 segment cells.tif --prompts prompts.json --output result --device tcp://127.0.0.1:8786
  ssh -L 8786:127.0.0.1:8786 gpu-server napari-sam2 serve
  napari-sam2 serve --host 0.0.0.0 --tls-ca-file ca.pem --tls-cert server.pem --tls-key server-key.pem
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXAMPLES
    host = "where to listen (default 127.0.0.1: this computer only); 0.0.0.0 is every network"
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help=host)
    port = "port to listen on (default %(default)s); 0 takes any that is free"
    parser.add_argument("--port", type=int, default=8786, metavar="N", help=port)
    threads = "CPU threads of each worker (default: the quickest number; with several GPUs, the cores shared)"
    parser.add_argument("--threads", type=int, metavar="N", help=threads)
    group = parser.add_argument_group("encryption, by Dask's own certificates; all three or none")
    group.add_argument("--tls-ca-file", type=Path, metavar="FILE", help="the authority that certificates must be of")
    group.add_argument("--tls-cert", type=Path, metavar="FILE", help="this computer's certificate")
    group.add_argument("--tls-key", type=Path, metavar="FILE", help="its key")


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C; returns the exit status."""
    from napari_sam2.remote.serving import ServeSettings, TlsFiles, serve

    files = [args.tls_ca_file, args.tls_cert, args.tls_key]
    given = [file for file in files if file is not None]
    if len(given) not in (0, len(files)):
        raise ValueError("--tls-ca-file, --tls-cert and --tls-key go together: give all three, or none")
    for file in given:
        if not file.is_file():
            raise FileNotFoundError(f"there is no file {str(file)!r}")
    if not 0 <= args.port < 2**16:
        raise ValueError(f"--port is a number from 0 to 65535, got {args.port}")
    if args.threads is not None and args.threads < 1:
        raise ValueError(f"--threads is a number from 1, got {args.threads}")
    settings = ServeSettings(args.host, args.port, args.threads, TlsFiles(*files) if given else None)
    if settings.is_open:
        note = "whoever reaches this port can run programs here: use it in a network that you trust, or --tls-..."
        print(f"napari-sam2: note: {note}", file=sys.stderr)

    def announce(served: Served) -> None:
        what = counted(served.gpus, "GPU") if served.gpus else "the CPU"
        text = f"serving {what} at {served.address}: take that as the device; Ctrl-C ends it"
        tell(args, text, {"address": served.address, "workers": served.workers, "gpus": served.gpus})
        sys.stdout.flush()

    try:
        serve(settings, announce)
    except KeyboardInterrupt:
        # As it is meant to end.
        return 0
    return 0

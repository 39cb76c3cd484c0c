"""An HTTP server on loopback that misbehaves as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from napari_sam2.weights.catalog import CatalogEntry
from napari_sam2.weights.download import download
from napari_sam2.weights.transfer import TransferSettings

CONTENT = bytes(range(256)) * 1000
QUICK = TransferSettings(connect_timeout=5, read_timeout=5, retries=2, pause=0.01)


@dataclass
class Behaviour:
    """What the server does.

    ``cuts`` holds how many bytes each answer brings before the connection breaks, ``failures`` the status of each
    answer that fails, ``stalls`` and ``hang_ups`` how many answers stop half-way or never come.
    """

    content: bytes = CONTENT
    status: int = 200
    ranges: bool = True
    wrong_range: bool = False
    etag: str | None = None
    announced: int | None = None
    cuts: list[int] = field(default_factory=list)
    pieces: int = 1
    pause: float = 0.0
    stalls: int = 0
    failures: list[int] = field(default_factory=list)
    hang_ups: int = 0


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviour = Behaviour()
        self.asked: list[tuple[str, str | None]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def ranges_asked(self) -> list[str | None]:
        return [asked for _, asked in self.asked]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""

    def do_GET(self) -> None:
        behaviour, wanted = self.server.behaviour, self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        if behaviour.hang_ups:
            behaviour.hang_ups -= 1
            self.close_connection = True
            return
        status = behaviour.failures.pop(0) if behaviour.failures else behaviour.status
        if status != 200:
            self.send_error(status)
            return
        start = self.start_of_answer(wanted)
        if start > len(behaviour.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(behaviour.content)}")
            self.end_headers()
            return
        self.send_head(start)
        try:
            self.send_body(behaviour.content[start:])
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def start_of_answer(self, wanted: str | None) -> int:
        if wanted is None or not self.server.behaviour.ranges:
            return 0
        condition = self.headers.get("If-Range")
        if condition is not None and condition != self.server.behaviour.etag:
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def send_head(self, start: int) -> None:
        behaviour, size = self.server.behaviour, len(self.server.behaviour.content)
        self.send_response(206 if start else 200)
        if start:
            shown = start + 1 if behaviour.wrong_range else start
            self.send_header("Content-Range", f"bytes {shown}-{size - 1}/{size}")
        if behaviour.etag:
            self.send_header("ETag", behaviour.etag)
        self.send_header("Content-Length", str(behaviour.announced or size - start))
        self.end_headers()

    def send_body(self, body: bytes) -> None:
        behaviour = self.server.behaviour
        if behaviour.stalls:
            behaviour.stalls -= 1
            self.wfile.write(body[: len(body) // 2])
            self.server.released.wait(30)
            return
        if behaviour.cuts:
            self.wfile.write(body[: behaviour.cuts.pop(0)])
            return
        step = -(-len(body) // behaviour.pieces)
        for begin in range(0, len(body), step):
            self.wfile.write(body[begin : begin + step])
            time.sleep(behaviour.pause)


def fetch(entry: CatalogEntry, cancelled: Callable[[], bool] = lambda: False) -> Path:
    return download(entry, progress=False, cancelled=cancelled, settings=QUICK)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def leave_partial(home: Path, content: bytes, name: str = "sample.pt.part") -> Path:
    home.mkdir(parents=True, exist_ok=True)
    path = home / name
    path.write_bytes(content)
    return path

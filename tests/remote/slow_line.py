"""A TCP proxy on which everything takes longer, that counts round trips and can be cut."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Self


class SlowLine:
    """Passes on what goes to an address and comes back from it, each time after a while."""

    def __init__(self, target: str, *, seconds: float) -> None:
        host, _, port = target.removeprefix("tcp://").rpartition(":")
        self._target = host, int(port)
        self._seconds = seconds
        # How often something went there after something had come from there; and all bytes that went there.
        self.round_trips = 0
        self.sent = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._port = 0

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self.mend()
        return self

    def __exit__(self, *_error: object) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def mend(self) -> None:
        """Take connections, on the same port as before."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def cut(self) -> None:
        """End all connections, and take no new ones."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in self._open:
                writer.transport.abort()
            self._server = None
        # Until all of them have ended.
        while self._open:
            await asyncio.sleep(0.01)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there = await asyncio.open_connection(*self._target)
        self._open |= {writer, there}
        # What went over this connection last came from there.
        answered = [True]
        with suppress(OSError, asyncio.IncompleteReadError):
            await asyncio.gather(self._go(reader, there, answered), self._come(there_reader, writer, answered))
        for one in (writer, there):
            one.transport.abort()
            self._open.discard(one)

    async def _go(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answered: list[bool]) -> None:
        while data := await reader.read(2**20):
            self.round_trips += answered[0]
            answered[0] = False
            self.sent += len(data)
            await self._pass_on(data, writer)
        raise ConnectionResetError

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answered: list[bool]) -> None:
        while data := await reader.read(2**20):
            answered[0] = True
            await self._pass_on(data, writer)
        raise ConnectionResetError

    async def _pass_on(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self._seconds)
        writer.write(data)
        await writer.drain()

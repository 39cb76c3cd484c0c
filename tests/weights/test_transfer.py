"""Transfers that are cut off, resumed and cancelled, from a real HTTP server on loopback."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import threading
import time
from pathlib import Path

import pytest
from loopback import CONTENT, QUICK, Behaviour, Server, fetch, files, leave_partial

from napari_sam2.weights.catalog import CatalogEntry
from napari_sam2.weights.download import download
from napari_sam2.weights.transfer import DownloadCancelled, DownloadError


def test_a_cut_off_transfer_goes_on_where_it_stopped(server: Server, entry: CatalogEntry, home: Path) -> None:
    server.behaviour = Behaviour(cuts=[100_000, 80_000])
    assert fetch(entry).read_bytes() == CONTENT
    first, *later = server.ranges_asked
    assert first is None and len(later) == 2
    starts = [int(re.fullmatch(r"bytes=(\d+)-", asked or "")[1]) for asked in later]  # type: ignore[index]
    assert 0 < starts[0] <= 100_000 < starts[1] <= 180_000
    assert files(home) == ["sample.pt"]


def test_a_server_that_hangs_up_is_asked_again(server: Server, entry: CatalogEntry) -> None:
    server.behaviour = Behaviour(hang_ups=2)
    assert fetch(entry).read_bytes() == CONTENT
    assert len(server.asked) == 3


def test_a_server_without_ranges_starts_again(server: Server, entry: CatalogEntry) -> None:
    server.behaviour = Behaviour(cuts=[100_000], ranges=False)
    assert fetch(entry).read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_server_that_continues_elsewhere_is_not_believed(server: Server, entry: CatalogEntry) -> None:
    server.behaviour = Behaviour(cuts=[100_000], wrong_range=True)
    assert fetch(entry).read_bytes() == CONTENT
    assert [asked is None for asked in server.ranges_asked] == [True, False, True]


def test_a_file_that_changed_meanwhile_is_not_mixed(server: Server, entry: CatalogEntry) -> None:
    # Without a published hash only the server's tag can tell the two versions apart.
    unhashed = dataclasses.replace(entry, sha256=None)
    server.behaviour = Behaviour(content=CONTENT[::-1], cuts=[100_000], etag='"old"')

    def change(done: int, total: int | None) -> None:
        server.behaviour.content, server.behaviour.etag = CONTENT, '"new"'

    with pytest.warns(UserWarning, match="not published"):
        path = download(unhashed, progress=change, settings=QUICK)
    assert path.read_bytes() == CONTENT


def test_a_transfer_cut_off_for_ever_ends_in_words(server: Server, entry: CatalogEntry, home: Path) -> None:
    server.behaviour = Behaviour(cuts=[40_000, *[0] * 50])
    with pytest.raises(DownloadError, match=r"cut off after [\d,]+ of 256,000 bytes, 3 times in a row"):
        fetch(entry)
    assert len(server.asked) == 1 + QUICK.retries
    assert not (home / "sample.pt").exists()


def test_the_next_call_goes_on_where_the_last_gave_up(server: Server, entry: CatalogEntry, home: Path) -> None:
    server.behaviour = Behaviour(cuts=[40_000, 0, 0])
    with pytest.raises(DownloadError):
        fetch(entry)
    kept = (home / "sample.pt.part").stat().st_size
    assert kept > 0
    server.asked.clear()
    assert fetch(entry).read_bytes() == CONTENT
    assert server.ranges_asked == [f"bytes={kept}-"]
    assert files(home) == ["sample.pt"]


def test_progress_of_a_resumed_transfer_counts_what_was_there(entry: CatalogEntry, home: Path) -> None:
    leave_partial(home, CONTENT[:200_000])
    told: list[int] = []
    download(entry, progress=lambda done, total: told.append(done), settings=QUICK)
    assert told[0] == 200_000 and told[-1] == len(CONTENT)


def test_a_large_file_gets_through_a_line_that_keeps_breaking(server: Server, entry: CatalogEntry) -> None:
    content = os.urandom(6 << 20)
    large = dataclasses.replace(entry, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
    server.behaviour = Behaviour(content=content, cuts=[1_200_000] * 5)
    assert fetch(large).read_bytes() == content
    assert len(server.asked) > 1 + QUICK.retries


def test_a_spoiled_partial_file_is_thrown_away(server: Server, entry: CatalogEntry, home: Path) -> None:
    leave_partial(home, b"\0" * 100_000)
    assert fetch(entry).read_bytes() == CONTENT
    assert server.ranges_asked == ["bytes=100000-", None]
    assert files(home) == ["sample.pt"]


def test_a_partial_file_longer_than_the_file_is_thrown_away(server: Server, entry: CatalogEntry, home: Path) -> None:
    leave_partial(home, CONTENT + b"more")
    assert fetch(entry).read_bytes() == CONTENT
    assert server.ranges_asked == ["bytes=256004-", None]


def test_the_partial_file_of_a_killed_process_is_taken_up(server: Server, entry: CatalogEntry, home: Path) -> None:
    orphan = leave_partial(home, CONTENT[:100_000], "sample.pt.0123.part")
    yesterday = time.time() - 86_400
    os.utime(orphan, (yesterday, yesterday))
    assert fetch(entry).read_bytes() == CONTENT
    assert server.ranges_asked == ["bytes=100000-"]
    assert files(home) == ["sample.pt"]


def test_the_partial_file_of_a_running_process_is_left_alone(server: Server, entry: CatalogEntry, home: Path) -> None:
    running = leave_partial(home, CONTENT[:100_000], "sample.pt.0123.part")
    assert fetch(entry).read_bytes() == CONTENT
    assert server.ranges_asked == [None]
    assert running.read_bytes() == CONTENT[:100_000]


def test_two_downloads_at_once_both_get_the_file(server: Server, entry: CatalogEntry, home: Path) -> None:
    server.behaviour = Behaviour(pieces=10, pause=0.02)
    both_run = threading.Barrier(2, timeout=10)
    got: list[bytes] = []

    def run() -> None:
        waited: list[int] = []

        def meet(done: int, total: int | None) -> None:
            if not waited:
                waited.append(both_run.wait())

        got.append(download(entry, progress=meet, settings=QUICK).read_bytes())

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [CONTENT, CONTENT]
    assert files(home) == ["sample.pt"]


def test_cancelled_half_way_leaves_no_file_and_can_go_on(server: Server, entry: CatalogEntry, home: Path) -> None:
    done = 0

    def note(bytes_done: int, total: int | None) -> None:
        nonlocal done
        done = bytes_done

    with pytest.raises(DownloadCancelled, match="cancelled"):
        download(entry, progress=note, cancelled=lambda: done > 100_000, settings=QUICK)
    assert 100_000 < done < len(CONTENT)
    assert files(home) == ["sample.pt.part"]
    assert fetch(entry).read_bytes() == CONTENT
    assert server.ranges_asked == [None, f"bytes={done}-"]


def test_cancelled_before_it_began_asks_nobody(server: Server, entry: CatalogEntry, home: Path) -> None:
    with pytest.raises(DownloadCancelled):
        fetch(entry, cancelled=lambda: True)
    assert server.asked == [] and files(home) == []


def test_cancelled_during_a_pause_does_not_wait_for_its_end(server: Server, entry: CatalogEntry) -> None:
    server.behaviour = Behaviour(status=503)
    patient = dataclasses.replace(QUICK, pause=3600.0)
    with pytest.raises(DownloadCancelled):
        download(entry, progress=False, cancelled=lambda: bool(server.asked), settings=patient)
    assert len(server.asked) == 1


def test_an_error_in_the_progress_callback_leaves_no_file(entry: CatalogEntry, home: Path) -> None:
    def fail(done: int, total: int | None) -> None:
        if done:
            raise KeyError("the caller's own mistake")

    with pytest.raises(KeyError, match="own mistake"):
        download(entry, progress=fail, settings=QUICK)
    assert "sample.pt" not in files(home)

"""Downloads from a real HTTP server on loopback: what arrives, what is refused, what is said."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import socket
from pathlib import Path

import pytest
from loopback import CONTENT, QUICK, Behaviour, Server, fetch, files, leave_partial

from napari_sam2.weights.catalog import CATALOG, CatalogEntry
from napari_sam2.weights.download import (
    HashMismatchError,
    VerifyResult,
    download,
    verify,
)
from napari_sam2.weights.transfer import DownloadError


def test_fetches_the_file_into_home(server: Server, entry: CatalogEntry, home: Path) -> None:
    path = fetch(entry)
    assert path == home / "sample.pt"
    assert path.read_bytes() == CONTENT
    assert files(home) == ["sample.pt"]
    assert server.asked == [("/sample.pt", None)]


def test_a_file_that_is_there_needs_no_network(server: Server, entry: CatalogEntry, home: Path) -> None:
    leave_partial(home, CONTENT, "sample.pt")
    assert fetch(entry) == home / "sample.pt"
    assert server.asked == []


def test_another_file_in_its_place_is_refused_and_kept(server: Server, entry: CatalogEntry, home: Path) -> None:
    mine = leave_partial(home, b"my own fine-tuned weights", "sample.pt")
    with pytest.raises(HashMismatchError) as caught:
        fetch(entry)
    assert str(entry.sha256) in str(caught.value)
    assert hashlib.sha256(b"my own fine-tuned weights").hexdigest() in str(caught.value)
    assert mine.read_bytes() == b"my own fine-tuned weights"
    assert server.asked == []


def test_a_slow_server_is_waited_for(server: Server, entry: CatalogEntry) -> None:
    server.behaviour = Behaviour(pieces=20, pause=0.02)
    assert fetch(entry).read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_progress_is_told_in_bytes(entry: CatalogEntry) -> None:
    told: list[tuple[int, int | None]] = []
    download(entry, progress=lambda done, total: told.append((done, total)), settings=QUICK)
    done = [bytes_done for bytes_done, _ in told]
    assert done[0] == 0 and done[-1] == len(CONTENT)
    assert done == sorted(set(done))
    assert {total for _, total in told} == {len(CONTENT)}


def test_the_bar_is_drawn_on_stderr_only_if_wanted(
    entry: CatalogEntry, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    download(entry, progress=True, settings=QUICK)
    shown = capfd.readouterr()
    assert "sample: 100%" in shown.err and "256k/256k" in shown.err
    assert shown.out == ""
    (home / "sample.pt").unlink()
    download(entry, progress=False, settings=QUICK)
    assert capfd.readouterr() == ("", "")


def test_base_url_and_its_variable_replace_every_address(
    server: Server, entry: CatalogEntry, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = dataclasses.replace(entry, url="https://weights.invalid/sample.pt")
    path = download(elsewhere, progress=False, base_url=f"{server.url}/given/", settings=QUICK)
    path.unlink()
    monkeypatch.setenv("NAPARI_SAM2_WEIGHTS_URL", f"{server.url}/variable")
    fetch(elsewhere)
    assert [path for path, _ in server.asked] == ["/given/sample.pt", "/variable/sample.pt"]


def test_base_url_must_be_http(entry: CatalogEntry) -> None:
    with pytest.raises(ValueError, match=r"http:// or https://, got 'ftp://somewhere'"):
        download(entry, progress=False, base_url="ftp://somewhere")


def test_catalogue_names_are_downloaded_by_name(server: Server, home: Path) -> None:
    # The server's bytes are not Meta's, so that the refusal shows which entry and address were used.
    with pytest.raises(HashMismatchError) as caught:
        download("sam2_hiera_small", progress=False, base_url=server.url)
    assert str(CATALOG["sam2_hiera_small"].sha256) in str(caught.value)
    assert server.asked == [("/sam2_hiera_small.pt", None)]
    assert files(home) == []


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="did you mean 'sam2_hiera_tiny'"):
        download("sam2_hiera_tinny")


def test_the_bundled_model_is_never_downloaded(server: Server) -> None:
    try:
        assert download("sam2_nano", base_url=server.url) == CATALOG["sam2_nano"].path
    except DownloadError as error:
        assert not CATALOG["sam2_nano"].path.exists()
        assert "reinstall napari-sam2" in str(error)
    assert server.asked == []


def test_wrong_content_is_refused_with_both_hashes(server: Server, entry: CatalogEntry, home: Path) -> None:
    server.behaviour = Behaviour(content=b"<html>please log in</html>")
    with pytest.raises(HashMismatchError) as caught:
        fetch(entry)
    message = str(caught.value)
    assert str(entry.sha256) in message
    assert hashlib.sha256(b"<html>please log in</html>").hexdigest() in message
    assert f"{server.url}/sample.pt" in message
    assert files(home) == []
    assert len(server.asked) == 1


def assert_helpful(error: DownloadError, entry: CatalogEntry) -> None:
    message = str(error)
    assert entry.url is not None and entry.url in message
    assert str(entry.path) in message and entry.path.is_absolute()
    assert "sam2_nano, which needs no download" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("status", "words", "attempts"),
    [
        (404, "no such file (404 Not Found)", 1),
        (403, "refuses to give the file (403 Forbidden)", 1),
        (429, "in trouble (429 Too Many Requests)", 3),
        (500, "in trouble (500 Internal Server Error)", 3),
        (503, "in trouble (503 Service Unavailable)", 3),
    ],
)
def test_refusals_are_told_in_words(
    server: Server, entry: CatalogEntry, home: Path, status: int, words: str, attempts: int
) -> None:
    server.behaviour = Behaviour(status=status)
    with pytest.raises(DownloadError, match=re.escape(words)) as caught:
        fetch(entry)
    assert_helpful(caught.value, entry)
    assert len(server.asked) == attempts
    assert files(home) == []


def test_a_server_in_trouble_is_asked_again(server: Server, entry: CatalogEntry) -> None:
    server.behaviour = Behaviour(failures=[503, 500])
    assert fetch(entry).read_bytes() == CONTENT
    assert len(server.asked) == 3


def test_no_server_is_told_at_once(entry: CatalogEntry, home: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/sample.pt"
        nowhere = dataclasses.replace(entry, url=url)
        with pytest.raises(DownloadError, match=r"no connection \(.*refused\)") as caught:
            fetch(nowhere)
    assert_helpful(caught.value, nowhere)
    assert files(home) == []


def test_a_server_without_encryption_is_told_at_once(server: Server, entry: CatalogEntry) -> None:
    encrypted = dataclasses.replace(entry, url=f"{server.url}/sample.pt".replace("http:", "https:"))
    with pytest.raises(DownloadError, match="no secure connection") as caught:
        fetch(encrypted)
    assert_helpful(caught.value, encrypted)


def test_an_address_that_is_none_is_told(entry: CatalogEntry) -> None:
    with pytest.raises(DownloadError, match="Invalid URL"):
        download(entry, progress=False, base_url="http://", settings=QUICK)


def test_the_mirror_is_asked_when_the_first_address_fails(server: Server, entry: CatalogEntry) -> None:
    mirrored = dataclasses.replace(entry, mirrors=(f"{server.url}/mirror/sample.pt",))
    server.behaviour = Behaviour(failures=[404])
    assert fetch(mirrored).read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == ["/sample.pt", "/mirror/sample.pt"]


def test_every_address_that_failed_is_named(server: Server, entry: CatalogEntry) -> None:
    mirror = f"{server.url}/mirror/sample.pt"
    server.behaviour = Behaviour(status=404)
    with pytest.raises(DownloadError) as caught:
        fetch(dataclasses.replace(entry, mirrors=(mirror,)))
    assert f"{entry.url}: the server has" in str(caught.value) and f"{mirror}: the server has" in str(caught.value)


def test_a_server_that_falls_silent_is_asked_again(server: Server, entry: CatalogEntry) -> None:
    server.behaviour = Behaviour(stalls=1)
    hasty = dataclasses.replace(QUICK, read_timeout=0.5)
    assert download(entry, progress=False, settings=hasty).read_bytes() == CONTENT
    assert len(server.asked) == 2 and server.ranges_asked[1] is not None


def test_a_server_that_stays_silent_is_given_up(server: Server, entry: CatalogEntry, home: Path) -> None:
    server.behaviour = Behaviour(stalls=10)
    hasty = dataclasses.replace(QUICK, read_timeout=0.2, retries=1)
    with pytest.raises(DownloadError, match=r"sent nothing for 0.2 s, 2 times in a row") as caught:
        download(entry, progress=False, settings=hasty)
    assert_helpful(caught.value, entry)
    assert not (home / "sample.pt").exists()


def test_a_full_disk_is_noticed_before_it_is_full(server: Server, entry: CatalogEntry, home: Path) -> None:
    server.behaviour = Behaviour(announced=10**18)
    with pytest.raises(DownloadError, match=r"could not write .* bytes are free.*NAPARI_SAM2_HOME"):
        fetch(entry)
    assert files(home) == []


def test_a_home_that_is_no_folder_is_told(server: Server, entry: CatalogEntry, home: Path) -> None:
    home.write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(DownloadError, match=r"could not write .*NAPARI_SAM2_HOME"):
        fetch(entry)
    assert home.read_text(encoding="utf-8") == "a file where the folder should be"


def test_an_unchecked_file_is_kept_with_a_warning_that_shows_its_hash(entry: CatalogEntry) -> None:
    with pytest.warns(UserWarning, match=f"could not be checked.*{entry.sha256}"):
        path = fetch(dataclasses.replace(entry, sha256=None))
    assert path.read_bytes() == CONTENT


def test_an_unchecked_file_is_never_put_together_from_two_calls(
    server: Server, entry: CatalogEntry, home: Path
) -> None:
    unhashed = dataclasses.replace(entry, sha256=None)
    server.behaviour = Behaviour(cuts=[100_000, 0, 0])
    with pytest.raises(DownloadError):
        fetch(unhashed)
    assert files(home) == []


def test_a_notice_is_given_before_the_download(server: Server, entry: CatalogEntry) -> None:
    with pytest.warns(UserWarning, match="sample: for research only"):
        fetch(dataclasses.replace(entry, notice="for research only"))


def test_verify_names_what_was_expected_and_what_it_got(tmp_path: Path) -> None:
    path = tmp_path / "sam2_hiera_tiny.pt"
    path.write_bytes(b"something else")
    result = verify(path)
    actual = hashlib.sha256(b"something else").hexdigest()
    assert result.verdict == "mismatch" and result.expected_name == "sam2_hiera_tiny"
    assert f"expected {CATALOG['sam2_hiera_tiny'].sha256}, got {actual}" in result.summary


def test_verify_against_a_name_ignores_the_files_own(tmp_path: Path) -> None:
    path = tmp_path / "download(1).pt"
    path.write_bytes(b"something else")
    result = verify(str(path), "sam2.1_hiera_large")
    assert result.verdict == "mismatch" and result.expected_sha256 == CATALOG["sam2.1_hiera_large"].sha256


@pytest.mark.parametrize(("file_name", "says"), [("mine.pt", "no file"), ("MedSAM2_US_Heart.pt", "no hash for")])
def test_verify_does_not_judge_what_it_cannot(tmp_path: Path, file_name: str, says: str) -> None:
    path = tmp_path / file_name
    path.write_bytes(b"weights")
    result = verify(path)
    assert result.verdict == "unknown"
    assert says in result.summary and hashlib.sha256(b"weights").hexdigest() in result.summary


@pytest.mark.parametrize(
    ("matching", "expected", "verdict"),
    [
        ("sam2_hiera_tiny", "sam2_hiera_tiny", "match"),
        ("sam2_hiera_tiny", None, "match"),
        ("sam2_hiera_tiny", "sam2_hiera_small", "mismatch"),
        ("sam2_hiera_tiny", "MedSAM2_US_Heart", "mismatch"),
        (None, "sam2_hiera_small", "mismatch"),
        (None, "MedSAM2_US_Heart", "unknown"),
        (None, None, "unknown"),
    ],
)
def test_verdicts(tmp_path: Path, matching: str | None, expected: str | None, verdict: str) -> None:
    result = VerifyResult(
        path=tmp_path / "weights.pt",
        sha256=(CATALOG[matching].sha256 if matching else None) or "0" * 64,
        matching_name=matching,
        expected_name=expected,
        expected_sha256=CATALOG[expected].sha256 if expected else None,
    )
    assert result.verdict == verdict
    assert result.sha256 in result.summary
    assert all(name in result.summary for name in (matching, expected) if name)


def test_verify_needs_a_file_and_a_known_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / "none.pt"))):
        verify(tmp_path / "none.pt")
    path = tmp_path / "there.pt"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="no model 'sam3'"):
        verify(path, "sam3")

import errno
import hashlib
from pathlib import Path
from typing import Any

import pytest

from edge_llasm import download
from edge_llasm.download import ATTEMPTS, Remote, fetch, read, require_safe
from edge_llasm.errors import DownloadError
from tests.web import Web

CONTENT = bytes(range(256)) * 5000  # some blocks
PATH = "/models/llm.gguf"


@pytest.fixture(autouse=True)
def in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSE", 0.0)


@pytest.fixture
def remote(web: Web) -> Remote:
    web.files[PATH] = CONTENT
    return Remote(web.url + PATH, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "llm.gguf"


def ranges(web: Web) -> list[str | None]:
    return [headers.get("range") for headers in web.asked(PATH)]


def test_a_file_arrives_and_every_byte_is_reported(remote: Remote, path: Path) -> None:
    reports: list[int] = []
    fetch(remote, path, reports.append)
    assert path.read_bytes() == CONTENT
    assert sum(reports) == len(CONTENT)
    assert len(reports) > 1


def test_a_connection_that_is_cut_is_taken_up_again(web: Web, remote: Remote, path: Path) -> None:
    web.cuts[PATH] = [300_000, 0, 400_000]
    fetch(remote, path)
    assert path.read_bytes() == CONTENT
    assert ranges(web) == [None, "bytes=300000-", "bytes=300000-", "bytes=700000-"]


def test_a_connection_that_stays_cut_keeps_what_arrived(web: Web, remote: Remote, path: Path) -> None:
    web.cuts[PATH] = [300_000] + [0] * ATTEMPTS
    with pytest.raises(DownloadError, match=r"lost at 0\.3 MB of 1\.3 MB .*run the same command again"):
        fetch(remote, path)
    assert path.read_bytes() == CONTENT[:300_000]
    reports: list[int] = []
    fetch(remote, path, reports.append)
    assert path.read_bytes() == CONTENT
    assert ranges(web)[-1] == "bytes=300000-"
    assert sum(reports) == len(CONTENT)


def test_a_server_that_is_busy_is_asked_again(web: Web, remote: Remote, path: Path) -> None:
    web.refusals[PATH] = [503, 429]
    fetch(remote, path)
    assert path.read_bytes() == CONTENT


def test_a_server_without_ranges_sends_it_all_again(web: Web, remote: Remote, path: Path) -> None:
    web.ranges = False
    web.cuts[PATH] = [300_000]
    reports: list[int] = []
    fetch(remote, path, reports.append)
    assert path.read_bytes() == CONTENT
    assert sum(reports) == len(CONTENT)


def test_a_file_that_is_there_is_only_checked(web: Web, remote: Remote, path: Path) -> None:
    path.write_bytes(CONTENT)
    fetch(remote, path)
    assert web.requests == []


@pytest.mark.parametrize("there", [b"old" * 1000, b"x" * len(CONTENT), b"x" * 2 * len(CONTENT)])
def test_the_beginning_of_another_file_is_replaced(remote: Remote, path: Path, there: bytes) -> None:
    path.write_bytes(there)
    reports: list[int] = []
    fetch(remote, path, reports.append)
    assert path.read_bytes() == CONTENT
    assert sum(reports) == len(CONTENT)


@pytest.mark.parametrize("wrong", [CONTENT[:-1] + b"!", CONTENT + b"!"])
def test_a_wrong_file_is_refused_by_name_and_thrown_away(
    web: Web, remote: Remote, path: Path, wrong: bytes
) -> None:
    web.files[PATH] = wrong
    with pytest.raises(DownloadError, match=r"^llm\.gguf from 127.* not the file that was published"):
        fetch(remote, path)
    assert not path.exists()


def test_a_file_that_became_shorter_on_the_server_is_not_taken(web: Web, remote: Remote, path: Path) -> None:
    path.write_bytes(CONTENT[:900_000])
    web.files[PATH] = CONTENT[:500_000]
    with pytest.raises(DownloadError, match="is shorter than the file that was published"):
        fetch(remote, path)


@pytest.mark.parametrize(
    ("status", "what"), [(404, "check the address"), (401, "not public"), (403, "not public")]
)
def test_a_refusal_is_final_and_says_what_to_do(
    web: Web, remote: Remote, path: Path, status: int, what: str
) -> None:
    web.refusals[PATH] = [status]
    with pytest.raises(DownloadError, match=rf"\({status}.*{what}"):
        fetch(remote, path)
    assert len(web.requests) == 1


def test_nobody_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:1 cannot be reached \(Connection refused\)"):
        read("http://127.0.0.1:1/bundle.toml", 100)


def test_a_full_disk_keeps_what_arrived(remote: Remote, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(download._Growing):
        def append(self, block: bytes) -> None:
            if self.size:
                raise OSError(errno.ENOSPC, "No space left on device")
            super().append(block)

    with monkeypatch.context() as full:
        full.setattr(download, "_Growing", Full)
        with pytest.raises(
            DownloadError, match=r"No space left on device\): what arrived is kept; make room"
        ):
            fetch(remote, path)
    assert 0 < path.stat().st_size < len(CONTENT)
    fetch(remote, path)
    assert path.read_bytes() == CONTENT


def test_two_do_not_write_one_file(web: Web, remote: Remote, path: Path) -> None:
    with download._Growing(path, lambda n: None), pytest.raises(DownloadError, match="by another process"):
        fetch(remote, path)
    fetch(remote, path)


def test_proof_of_identity_is_shown_to_the_first_server_only(web: Web, remote: Remote, path: Path) -> None:
    web.redirects["/gate"] = f"{web.url}/door"
    web.redirects["/door"] = f"http://localhost:{web.port}{PATH}"
    known = Remote(web.url + "/gate", remote.size, remote.sha256, {"authorization": "Bearer secret"})
    fetch(known, path)
    assert web.asked("/gate")[0]["authorization"] == "Bearer secret"
    assert web.asked("/door")[0]["authorization"] == "Bearer secret"
    assert "authorization" not in web.asked(PATH)[0]
    assert "secret" not in repr(known)


@pytest.mark.parametrize(
    "url", ["http://example.org/x", "ftp://example.org/x", "file:///etc/passwd", "https:///x", "https://[/x"]
)
def test_unsafe_addresses_are_refused(url: str) -> None:
    with pytest.raises(DownloadError, match="address"):
        require_safe(url)


def test_a_redirection_to_an_unsafe_address_is_refused(web: Web) -> None:
    web.redirects["/bundle.toml"] = "http://example.org/bundle.toml"
    with pytest.raises(DownloadError, match="not safe"):
        read(f"{web.url}/bundle.toml", 100)


def test_small_files_have_a_limit_and_must_be_whole(web: Web) -> None:
    web.files["/small"] = b"12345"
    assert read(f"{web.url}/small", 5) == b"12345"
    with pytest.raises(DownloadError, match="is longer than"):
        read(f"{web.url}/small", 4)
    web.cuts["/small"] = [3]
    with pytest.raises(DownloadError, match="was cut off"):
        read(f"{web.url}/small", 5)


def test_progress_may_be_interrupted_and_the_file_kept(remote: Remote, path: Path) -> None:
    def stop(n: int) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(remote, path, stop)
    assert path.stat().st_size > 0

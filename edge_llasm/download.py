"""One file over HTTP: resumed where an earlier attempt stopped, taken only if its size and checksum are right.

The standard library's client, so that fetching a model from an https folder needs nothing but the package.
Resuming is a Range request (RFC 9110, section 14); a server without ranges sends the file from its beginning.
"""

from __future__ import annotations

import hashlib
import http.client
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from time import sleep
from typing import IO, BinaryIO, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

try:
    import fcntl
except ImportError:  # not POSIX
    fcntl = None  # type: ignore[assignment]

from edge_llasm.errors import DownloadError
from edge_llasm.units import readable

__all__ = ["Progress", "Remote", "fetch", "read", "require_safe"]

Progress = Callable[[int], None]
"""Called with the number of bytes that are there now and were not before; negative when a file begins anew."""

BLOCK = 1 << 18
"""Bytes read at a time: small enough that Ctrl-C is felt at once."""
TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as lost"""
ATTEMPTS = 5
"""Connections in a row that may bring nothing"""
PAUSE = 1.0
"""Seconds before the second connection; doubles each time"""

_LOCAL = ("localhost", "127.0.0.1", "::1")
_PASSING = (408, 429, 500, 502, 503, 504)
"""Statuses that another attempt may not meet again"""
_PARTIAL_CONTENT, _RANGE_NOT_SATISFIABLE = 206, 416


@dataclass(frozen=True)
class Remote:
    """A file on a server, and how to know it."""

    url: str
    size: int
    """bytes"""
    sha256: str
    """64 lower-case hexadecimal digits"""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """sent to this server only, not to one that it redirects to"""

    @property
    def name(self) -> str:
        return urlsplit(self.url).path.rpartition("/")[2]


class _Lost(DownloadError):
    """The connection failed in a way that another attempt may not."""


def fetch(remote: Remote, path: Path, progress: Progress | None = None) -> None:
    """Fill the file ``path``; what it holds already is taken for the beginning.

    A lost connection is taken up again by itself; ``path`` is kept when that fails too, so that a later call goes
    on from there, and removed when it turns out to be another file. Raises DownloadError.
    """
    report = progress or (lambda n: None)
    try:
        with _Growing(path, report) as growing:
            begun_earlier = growing.size > 0
            _fill(growing, remote)
            right = growing.size == remote.size and growing.digest.hexdigest() == remote.sha256
            if not right:
                growing.restart()
                path.unlink()
    except OSError as error:
        raise DownloadError(
            f"cannot write {path} ({error.strerror}): what arrived is kept; make room there, then run the same "
            "command again"
        ) from error
    if not right and begun_earlier:
        fetch(remote, path, progress)  # the beginning may have been of another version
    elif not right:
        raise DownloadError(
            f"{remote.name} from {urlsplit(remote.url).netloc} is not the file that was published (its size or "
            "sha256 is wrong), it was thrown away: try again later, and tell the publisher"
        )


def read(url: str, limit: int, headers: Mapping[str, str] | None = None) -> bytes:
    """A small file of at most ``limit`` bytes. Raises DownloadError."""
    with _translated(url), _open(url, headers or {}) as response:
        content = response.read(limit + 1)
        cut = bool(response.length)  # what the server promised and did not send
    if len(content) > limit:
        raise DownloadError(f"{url} is longer than {readable(limit)}: is it the right address?")
    if cut:
        raise DownloadError(f"{url} was cut off: run the same command again")
    return content


def require_safe(url: str) -> None:
    """Raise DownloadError unless ``url`` is https, or http on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        raise DownloadError(f"{url} is not an address: {error}") from error
    if not host or parts.scheme not in ("https", "http"):
        raise DownloadError(f"{url} is not an address that files are fetched from: give one with https://")
    if parts.scheme == "http" and host not in _LOCAL:
        raise DownloadError(f"{url} is not safe: give an address with https:// (http:// is for localhost)")


class _Growing:
    """A file that grows at its end, and the digest of what it holds."""

    def __init__(self, path: Path, report: Progress) -> None:
        self.digest = hashlib.sha256()
        self.size = 0
        self._report = report
        self._file: BinaryIO = path.open("a+b")
        self._file.seek(0)

    def __enter__(self) -> _Growing:
        try:
            _lock(self._file)
            while block := self._file.read(BLOCK):
                self._count(block)
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, block: bytes) -> None:
        self._file.write(block)
        self._count(block)

    def restart(self) -> None:
        self._file.truncate(0)
        self._report(-self.size)
        self.digest = hashlib.sha256()
        self.size = 0

    def _count(self, block: bytes) -> None:
        self.digest.update(block)
        self.size += len(block)
        self._report(len(block))


def _lock(file: BinaryIO) -> None:
    """Raise DownloadError if another process has the file; until it is closed, no other gets it."""
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DownloadError(f"{file.name} is being fetched by another process: wait for that") from error
    except OSError:
        return  # a file system without locks; a file that two have written is found by its checksum


def _fill(growing: _Growing, remote: Remote) -> None:
    """Connect until all is there, or too much. Raises DownloadError, OSError when it cannot be written."""
    fruitless, most = 0, growing.size
    while growing.size < remote.size:
        try:
            for block in _blocks(growing, remote):
                growing.append(block)
                if growing.size > remote.size:
                    return
            if growing.size < remote.size:
                raise _Lost("the server ended the connection")
        except _Lost as error:
            fruitless = 0 if growing.size > most else fruitless + 1
            most = max(most, growing.size)
            if fruitless == ATTEMPTS:
                raise DownloadError(
                    f"{remote.name}: the connection to {urlsplit(remote.url).netloc} was lost at "
                    f"{readable(growing.size)} of {readable(remote.size)} ({error}): run the same command again, "
                    "it goes on from there"
                ) from error
            sleep(PAUSE * 2**fruitless)


def _blocks(growing: _Growing, remote: Remote) -> Iterator[bytes]:
    """What one connection brings. Starts the file anew if the server does not go on where it ends."""
    begin = growing.size
    headers = dict(remote.headers) | ({"Range": f"bytes={begin}-"} if begin else {})
    with _translated(remote.url):
        response = _open(remote.url, headers)
    with response:
        goes_on = response.status == _PARTIAL_CONTENT and (
            response.headers.get("Content-Range", "").startswith(f"bytes {begin}-")
        )
        if begin and not goes_on:
            growing.restart()
        while True:
            with _translated(remote.url):
                block = response.read1(BLOCK)
            if not block:
                return
            yield block


def _open(url: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
    require_safe(url)
    request = Request(url, headers={"User-Agent": "edge-llasm", **headers, "Accept-Encoding": "identity"})
    return cast(http.client.HTTPResponse, _OPENER.open(request, timeout=TIMEOUT))


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Foreign errors become DownloadError, or _Lost where another attempt may help."""
    host = urlsplit(url).netloc
    try:
        yield
    except HTTPError as error:
        error.close()
        if error.code in _PASSING:
            raise _Lost(f"{host} answered {error.code}, try again later") from error
        if error.code in (401, 403):
            raise DownloadError(
                f"{url} is refused ({error.code}): it is not public; for a repository of the Hub accept its terms "
                "there and set HF_TOKEN"
            ) from error
        if error.code == _RANGE_NOT_SATISFIABLE:
            raise DownloadError(
                f"{url} is shorter than the file that was published: tell the publisher"
            ) from error
        raise DownloadError(
            f"{url} cannot be had ({error.code} {error.reason}): check the address"
        ) from error
    except (URLError, OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise DownloadError(
                f"{host} cannot be trusted ({reason.verify_message}): check its address and this machine's "
                "certificates and clock"
            ) from error
        if isinstance(error, ValueError):
            raise DownloadError(f"{url} is not an address: {error}") from error
        text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        raise _Lost(f"{host} cannot be reached ({text}); check the connection") from error


class _Redirects(HTTPRedirectHandler):
    """Follows to safe addresses only, and shows what proves the user's identity to nobody else."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        require_safe(newurl)
        request = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        if request is not None and _origin(newurl) != _origin(req.full_url):
            request.remove_header("Authorization")
        return request


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


_OPENER = build_opener(_Redirects)

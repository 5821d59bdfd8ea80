"""A web server on this machine, with the faults that real ones have, and the parts of the Hub that are called.

What is answered to which path stands in plain dictionaries, which a test fills and changes as it likes.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

LARGE = (".bin", ".gguf", ".model", ".onnx", ".safetensors", ".weights")
"""Ends of names that a Hub keeps outside git"""
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Web:
    """Paths, each with a leading slash, and what happens there."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    """sent with a file, a redirection or a refusal"""
    redirects: dict[str, str] = field(default_factory=dict)
    """path -> where to"""
    refusals: dict[str, list[int]] = field(default_factory=dict)
    """path -> statuses of the next requests"""
    cuts: dict[str, list[int]] = field(default_factory=dict)
    """path -> bytes after which the next connections end, while all were promised"""
    ranges: bool = True
    """whether a part of a file may be asked for"""
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """method, path, headers (lower case)"""
    during: Callable[[str], None] | None = None
    """called with the path before a request is answered"""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def asked(self, path: str) -> list[dict[str, str]]:
        """Headers of the GET requests for `path`."""
        return [headers for method, asked, headers in self.requests if (method, asked) == ("GET", path)]

    def share(self, folder: Path, path: str) -> str:
        """Serve a folder's files; its address."""
        for file in folder.iterdir():
            if file.is_file():
                self.files[f"{path}/{file.name}"] = file.read_bytes()
        return self.url + path


@contextmanager
def serving() -> Iterator[Web]:
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, web)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(request: BaseHTTPRequestHandler, web: Web) -> None:
    path = unquote(urlsplit(request.path).path)
    headers = {name.lower(): value for name, value in request.headers.items()}
    web.requests.append((request.command, path, headers))
    if web.during is not None:
        web.during(path)
    extra = dict(web.headers.get(path, {}))
    content = web.files.get(path, b"")
    begin = 0
    if web.refusals.get(path):
        status, content = web.refusals[path].pop(0), b""
    elif path in web.redirects:
        status, content = 302, b""
        extra["Location"] = web.redirects[path]
    elif path not in web.files:
        status = 404
        extra.setdefault("X-Error-Code", "RepoNotFound" if path.startswith("/api/") else "EntryNotFound")
    elif web.ranges and "range" in headers:
        begin = int(headers["range"].removeprefix("bytes=").removesuffix("-"))
        status = 206 if begin < len(content) else 416
        extra["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
    else:
        status = 200
    content = content[begin:]
    request.send_response(status)
    for name, value in extra.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    if request.command == "GET":
        cut = web.cuts[path].pop(0) if web.cuts.get(path) else len(content)
        request.wfile.write(content[:cut])


def publish(
    web: Web,
    repo: str,
    folder: Path,
    *,
    licence: str | None = None,
    gated: bool = False,
    commit: str = COMMIT,
) -> None:
    """Make a folder a repository of a Hub: large files on another host, as the real one keeps them."""
    siblings = []
    for file in folder.iterdir():
        content = file.read_bytes()
        headers = {"X-Repo-Commit": commit} | ({"X-Error-Code": "GatedRepo"} if gated else {})
        sibling: dict[str, object] = {"rfilename": file.name, "size": len(content)}
        if large := file.suffix in LARGE:
            digest = hashlib.sha256(content).hexdigest()
            sibling["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
            headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content))}
            web.files[f"/storage/{repo}/{file.name}"] = content
        else:
            headers |= {"ETag": f'"{hashlib.sha1(content).hexdigest()}"'}
        for revision in ("main", commit):
            path = f"/{repo}/resolve/{revision}/{file.name}"
            web.headers[path] = headers
            if gated:
                web.refusals[path] = [403] * 9
            elif large:
                web.redirects[path] = f"http://localhost:{web.port}/storage/{repo}/{file.name}"
            else:
                web.files[path] = content
        siblings.append(sibling)
    info = {"id": repo, "sha": commit, "private": False, "gated": "auto" if gated else False}
    info |= {"siblings": siblings, "cardData": {"license": licence} if licence else {}}
    for revision in ("main", commit):
        web.files[f"/api/models/{repo}/revision/{revision}"] = json.dumps(info).encode()
    web.files[f"/api/models/{repo}"] = json.dumps(info).encode()

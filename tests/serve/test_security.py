"""Who is let in, and how much may be sent."""

import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from edge_llasm.serve import protocol
from edge_llasm.serve.app import create_app
from edge_llasm.serve.backend import Backend
from edge_llasm.serve.limits import Limits
from tests.serve.running import backend_for, fetch, hosted, until

TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def guarded(backend: Backend, app: TestClient) -> TestClient:
    """The same model behind a token, and with a name."""
    application = create_app(backend, token=TOKEN, hosts=["sofa.local"])
    return TestClient(application, base_url="http://localhost")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:8080", "192.168.1.5", "LOCALHOST"])
def test_addresses_and_localhost_are_answered(app: TestClient, host: str) -> None:
    assert app.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "", "127.0.0.1.evil.example", "[", "a@b"]
)
def test_a_name_that_was_made_to_point_here_is_not(app: TestClient, host: str) -> None:
    answer = app.get("/health", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json()["error"]["code"] == "host"


def test_a_name_of_ones_own_can_be_allowed(guarded: TestClient, app: TestClient) -> None:
    headers = {"Host": "Sofa.local:8080", "Authorization": f"Bearer {TOKEN}"}
    assert guarded.get("/health", headers=headers).status_code == 200
    assert app.get("/health", headers={"Host": "sofa.local"}).status_code == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "https://localhost", "http://localhost:81", "null", ""]
)
def test_pages_of_other_sites_are_refused(app: TestClient, origin: str) -> None:
    assert app.get("/health", headers={"Origin": origin}).status_code == 403
    with (
        pytest.raises(WebSocketDisconnect) as closed,
        app.websocket_connect("ws://localhost/v1/realtime", headers={"Origin": origin}),
    ):
        pass
    assert closed.value.code == 1008


def test_the_servers_own_pages_are_not(app: TestClient) -> None:
    assert app.get("/health", headers={"Origin": "http://localhost"}).status_code == 200
    with app.websocket_connect(
        "ws://localhost/v1/realtime", headers={"Origin": "http://localhost"}
    ) as session:
        assert session.receive_json()["type"] == "session.created"


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \u00e9"]
)
def test_without_the_token_nothing_is_served(guarded: TestClient, given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given.encode()}
    for path in ("/health", "/metrics", "/v1/models", "/nowhere"):
        answer = guarded.get(path, headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
    with (
        pytest.raises(WebSocketDisconnect),
        guarded.websocket_connect("ws://localhost/v1/realtime", headers=headers),  # type: ignore[arg-type]
    ):
        pass


def test_with_the_token_everything_is(guarded: TestClient) -> None:
    assert guarded.get("/v1/models", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    protocols = ["realtime", f"openai-insecure-api-key.{TOKEN}"]
    with guarded.websocket_connect("ws://localhost/v1/realtime", protocols) as session:
        assert session.accepted_subprotocol == "realtime"
        assert session.receive_json()["type"] == "session.created"


def test_a_body_that_is_too_large_is_refused(app: TestClient, backend: Backend) -> None:
    size = backend.limits.body_bytes + 1
    said = app.post("/v1/chat/completions", content=b"x" * size, headers={"Content-Type": "application/json"})
    unsaid = app.post(
        "/v1/chat/completions",
        content=(b"x" * 65536 for _ in range(size // 65536 + 1)),
        headers={"Content-Type": "application/json"},
    )
    form = app.post("/v1/audio/transcriptions", files={"file": b"x" * size}, data={"model": "tiny"})
    assert [answer.status_code for answer in (said, unsaid, form)] == [413, 413, 413]
    assert said.json()["error"]["code"] == unsaid.json()["error"]["code"] == "too_large"


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 30, "x"])
def test_a_length_that_is_none_is_refused(app: TestClient, length: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": length}
    assert app.post("/v1/chat/completions", content=b"{}", headers=headers).status_code in (400, 413)


def test_all_bodies_together_have_a_bound(backend: Backend, app: TestClient) -> None:
    full = create_app(replace(backend, limits=replace(backend.limits, held_bytes=1000)))
    client = TestClient(full, base_url="http://localhost")
    for _ in range(3):  # what was refused or answered is held no more
        small = client.post("/v1/chat/completions", json={"model": "other"})
        large = client.post("/v1/chat/completions", json={"model": "x" * 1000})
        assert (small.status_code, large.status_code) == (404, 503)
        assert large.headers["retry-after"] == "1"


def test_answers_forbid_what_they_do_not_need(app: TestClient) -> None:
    for path in ("/health", "/nowhere"):
        headers = app.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


@pytest.fixture(scope="module")
def impatient(tiny_bundle: Path) -> Iterator[str]:
    """A server on a real socket that waits a second at most."""
    limits = Limits(idle_seconds=1.0, header_bytes=2 << 10)
    with pytest.MonkeyPatch.context() as patch, hosted(backend_for(tiny_bundle, limits)) as url:
        patch.setattr(protocol, "HEAD_SECONDS", 1.0)
        yield url


def answer_to(url: str, *parts: bytes) -> bytes:
    """What comes back until the server closes the connection; the parts are sent one by one."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
        answer = b""
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for part in parts:
                connection.sendall(part)
                time.sleep(0.2)  # a slow client
            while data := connection.recv(65536):
                answer += data
        return answer


def test_a_head_that_does_not_come_ends_the_connection(impatient: str) -> None:
    assert answer_to(impatient) == b""
    assert answer_to(impatient, b"GET /health HTTP/1.1\r\nHost: localhost\r\n") == b""
    assert answer_to(impatient, *(b"GET /" + b"a" * n for n in range(10))) == b""
    assert fetch(impatient + "/health")[0] == 200


def test_a_body_that_does_not_come_ends_the_request(impatient: str) -> None:
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n"
    )
    assert answer_to(impatient, head, b"{").startswith(b"HTTP/1.1 408 ")


def test_a_head_without_end_is_refused(impatient: str) -> None:
    for size in (3 << 10, 1 << 20):
        head = b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X: " + b"a" * size
        assert answer_to(impatient, head).startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))


def test_there_is_room_for_so_many_connections(tiny_bundle: Path) -> None:
    with hosted(backend_for(tiny_bundle, Limits(connections=4))) as url:
        place = urlsplit(url)
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(socket.create_connection((place.hostname, place.port)))
            until(lambda: fetch(url + "/health")[0] == 503)
        until(lambda: fetch(url + "/health")[0] == 200)


def test_nonsense_is_refused(impatient: str) -> None:
    assert answer_to(impatient, b"\x16\x03\x01\x00\xa5\x01\x00\r\n\r\n").startswith(b"HTTP/1.1 400")

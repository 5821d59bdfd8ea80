"""The link that works once, and the cookie that it leaves."""

import re
import time

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from edge_llasm.serve.app import create_app
from edge_llasm.serve.backend import Backend
from edge_llasm.serve.door import SECONDS, Door

TOKEN = "a token of some length"
SOCKET = "wss://localhost/v1/realtime"
BROWSER = {"Accept": "text/html,*/*"}


class Guarded:
    """The application behind a door; every ticket that there was."""

    def __init__(self, backend: Backend, token: str = TOKEN, secure: bool = True) -> None:
        self.tickets: list[str] = []
        door = Door(token, secure=secure, invite=self.tickets.append)
        door.open()
        scheme = "https" if secure else "http"
        app = create_app(backend, token=token, door=door)
        self.client = TestClient(app, base_url=f"{scheme}://localhost", raise_server_exceptions=False)

    def enter(self) -> str:
        """The cookie, as it is set."""
        answer = self.client.get(f"/enter/{self.tickets[-1]}")
        assert answer.status_code == 200
        return str(answer.headers["set-cookie"])


@pytest.fixture
def guarded(backend: Backend) -> Guarded:
    return Guarded(backend)


def test_nothing_is_served_without_the_cookie(guarded: Guarded) -> None:
    for path in (
        "/",
        "/page/main.js",
        "/health",
        "/metrics",
        "/v1/models",
        "/enter/",
        "/enter/wrong",
        "/none",
    ):
        assert guarded.client.get(path).status_code in (401, 404), path
    assert guarded.client.get("/", headers=BROWSER).text.startswith("edge-llasm: this browser is not let in")
    assert "token" in refusal(guarded, {})


def test_a_ticket_lets_one_browser_in_and_the_next_one_is_made(guarded: Guarded) -> None:
    first = guarded.tickets[0]
    cookie = guarded.enter()
    assert guarded.client.get("/").status_code == 200
    assert len(set(guarded.tickets)) == 2
    assert re.match(r"__Host-edge-llasm=\S+; Path=/; HttpOnly; SameSite=Strict; Max-Age=\d+; Secure$", cookie)
    guarded.client.cookies.clear()
    assert guarded.client.get(f"/enter/{first}").status_code == 401
    assert guarded.client.get(f"/enter/{guarded.tickets[-1]}").status_code == 200


def test_a_link_that_is_only_looked_at_stays_good(guarded: Guarded) -> None:
    link = f"/enter/{guarded.tickets[0]}"
    for answer in (guarded.client.head(link), guarded.client.get(link, headers={"Sec-Purpose": "prefetch"})):
        assert answer.status_code == 204
        assert "set-cookie" not in answer.headers
    assert guarded.client.get(link).status_code == 200


def test_cookies_of_other_servers_on_this_address_are_in_nobodys_way(guarded: Guarded) -> None:
    cookie = guarded.enter().partition(";")[0]
    guarded.client.cookies.clear()
    for header in (f'x={{"a": [1, 2]}}; {cookie}', f"é=é; ; =; {cookie}; y"):
        assert guarded.client.get("/", headers={"Cookie": header.encode()}).status_code == 200


def test_who_is_in_may_open_an_old_link(guarded: Guarded) -> None:
    first = guarded.tickets[0]
    guarded.enter()
    assert guarded.client.get(f"/enter/{first}").status_code == 200
    assert len(guarded.tickets) == 2


def test_the_address_with_the_ticket_is_left_at_once(guarded: Guarded) -> None:
    answer = guarded.client.get(f"/enter/{guarded.tickets[0]}")
    assert 'http-equiv="refresh" content="0; url=/"' in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_a_cookie_outlives_the_server_but_not_its_token(backend: Backend, guarded: Guarded) -> None:
    cookie = guarded.enter().partition(";")[0]
    assert Guarded(backend).client.get("/", headers={"Cookie": cookie}).status_code == 200
    other = Guarded(backend, "another token, also long")
    assert other.client.get("/", headers={"Cookie": cookie}).status_code == 401


def test_a_cookie_that_was_altered_or_is_too_old_lets_nobody_in(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, _, value = guarded.enter().partition(";")[0].partition("=")
    guarded.client.cookies.clear()
    issued, nonce, signature = value.split(".")
    wrong = [
        "", ".", "..", "1.2.3", f"{int(issued) + 1}.{nonce}.{signature}", f"{issued}.{nonce}.{signature[:-1]}",
        f"{issued}.{nonce}.", f"{issued}..{signature}", "x" * 5000,
    ]  # fmt: skip
    for one in wrong:
        assert guarded.client.get("/", headers={"Cookie": f"{name}={one}"}).status_code == 401, one
    assert guarded.client.get("/", headers={"Cookie": f"other={value}"}).status_code == 401
    assert guarded.client.get("/", headers={"Cookie": f"{name}={value}"}).status_code == 200
    now = time.time()
    for moment in (now + SECONDS + 1, now - 60):
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        assert guarded.client.get("/", headers={"Cookie": f"{name}={value}"}).status_code == 401


def test_without_tls_the_cookie_has_another_name(backend: Backend) -> None:
    guarded = Guarded(backend, secure=False)
    cookie = guarded.enter()
    assert cookie.startswith("edge-llasm=")
    assert "Secure" not in cookie
    assert guarded.client.get("/").status_code == 200


def test_the_cookie_opens_the_socket_too_but_not_to_other_sites(guarded: Guarded) -> None:
    cookie = {"Cookie": guarded.enter().partition(";")[0]}
    with guarded.client.websocket_connect(SOCKET, headers=cookie) as socket:
        assert "type" in socket.receive_json()
    assert "other sites" in refusal(guarded, {**cookie, "Origin": "https://localhost:9000"})


def refusal(guarded: Guarded, headers: dict[str, str]) -> str:
    """Why a socket was not opened."""
    with (
        pytest.raises(WebSocketDisconnect) as caught,
        guarded.client.websocket_connect(SOCKET, headers=headers),
    ):
        pass
    return str(caught.value.reason)

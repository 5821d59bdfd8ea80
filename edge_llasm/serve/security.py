"""Who is let in: the names that this server answers to, pages of other sites, the token, and how much may be sent."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections.abc import Collection
from contextlib import closing
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge_llasm.serve.api_errors import ApiError
from edge_llasm.serve.door import ENTRANCE, Door
from edge_llasm.serve.limits import Limits

__all__ = ["SOCKET_TOKEN", "Guard"]

SOCKET_TOKEN = "openai-insecure-api-key."
"""Before the token among the subprotocols: a browser cannot give a socket any other header"""
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
NOT_LET_IN = (
    "edge-llasm: this browser is not let in. Open the newest link, or scan the newest QR code, of the terminal.\n"
    "edge-llasm：此浏览器未获准进入。请打开终端里最新的链接，或扫描最新的二维码。\n"
)
REFUSED = 1008
"""A socket's close code: against the rules"""


class Guard:
    """ASGI middleware, before everything else.

    The Host must be an address, localhost or a name of `hosts`: a page whose own name was made to point here (DNS
    rebinding) has another. An Origin must be this server itself, so that no other site's page can ask.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        token: str | None,
        hosts: Collection[str] = (),
        door: Door | None = None,
    ) -> None:
        self._app, self._limits, self._door = app, limits, door
        self._token = None if token is None else token.encode()
        self._held = _Held(limits)
        self._hosts = {host.lower() for host in hosts} | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._check_host(headers)
            self._check_origin(headers, secure=scope["scheme"] in ("https", "wss"))
            if self._door is None or not scope["path"].startswith(ENTRANCE):
                self._check_token(headers)
            if scope["type"] == "http":
                self._check_length(headers)
        except ApiError as error:
            if scope["type"] == "http":
                await _refusal(error, headers)(scope, receive, _with_headers(send))
            else:
                await receive()  # websocket.connect
                await send({"type": "websocket.close", "code": REFUSED, "reason": error.message[:120]})
            return
        if scope["type"] == "http":
            await self._serve(scope, receive, _with_headers(send))
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            async with asyncio.timeout(self._limits.total_seconds):
                with closing(_Body(receive, self._limits, self._held)) as body:
                    await self._app(scope, body, noted)
        except (TimeoutError, ApiError) as error:
            if begun:
                raise  # the connection is cut off: the answer has no end
            if not isinstance(error, ApiError):
                error = ApiError(503, "the answer took too long", kind="server_error", code="timeout")
            await error.response(scope, receive, send)

    def _check_host(self, headers: Headers) -> None:
        name = _host_name(headers.get("host", ""))
        if name not in self._hosts and not _is_address(name):
            raise ApiError(
                421, "this server does not answer to that Host; --allow-host adds one", code="host"
            )

    def _check_origin(self, headers: Headers, secure: bool) -> None:
        origin = headers.get("origin")
        if origin is not None:
            wanted = f"{'https' if secure else 'http'}://{headers.get('host', '')}"
            if origin.lower() != wanted.lower():
                raise ApiError(403, "pages of other sites may not use this server", code="origin")

    def _check_token(self, headers: Headers) -> None:
        if self._token is None or (self._door is not None and self._door.knows(headers.get("cookie", ""))):
            return
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            protocols = (one.strip() for one in headers.get("sec-websocket-protocol", "").split(","))
            given = next((one[len(SOCKET_TOKEN) :] for one in protocols if one.startswith(SOCKET_TOKEN)), "")
        if not hmac.compare_digest(given.strip().encode(), self._token):
            raise ApiError(
                401,
                "the token is missing or wrong: send it as Authorization: Bearer TOKEN",
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _check_length(self, headers: Headers) -> None:
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length[:20]) > self._limits.body_bytes:
            raise _too_large(self._limits)


class _Held:
    """Bytes of all bodies that are held at a time."""

    def __init__(self, limits: Limits) -> None:
        self._most = limits.held_bytes
        self._bytes = 0

    def take(self, n: int) -> None:
        """Raises ApiError where there is no room for `n` more."""
        if self._bytes + n > self._most:
            raise ApiError(
                503,
                "the server holds as much as it can: try again",
                kind="server_error",
                headers={"Retry-After": "1"},
            )
        self._bytes += n

    def give(self, n: int) -> None:
        self._bytes -= n


class _Body:
    """A request's body, cut off when it gets too long or stops coming."""

    def __init__(self, receive: Receive, limits: Limits, held: _Held) -> None:
        self._receive, self._limits, self._held = receive, limits, held
        self._size = 0
        self._more = True

    async def __call__(self) -> Message:
        if not self._more:
            return await self._receive()  # waits for the client to hang up
        try:
            async with asyncio.timeout(self._limits.idle_seconds):
                message = await self._receive()
        except TimeoutError as error:
            raise ApiError(408, "the request stopped coming", code="timeout") from error
        self._more = message.get("more_body", False)
        n = len(message.get("body", b""))
        self._held.take(n)
        self._size += n
        if self._size > self._limits.body_bytes:
            raise _too_large(self._limits)
        return message

    def close(self) -> None:
        """The request is answered."""
        self._held.give(self._size)


def _refusal(error: ApiError, headers: Headers) -> Response:
    """A person with a browser gets to read no JSON."""
    if error.status == 401 and "text/html" in headers.get("accept", ""):
        return PlainTextResponse(NOT_LET_IN, 401)
    return error.response


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


def _host_name(host: str) -> str:
    """Without the port, and without the brackets of an IPv6 address."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _too_large(limits: Limits) -> ApiError:
    return ApiError(413, f"a request may have {limits.body_bytes >> 20} MiB at most", code="too_large")

"""How a browser gets in where a token is demanded: by a link that works once and leaves a cookie.

The cookie says when it was given, signed with a key that is made of the token: it outlives a restart of the server,
and a new token ends it.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from secrets import token_hex, token_urlsafe

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge_llasm.serve.api_errors import ApiError

__all__ = ["ENTRANCE", "Door"]

ENTRANCE = "/enter/"
DAYS = 30
"""That a browser stays in"""
SECONDS = DAYS * 24 * 3600
# The address with the ticket is left at once, and the browser keeps no way back to it. A redirect would be simpler,
# but after a link on another site's page it would come without the cookie.
INSIDE = b"""<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=/">
<title>edge-llasm</title></html>"""


class Door:
    """Tickets and cookies of one server."""

    def __init__(
        self, token: str, *, secure: bool, invite: Callable[[str], None] = lambda ticket: None
    ) -> None:
        """`secure`: the server speaks TLS. `invite` gets each new ticket, as soon as the one before it was used."""
        self._key = hmac.digest(token.encode(), b"edge-llasm cookie", "sha256")
        self._secure, self._invite = secure, invite
        self._name = "__Host-edge-llasm" if secure else "edge-llasm"
        self._ticket = ""

    def open(self) -> None:
        """Make a ticket, in the place of the one before."""
        self._ticket = token_urlsafe(16)
        self._invite(self._ticket)

    @property
    def route(self) -> Route:
        return Route(ENTRANCE + "{ticket}", self._enter)

    def knows(self, cookies: str) -> bool:
        """Whether a Cookie header holds one that was given here and is not too old."""
        pairs = (pair.strip().partition("=") for pair in cookies.split(";"))
        given = next((value for name, _, value in pairs if name == self._name), "")
        body, _, signature = given.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(body).encode()):
            return False
        return 0 <= time.time() - int(body.partition(".")[0]) <= SECONDS

    async def _enter(self, request: Request) -> Response:
        headers = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
        if request.method == "HEAD" or "prefetch" in request.headers.get("sec-purpose", ""):
            return Response(status_code=204, headers=headers)  # looked at, not opened: the ticket stays good
        given = request.path_params["ticket"]
        if hmac.compare_digest(given.encode(), self._ticket.encode()):
            headers["Set-Cookie"] = self._cookie()
            self.open()
        elif not self.knows(request.headers.get("cookie", "")):
            raise ApiError(401, "this link was used already: take the newest one", code="invalid_api_key")
        return Response(INSIDE, headers=headers, media_type="text/html")

    def _cookie(self) -> str:
        body = f"{int(time.time())}.{token_hex(8)}"
        cookie = f"{self._name}={body}.{self._signature(body)}; Path=/; HttpOnly; SameSite=Strict"
        return f"{cookie}; Max-Age={SECONDS}{'; Secure' if self._secure else ''}"

    def _signature(self, body: str) -> str:
        return hmac.digest(self._key, body.encode(), "sha256").hex()

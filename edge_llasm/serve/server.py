"""Runs the application on a socket, until it is told to stop."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, create_server, socket

import uvicorn
from starlette.types import ASGIApp

from edge_llasm.assistant import Assistant
from edge_llasm.bundle import Bundle
from edge_llasm.errors import ServeError
from edge_llasm.serve.app import create_app
from edge_llasm.serve.backend import Backend
from edge_llasm.serve.decoder import Decoder
from edge_llasm.serve.door import ENTRANCE, Door
from edge_llasm.serve.limits import Limits
from edge_llasm.serve.metrics import Metrics
from edge_llasm.serve.protocol import PunctualProtocol

__all__ = ["Place", "configured", "serve"]

SHORTEST_TOKEN = 16
"""Characters, where others can reach the server"""
MESSAGE_BYTES = 16 << 20
"""Of one message on a socket"""
FAREWELL_SECONDS = 3
"""That running requests get when the server stops"""


@dataclass(frozen=True)
class Place:
    """Where a server listens, and who may use it."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0: any that is free"""
    token: str | None = None
    certificate: str | None = None
    """the file of a TLS certificate, in PEM"""
    key: str | None = None
    """the file of its key"""
    hosts: tuple[str, ...] = ()
    """names that it is reached by, beside its addresses and localhost"""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def check(self) -> None:
        """Raises ServeError for a place that is not safe, or whose certificate cannot be used."""
        if (self.certificate is None) != (self.key is None):
            raise ServeError("a certificate needs its key: give --tls-cert and --tls-key")
        if not self.is_loopback:
            if self.token is None or self.certificate is None:
                raise ServeError(
                    f"{self.host} can be reached by others: give --token, --tls-cert and --tls-key, "
                    "or leave --host out"
                )
            if len(self.token) < SHORTEST_TOKEN:
                raise ServeError(
                    f"--token must have at least {SHORTEST_TOKEN} characters where others can try"
                )
        if self.token is not None and not (self.token.isascii() and self.token.isprintable() and self.token):
            raise ServeError("--token must be printable ASCII, as a header carries it")
        if self.certificate is not None:
            try:
                ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                    self.certificate, self.key
                )
            except (OSError, ValueError) as error:
                raise ServeError(
                    f"{self.certificate} and {self.key} are no certificate and its key ({error}): check both"
                ) from error

    def bind(self) -> socket:
        """Raises ServeError."""
        try:
            family = AF_INET6 if ":" in self.host else AF_INET
            return create_server((self.host, self.port), family=family, backlog=128)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ServeError(
                f"{self.host}:{self.port} cannot be listened on ({reason}): give another --port or --host"
            ) from error

    def url(self, port: int) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.certificate else ''}://{name}:{port}"


def configured(app: ASGIApp, limits: Limits, place: Place) -> uvicorn.Config:
    """The web server round the application, within its limits."""
    return uvicorn.Config(
        app,
        loop="asyncio",
        http=PunctualProtocol,
        ws="websockets-sansio",
        ws_max_size=MESSAGE_BYTES,
        ws_per_message_deflate=False,
        log_config=None,
        log_level="critical",  # bugs are logged by the application, and a client's nonsense is none
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=limits.connections,
        timeout_keep_alive=max(1, round(limits.idle_seconds / 6)),
        timeout_graceful_shutdown=FAREWELL_SECONDS,
        h11_max_incomplete_event_size=limits.header_bytes,
        ssl_certfile=place.certificate,
        ssl_keyfile=place.key,
    )


def serve(
    bundle: Bundle,
    load: Callable[[], Assistant],
    place: Place,
    limits: Limits,
    *,
    unload_after_s: float = 0.0,
    aliases: tuple[str, ...] = (),
    listening: Callable[[str], None] = lambda url: None,
    invite: Callable[[str], None] = lambda link: None,
) -> None:
    """Answer requests until a signal ends it; `listening` gets the URL as soon as there is one.

    `unload_after_s` without a question the model is unloaded; 0: never.
    Where a token is demanded, `invite` gets the link by which one browser gets in, and a new one after each.
    Raises ServeError, and what `load` raises.
    """
    place.check()
    sock = place.bind()
    url = place.url(sock.getsockname()[1])
    door = None
    if place.token is not None:
        secure = place.certificate is not None
        door = Door(place.token, secure=secure, invite=lambda ticket: invite(f"{url}{ENTRANCE}{ticket}"))
    metrics = Metrics()

    def failed() -> None:
        server.should_exit = True

    def loaded() -> Assistant:
        assistant = load()
        assistant.llm.shelf.room = limits.cache_bytes
        return assistant

    decoder = Decoder(
        loaded,
        limits.queue,
        unload_after_s=unload_after_s,
        observe_wait=metrics.wait.observe,
        failed=failed,
    )
    backend = Backend.of(bundle, aliases, decoder, limits, metrics)
    app = create_app(backend, token=place.token, hosts=place.hosts, door=door)
    server = uvicorn.Server(configured(app, limits, place))
    listening(url)
    if door is not None:
        door.open()
    with sock:
        server.run(sockets=[sock])
    if decoder.error is not None:
        raise decoder.error

"""What every route works with."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any, NoReturn, Self

import anyio
from starlette.requests import HTTPConnection, Request

from edge_llasm.bundle import Bundle
from edge_llasm.serve.api_errors import bad_request
from edge_llasm.serve.decoder import Decoder
from edge_llasm.serve.limits import Limits
from edge_llasm.serve.metrics import Metrics
from edge_llasm.serve.recordings import Recordings

__all__ = ["Backend", "Seats", "backend_of", "client_of", "json_body"]


class Seats:
    """A number of places; `with` takes one."""

    def __init__(self, number: int) -> None:
        self._free = number

    @property
    def full(self) -> bool:
        return self._free <= 0

    def __enter__(self) -> Self:
        self._free -= 1
        return self

    def __exit__(self, *_: object) -> None:
        self._free += 1


@dataclass(frozen=True)
class Backend:
    """One model and what belongs to it."""

    bundle: Bundle
    names: tuple[str, ...]
    """that clients may call the model by; the first is its own"""
    decoder: Decoder
    recordings: Recordings
    limits: Limits
    metrics: Metrics
    sockets: Seats
    started: int
    """s since 1970"""

    @classmethod
    def of(
        cls, bundle: Bundle, aliases: tuple[str, ...], decoder: Decoder, limits: Limits, metrics: Metrics
    ) -> Backend:
        names = (bundle.name, *aliases)
        return cls(
            bundle,
            names,
            decoder,
            Recordings(limits),
            limits,
            metrics,
            Seats(limits.sockets),
            int(time.time()),
        )


def backend_of(connection: HTTPConnection) -> Backend:
    backend = connection.app.state.backend
    assert isinstance(backend, Backend)
    return backend


def client_of(connection: HTTPConnection, user: str = "") -> str:
    """Whom the queue treats as one: an address, the program there, and the user that it asks for."""
    address = connection.client.host if connection.client else ""
    return "\n".join((address, connection.headers.get("user-agent", ""), user))


async def json_body(request: Request) -> Any:
    """The body as JSON, parsed on another thread: it may be megabytes. Raises ApiError."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise bad_request("the body must be application/json")
    return await anyio.to_thread.run_sync(_parsed, await request.body())


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except RecursionError as error:
        raise bad_request("the body is nested too deep") from error
    except ValueError as error:  # no UTF-8, no JSON, a number of thousands of digits
        raise bad_request(f"the body is not JSON ({error})") from error


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")

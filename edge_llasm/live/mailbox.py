"""Events from one thread to another that waits for them and for keys at once."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue

from edge_llasm.live.events import Event

__all__ = ["Mailbox"]


class Mailbox:
    """A queue that `select` can wait for."""

    def __init__(self) -> None:
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._bell, self._button = socket.socketpair()
        for end in (self._bell, self._button):
            end.setblocking(False)

    def put(self, event: Event) -> None:
        self._events.put(event)
        with suppress(BlockingIOError):  # it has been rung often enough
            self._button.send(b"!")

    def take(self) -> Iterator[Event]:
        """What was put since the last call."""
        with suppress(BlockingIOError):
            while self._bell.recv(1024):
                pass
        with suppress(Empty):
            while True:
                yield self._events.get_nowait()

    def fileno(self) -> int:
        """Readable when there is something to take."""
        return self._bell.fileno()

    def close(self) -> None:
        """Nothing is put any more; closing twice is fine."""
        self._bell.close()
        self._button.close()

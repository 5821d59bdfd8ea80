"""One at a time: who comes second waits, or is told that somebody is there."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from edge_llasm.errors import Busy, EngineError

__all__ = ["Turnstile"]


class Turnstile:
    """A lock for work that a generator does: a thread may leave it half done, and must not wait for itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None  # the thread that is in
        self.closed = False
        """nobody gets in any more"""

    @property
    def mine(self) -> bool:
        """Whether this thread is in."""
        return self._owner == threading.get_ident()

    @contextmanager
    def alone(self, wait: bool, *, closing: bool = False) -> Iterator[None]:
        """Get in. Raises Busy for a thread that is in already, or without `wait`; EngineError when it is closed."""
        if self.mine:
            raise Busy("this thread has an answer half read: read it to its end or close it, then ask again")
        if not self._lock.acquire(blocking=wait):
            raise Busy("another question is being answered: ask again when it is done")
        self._owner = threading.get_ident()
        try:
            if self.closed and not closing:  # another thread may have closed it meanwhile
                raise EngineError("this assistant is closed: load it again")
            yield
        finally:
            self._owner = None
            self._lock.release()

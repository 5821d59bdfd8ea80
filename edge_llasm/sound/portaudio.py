"""sounddevice, which brings PortAudio: imported when a sound card is wanted, and its errors told in one line."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from edge_llasm.errors import SoundError

__all__ = ["close_before_reopening", "opening", "portaudio", "quiet", "reopen"]

_users: WeakSet[Any] = WeakSet()
_opening = threading.RLock()


def portaudio() -> Any:
    """The module. Raises SoundError when it or PortAudio is not installed."""
    try:
        with quiet():  # ALSA and JACK tell a terminal about every card that they do not find
            import sounddevice
    except ImportError as error:
        raise SoundError("sounddevice is not installed: pip install 'edge-llasm[talk]'") from error
    except OSError as error:
        raise SoundError(f"{error}: run edge-llasm doctor, it names what to install") from error
    return sounddevice


def reopen() -> Any:
    """The module with its list of cards made anew: PortAudio looks for them only once, and no stream may be open."""
    library = portaudio()
    with opening():
        for user in list(_users):
            user.close()
        library._terminate()
        library._initialize()
    return library


def close_before_reopening(user: Any) -> None:
    """Have `user.close()` called before the list of cards is made anew."""
    _users.add(user)


@contextmanager
def opening() -> Iterator[None]:
    """One thread at a time opens a stream or looks for cards: PortAudio leaves that to its caller."""
    with _opening, quiet():
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Send what native code writes on standard error to nowhere, until the last of those who want it has left."""
    _nowhere.enter()
    try:
        yield
    finally:
        _nowhere.leave()


class _Nowhere:
    """In the place of standard error; several threads may want it at once."""

    def __init__(self) -> None:
        self._lock, self._inside, self._kept = threading.Lock(), 0, -1

    def enter(self) -> None:
        with self._lock:
            if not self._inside:
                self._kept = os.dup(2)
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, 2)
                os.close(nowhere)
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                os.dup2(self._kept, 2)
                os.close(self._kept)


_nowhere = _Nowhere()

"""sounddevice, which brings PortAudio: imported when a sound card is wanted, and its errors told in one line."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from weakref import WeakSet

from edge_llasm.errors import SoundError

__all__ = ["close_before_reopening", "portaudio", "quiet", "reopen"]

_users: WeakSet[Any] = WeakSet()
_redirected = threading.RLock()


def portaudio() -> Any:
    """The module. Raises SoundError when it or PortAudio is not installed."""
    try:
        with quiet():  # ALSA and JACK tell a terminal about every card that they do not find
            import sounddevice
    except ImportError as error:
        raise SoundError("sounddevice is not installed: pip install 'edge-llasm[talk]'") from error
    except OSError as error:
        raise SoundError(f"{error}: run edge-llasm doctor, it names what to install") from error
    _hush_alsa()
    return sounddevice


def reopen() -> Any:
    """The module with its list of cards made anew: PortAudio looks for them only once, and no stream may be open."""
    library = portaudio()
    for user in list(_users):
        user.close()
    with quiet():
        library._terminate()
        library._initialize()
    return library


@cache
def _hush_alsa() -> None:
    """ALSA tells the terminal of every gap, in the middle of what stands there; the streams count them."""
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(_unheard)
    except (OSError, AttributeError):
        return  # PortAudio has its own, or none


@ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p)
def _unheard(*_: object) -> None:
    """In place of ALSA's handler of errors; what follows its format is not looked at."""


def close_before_reopening(user: Any) -> None:
    """Have `user.close()` called before the list of cards is made anew."""
    _users.add(user)


@contextmanager
def quiet() -> Iterator[None]:
    """Send what native code writes on standard error to nowhere."""
    with _redirected:  # two threads at once would take each other's nowhere for standard error
        kept = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(nowhere)
            os.close(kept)

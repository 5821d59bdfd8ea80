"""sounddevice, which brings PortAudio: imported when a sound card is wanted, and its errors told in one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edge_llasm.errors import SoundError

__all__ = ["portaudio", "quiet", "reopen"]


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
    """The module with its list of cards made anew: PortAudio looks for them only once. No stream may be open."""
    library = portaudio()
    with quiet():
        library._terminate()
        library._initialize()
    return library


@contextmanager
def quiet() -> Iterator[None]:
    """Send what native code writes on standard error to nowhere."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)

"""The end of the process, without a traceback from the interpreter's own clean-up."""

import contextlib
import os
import signal
import sys
from typing import NoReturn

from edge_llasm.cli.background import still_working


def leave(status: int) -> NoReturn:
    """Exit at once. A second Ctrl-C changes nothing."""
    with contextlib.suppress(ValueError):  # not the main thread: nothing to ignore
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            _point_at_nothing(stream)
    if still_working():
        os._exit(
            status
        )  # native code would crash, or hold the exit up, if the interpreter were taken from it
    sys.exit(status)


def _point_at_nothing(stream: object) -> None:
    """So that the interpreter's last flush, of text that nobody will read, succeeds."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())  # type: ignore[attr-defined]
        os.close(nothing)

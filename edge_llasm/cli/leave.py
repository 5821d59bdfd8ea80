"""The end of the process, without a traceback from the interpreter's own clean-up, and without waiting for it."""

import atexit
import contextlib
import os
import signal
import sys
from typing import NoReturn

from edge_llasm.cli.background import still_working


def leave(status: int) -> NoReturn:
    """Exit at once. A second Ctrl-C changes nothing.

    What a command opened is closed by now. The interpreter would still take its modules apart, one by one, and native
    libraries theirs: a quarter of the time that a short question takes, for memory that the system frees anyway.
    """
    with contextlib.suppress(ValueError):  # not the main thread: nothing to ignore
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not still_working():  # whose native code holds on to what is registered
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it
            if stream is not None:
                stream.flush()
    os._exit(status)

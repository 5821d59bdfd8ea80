"""Standard output for the answer, standard error for everything else."""

import errno
import os
import shutil
import sys
from collections.abc import Callable
from time import monotonic

import click

__all__ = ["Progress", "ReaderGone", "Status", "on_a_terminal", "say", "tell"]

SHOW_AFTER = 1.0
"""Seconds of loading after which the progress line appears"""

_CLOSED = (errno.EPIPE, errno.EINVAL) if os.name == "nt" else (errno.EPIPE,)


class ReaderGone(Exception):
    """Nobody reads standard output any more (`edge-llasm … | head -1`): no error, no reason to go on."""


def say(text: str) -> None:
    """Write to standard output at once. Raises ReaderGone, ClickException when it cannot be written."""
    if sys.stdout is None:
        raise ReaderGone
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "ascii"
        say(text.encode(encoding, "replace").decode(encoding))  # a terminal without these characters shows ?
    except OSError as error:
        if error.errno in _CLOSED:
            raise ReaderGone from None
        raise click.ClickException(
            f"the answer cannot be written ({error.strerror}): write it elsewhere"
        ) from error


def tell(message: str) -> None:
    """One line on standard error, `edge-llasm: …`."""
    if sys.stderr is None:
        return
    try:
        click.echo(f"edge-llasm: {' '.join(message.split())}", err=True)
    except OSError:
        return  # nobody reads it, and there is no other place to say so


def on_a_terminal() -> bool:
    """Whether somebody watches standard error."""
    return sys.stderr is not None and sys.stderr.isatty()


class Progress:
    """A line on a terminal while a model takes more than a second to load.

    `report` may be called from any thread, `show` and `clear` from the one that prints.
    """

    def __init__(self, name: str, clock: Callable[[], float] = monotonic) -> None:
        self._name = name
        self._clock = clock
        self._start = clock()
        self._share = 0.0
        self._shown = False
        self._over = False

    def report(self, share: float) -> None:
        """How much is loaded, 0 to 1."""
        self._share = share

    def show(self) -> None:
        if self._over or not on_a_terminal() or self._clock() - self._start < SHOW_AFTER:
            return
        self._shown = True
        self._write(f"\r\x1b[Kloading {self._name} … {self._share:4.0%}")

    def clear(self) -> None:
        """Loading is over; the line disappears."""
        self._over = True
        if self._shown:
            self._shown = False
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


class Status:
    """A line on a terminal that says what is being done now; nothing where nobody looks."""

    def show(self, text: str) -> None:
        """In the place of what it said before."""
        if on_a_terminal():
            width = shutil.get_terminal_size().columns
            sys.stderr.write(f"\r\x1b[K{text[: width - 1]}")
            sys.stderr.flush()

    def clear(self) -> None:
        """The line disappears."""
        self.show("")

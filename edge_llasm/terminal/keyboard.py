"""The terminal in raw mode, and as it was before when that is over, however it ends."""

from __future__ import annotations

import os
import select
import sys
import termios
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self

from edge_llasm.terminal.keys import Key, KeyParser

if TYPE_CHECKING:
    from _typeshed import HasFileno

__all__ = ["Keyboard"]

REPORT = 1 | 2 | 8 | 16
"""kitty's flags: unambiguous codes, event types, all keys, with the text they write"""
ASK, PUSH, POP = "\x1b[?u\x1b[c", f"\x1b[>{REPORT}u", "\x1b[<u"
"""What can it do? (Every terminal answers the second question, so nobody waits for the first in vain.)"""
PASTE_ON, PASTE_OFF = "\x1b[?2004h", "\x1b[?2004l"
ANSWER_S = 0.5
"""For the answer, over a slow line"""
ESCAPE_S = 0.03
"""After an escape, what belongs to it has come"""


class Keyboard:
    """Keys of a terminal, one by one and not echoed. A context manager: outside it the terminal is as it was."""

    def __init__(self, source: int | None = None, sink: int | None = None) -> None:
        """File descriptors of a terminal; standard input and output if not given."""
        self._source = sys.stdin.fileno() if source is None else source
        self._sink = sys.stdout.fileno() if sink is None else sink
        self._parser = KeyParser()
        self._early: list[Key] = []
        self.tells_release = False
        """whether keys that go up are reported, by the kitty protocol"""

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._source)
        self._take_keys()
        try:
            self.tells_release = self._ask()
            self._write(PASTE_ON + (PUSH if self.tells_release else ""))
        except BaseException:
            termios.tcsetattr(self._source, termios.TCSANOW, self._before)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._write((POP if self.tells_release else "") + PASTE_OFF)
        except OSError:
            pass  # the terminal is gone
        try:
            termios.tcsetattr(self._source, termios.TCSAFLUSH, self._before)
        except termios.error:
            pass

    def read(self, seconds: float, other: HasFileno | None = None) -> list[Key]:
        """The next keys; an empty list when none came in time, or `other` is readable sooner.

        Raises EOFError when the terminal is gone.
        """
        if self._early:
            keys, self._early = self._early, []
            return keys
        if not self._ready(seconds, other):
            return []
        keys = self._parser.feed(self._bytes())
        if not keys and not self._ready(ESCAPE_S):
            keys = self._parser.flush()
        return keys

    def _take_keys(self) -> None:
        """No echo, no lines, no signals; output stays as it was, so that a new line still begins at the left."""
        mode = termios.tcgetattr(self._source)
        mode[0] &= ~(termios.IXON | termios.ICRNL | termios.INLCR | termios.BRKINT | termios.ISTRIP)
        mode[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG | termios.IEXTEN)
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._source, termios.TCSANOW, mode)

    def _ask(self) -> bool:
        self._write(ASK)
        answer, end = b"", monotonic() + ANSWER_S
        while b"c" not in answer and (left := end - monotonic()) > 0:
            if self._ready(left):
                answer += self._bytes()
        self._early = self._parser.feed(answer)  # what somebody typed meanwhile
        return b"\x1b[?" in answer.partition(b"u")[0] and b"u" in answer

    def _ready(self, seconds: float, other: HasFileno | None = None) -> bool:
        ends = [self._source] if other is None else [self._source, other]
        return self._source in select.select(ends, [], [], seconds)[0]

    def _bytes(self) -> bytes:
        try:
            data = os.read(self._source, 4096)
        except OSError:
            data = b""
        if not data:
            raise EOFError
        return data

    def _write(self, text: str) -> None:
        os.write(self._sink, text.encode())

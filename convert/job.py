"""A conversion while it runs: how far it is, and what took how long."""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Literal

from convert.workplace import Workplace
from edge_llasm.cli.output import on_a_terminal

Kind = Literal["reading and writing", "quantizing"]
SHOW_AFTER = 2.0
"""Seconds of work before anything is shown, and before the time left is guessed"""


class Job:
    """Told by the thread that converts, shown by the one that waits."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._seconds: dict[str, float] = {}
        self._sizes: dict[str, int] = {}
        self._done = 0
        self._current: tuple[str, Path] | None = None
        self._shown = False
        self.cancel = threading.Event()
        """Set when nobody wants the rest; it ends before its next step."""
        self.place: Workplace | None = None
        """Where it works, to be left tidy after an interruption."""

    def plan(self, sizes: Mapping[str, int]) -> None:
        """The steps to come, and about how many bytes each of them writes."""
        self._sizes = dict(sizes)

    @contextmanager
    def step(self, name: str, kind: Kind, draft: Path) -> Iterator[None]:
        """Do one of them, which writes ``draft``. Raises KeyboardInterrupt when the job is cancelled."""
        if self.cancel.is_set():
            raise KeyboardInterrupt
        start, self._current = self._clock(), (name, draft)
        try:
            yield
        finally:
            self._current = None
            self._seconds[kind] = self._seconds.get(kind, 0.0) + self._clock() - start
            self._done += self._sizes.get(name, 0)

    def show(self) -> None:
        """Draw the progress line, where somebody watches."""
        if on_a_terminal() and self._clock() - self._start >= SHOW_AFTER and (line := self.line()):
            self._shown = True
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the progress line away."""
        if self._shown:
            self._shown = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def line(self) -> str:
        """ "llm.gguf, 42 % of all, about 3 min left", or nothing between two steps."""
        current = self._current
        if current is None:
            return ""
        name, draft = current
        try:
            written = draft.stat().st_size
        except OSError:  # not begun, or already renamed
            written = 0
        done, total = self._done + min(written, self._sizes.get(name, 0)), sum(self._sizes.values())
        share = done / total if total else 0.0
        elapsed = self._clock() - self._start
        left = f", about {duration(elapsed * (1 - share) / share)} left" if share > 0.02 else ""
        return f"{name.lstrip('.')}, {share:.0%} of all{left}"

    def summary(self) -> str:
        """ "12.0 s: reading and writing 8.1 s, quantizing 3.0 s, other 0.9 s"."""
        total = self._clock() - self._start
        parts = {**self._seconds, "other": total - sum(self._seconds.values())}
        return f"{total:.1f} s: " + ", ".join(f"{kind} {seconds:.1f} s" for kind, seconds in parts.items())


def duration(seconds: float) -> str:
    """ "40 s", "3 min", "1 h 5 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"

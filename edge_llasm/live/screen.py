"""The chat on a terminal: what is over scrolls away above, a few lines at the bottom live."""

from __future__ import annotations

import base64
import math
from types import TracebackType
from typing import Self

from rich.cells import cell_len, chop_cells
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

__all__ = ["Screen"]

BARS = " ▁▂▃▄▅▆▇█"
FLOOR_DB, TOP_DB = -60.0, -10.0
"""Of the level meter"""
METER = 12
"""Bars"""


class Screen:
    """Redraws its few live lines and nothing above them. A context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._row = ""  # the answer's row that is not full yet
        self._levels = [FLOOR_DB] * METER
        self._live = Live(console=console, auto_refresh=False, transient=True, redirect_stderr=False)
        self._shown: tuple[str, ...] | None = None

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_answer()
        self._live.update(Text(""), refresh=True)
        self._live.stop()

    def say(self, text: str, style: str = "") -> None:
        """Lines that stay."""
        self._console.print(Text(text, style=style), soft_wrap=False)

    def write(self, text: str) -> None:
        """The answer goes on: full rows stay, the last one lives on."""
        *full, self._row = (self._row + text).split("\n")
        rows = [row for line in full for row in self._wrapped(line) or [""]]
        *more, self._row = self._wrapped(self._row) or [""]
        for row in rows + more:
            self.say(row)

    def end_answer(self) -> None:
        if self._row:
            self.say(self._row)
        self._row = ""

    def ring(self) -> None:
        """The terminal's bell."""
        self._console.bell()

    def copy(self, text: str) -> None:
        """Into the clipboard, by the terminal itself (OSC 52): also over ssh."""
        # Past rich, which would break the line where the window ends.
        self._console.file.write(f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\x07")
        self._console.file.flush()

    def show(self, status: str, typed: str, corner: str, level: float | None) -> None:
        """The live lines; nothing is written when nothing changed."""
        meter = "" if level is None else self._meter(level)
        shown = (self._row, status, typed, corner, meter, str(self._console.width))
        if shown == self._shown:
            return
        self._shown = shown
        below = Text.assemble((status, "bold"), "  ", (meter, "green"))
        space = self._console.width - cell_len(below.plain) - cell_len(corner) - 1
        if space > 0:
            below.append(" " * space).append(corner, "dim")
        lines: list[RenderableType] = [Text(self._row)] if self._row else []
        lines += [Text.assemble(("> ", "cyan"), typed[-self._console.width + 6 :], ("▏", "cyan")), below]
        self._live.update(Group(*lines), refresh=True)

    def _wrapped(self, line: str) -> list[str]:
        return chop_cells(line, max(2, self._console.width - 1)) if line else []

    def _meter(self, level: float) -> str:
        self._levels = [*self._levels[1:], 20 * math.log10(max(level, 1e-6))]
        shares = ((db - FLOOR_DB) / (TOP_DB - FLOOR_DB) for db in self._levels)
        return "".join(BARS[round(min(1.0, max(0.0, share)) * (len(BARS) - 1))] for share in shares)

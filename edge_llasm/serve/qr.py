"""A QR code of a link, in characters of a terminal."""

from __future__ import annotations

from io import StringIO

import segno

__all__ = ["drawn"]

WHITE_ON_BLACK, RESET = "\x1b[38;5;231;48;5;16m", "\x1b[0m"
"""Whatever the terminal's own colours are: not every camera reads a code that is inverted"""


def drawn(link: str) -> str:
    """Lines of half blocks, each of two modules on top of each other."""
    lines = StringIO()
    segno.make(link, error="l", micro=False).terminal(lines, border=2, compact=True)
    return "\n".join(f"{WHITE_ON_BLACK}{line}{RESET}" for line in lines.getvalue().splitlines())

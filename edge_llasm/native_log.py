"""What native libraries write: kept for error messages, shown only to who asks."""

from __future__ import annotations

import sys
from collections import deque

__all__ = ["INFO", "WARNING", "NativeLog"]

INFO, WARNING, ERROR = 2, 3, 4
"""ggml_log_level, from ggml.h: 1 debug, 2 info, 3 warning, 4 error, 5 continues the line before"""
KEPT = 8
"""complaints"""


class NativeLog:
    """One library's log: its newest complaints, and every line on standard error when `verbose`."""

    def __init__(self, worst_ignored: int) -> None:
        """Lines of a level above `worst_ignored` are complaints."""
        self.verbose = False
        self._worst_ignored = worst_ignored
        self._complaints: deque[str] = deque(maxlen=KEPT)

    def take(self, level: int, text: bytes | None, _: object) -> None:
        """ggml_log_callback."""
        line = (text or b"").decode("utf-8", "replace")
        if self.verbose:
            sys.stderr.write(line)
        if self._worst_ignored < level <= ERROR and line.strip():
            self._complaints.append(line.strip())

    def clear(self) -> None:
        """Forget the complaints so far."""
        self._complaints.clear()

    def last_error(self) -> str:
        """The newest complaints as one line."""
        return "; ".join(self._complaints) or "it gave no reason; try --verbose"

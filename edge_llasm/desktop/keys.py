"""A key that is heard from any application: what every desktop's way of hearing it has in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

__all__ = ["Keys", "Move"]


@dataclass(frozen=True)
class Move:
    """One of the two keys went down or up."""

    key: Literal["talk", "cancel"]
    down: bool
    at: float = field(default=0.0, compare=False)
    """s, when that was, by the keyboard's own clock: a busy machine tells it later"""


class Keys(Protocol):
    """Hears the key to talk, and the key to cancel while that is wanted."""

    def fileno(self) -> int:
        """Readable when a key has moved."""

    def read(self) -> list[Move]:
        """What happened since the last call, auto-repeat left out. Raises DesktopError when no more can be heard."""

    def want_cancel(self, wanted: bool) -> None:
        """Whether there is something to cancel: otherwise that key is everybody's."""

    def close(self) -> None:
        """Hear no more."""

"""The focused window: what every desktop's way of writing into it has in common."""

from __future__ import annotations

import threading
from typing import Protocol

from edge_llasm.desktop.shortcut import Shortcut

__all__ = ["Window"]


class Window(Protocol):
    """Whatever has the focus at the moment. Used by one thread at a time; every method raises DesktopError."""

    def wait(self, cancel: threading.Event) -> bool:
        """Until no key is held down, which would change what arrives; False: `cancel` was set before."""

    def type(self, text: str, cancel: threading.Event) -> bool:
        """Type a text key by key; False, and nothing has happened: this keyboard cannot write it."""

    def paste(self, text: str, shortcut: Shortcut) -> None:
        """Paste a text by the key for it; afterwards the clipboard is as it was before."""

    def press(self, shortcut: Shortcut) -> None:
        """Press one key."""

    def copy(self, text: str) -> None:
        """Put a text into the clipboard, to stay."""

    def close(self) -> None:
        """Leave the desktop as it was."""

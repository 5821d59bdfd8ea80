"""The clipboard of macOS, by copykitten: who fetches from it is not told there."""

from __future__ import annotations

from collections.abc import Callable
from time import sleep
from typing import Any

from edge_llasm.errors import DesktopError

__all__ = ["Clipboard"]

FETCHED_S = 0.7
"""In which a window is taken to have fetched what was pasted"""


class Clipboard:
    """Text, pictures and lists of files."""

    def __init__(self) -> None:
        """Raises DesktopError without copykitten."""
        try:
            import copykitten
        except ImportError as error:
            raise DesktopError("copykitten is not installed: pip install 'edge-llasm[hotkey]'") from error
        self._library: Any = copykitten

    def put(self, text: str) -> None:
        """A text, to stay. Raises DesktopError."""
        try:
            self._library.copy(text)
        except self._library.CopykittenError as error:
            raise DesktopError(f"the clipboard cannot be written ({error}): take --to type") from error

    def paste(self, text: str, press: Callable[[], None]) -> None:
        """Have a text in the clipboard while `press` makes a window fetch it; then the old contents are back.

        Not if somebody has copied something else meanwhile. Raises DesktopError.
        """
        give_back = self._kept()
        self.put(text)
        press()
        sleep(FETCHED_S)
        if self._read(self._library.paste) == text:
            give_back()

    def _kept(self) -> Callable[[], None]:
        """Puts back what is there now."""
        library = self._library
        if (text := self._read(library.paste)) is not None:
            return lambda: self.put(text)
        if paths := self._read(library.paste_paths):
            return lambda: library.copy_paths(*paths)
        if (picture := self._read(library.paste_image)) is not None:
            return lambda: library.copy_image(*picture)
        return lambda: library.clear()

    def _read(self, paste: Callable[[], Any]) -> Any:
        try:
            return paste()
        except self._library.CopykittenError:
            return None  # there is nothing of this kind

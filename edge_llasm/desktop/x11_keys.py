"""The key to talk, taken from all windows of an X server: none of them sees it."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from Xlib import X
from Xlib.error import BadAccess, CatchError

from edge_llasm.desktop.keys import Move
from edge_llasm.desktop.shortcut import Shortcut
from edge_llasm.desktop.x11 import X11Keyboard, opened, told
from edge_llasm.errors import DesktopError

__all__ = ["X11Keys"]

LOCKS = 0, X.LockMask, X.Mod2Mask, X.LockMask | X.Mod2Mask
"""Caps lock and num lock change nothing"""


class X11Keys:
    """Hears two keys wherever the focus is; the second one only while it is wanted."""

    def __init__(self, talk: Shortcut, cancel: Shortcut) -> None:
        """Take the first key. Raises DesktopError for keys that are not there or belong to another program."""
        self._display = opened()
        try:
            keyboard = X11Keyboard(self._display)
            self._talk, self._cancel = keyboard.shortcut(talk), keyboard.shortcut(cancel)
            self._root = self._display.screen().root
            self._down, self._cancels = False, False
            if not self._grab(*self._talk):
                raise DesktopError(f"{talk} belongs to another program already: take another one with --key")
        except BaseException:
            self._display.close()
            raise

    def fileno(self) -> int:
        return int(self._display.fileno())

    def read(self) -> list[Move]:
        """What happened since the last call; auto-repeat is left out. Raises DesktopError when the server is gone."""
        with told():
            events = [self._display.next_event() for _ in range(self._display.pending_events())]
            events = [event for event in events if event.type in (X.KeyPress, X.KeyRelease)]
            moves = [self._move(event, after) for event, after in zip_longest(events, events[1:])]
        return [move for move in moves if move is not None]

    def want_cancel(self, wanted: bool) -> None:
        """Take the second key, or give it back; another program may keep it."""
        if wanted == self._cancels:
            return
        self._cancels = wanted
        with told():
            if wanted:
                self._grab(*self._cancel)
            else:
                self._give_back(*self._cancel)

    def close(self) -> None:
        """Give the keys back."""
        self._display.close()

    def _move(self, event: Any, after: Any) -> Move | None:
        down = event.type == X.KeyPress
        if event.detail == self._cancel[0] and self._cancels and down:
            return Move("cancel", True, event.time / 1000)
        if event.detail != self._talk[0] or down == self._down or (not down and self._repeats(event, after)):
            return None
        self._down = down
        return Move("talk", down, event.time / 1000)

    def _repeats(self, release: Any, after: Any) -> bool:
        """A key that repeats goes up and down at once, and for the server it never went up."""
        if after is not None:
            return bool(after.detail == release.detail and after.time == release.time)
        return bool(self._display.query_keymap()[release.detail // 8] >> release.detail % 8 & 1)

    def _grab(self, keycode: int, mask: int) -> bool:
        taken = CatchError(BadAccess)
        for lock in LOCKS:
            self._root.grab_key(keycode, mask | lock, False, X.GrabModeAsync, X.GrabModeAsync, onerror=taken)
        self._display.sync()
        return taken.get_error() is None

    def _give_back(self, keycode: int, mask: int) -> None:
        for lock in LOCKS:
            self._root.ungrab_key(keycode, mask | lock)
        self._display.flush()

"""Text for the focused window of an X server, by the XTEST extension: every program takes it for a real keyboard's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from time import monotonic

from Xlib import X
from Xlib.ext import xtest

from edge_llasm.desktop.shortcut import Shortcut
from edge_llasm.desktop.x11 import GROUP_SHIFT, MASKS, X11Keyboard, keysym, opened, told
from edge_llasm.desktop.x11_clipboard import X11Clipboard
from edge_llasm.errors import DesktopError

__all__ = ["X11Window"]

AT_ONCE = 32
"""Characters between two looks at what else happens"""
LOOK_S = 0.01
HELD_S = 10.0
"""A key that is held for longer is stuck"""


class X11Window:
    """The focused window. Characters that no key has are lent to keys that have nothing."""

    def __init__(self) -> None:
        self._display = opened()
        try:
            self._clipboard = X11Clipboard()
        except BaseException:
            self._display.close()
            raise
        self._lent: list[int] = []  # keycodes
        if not self._display.has_extension("XTEST"):
            self.close()
            raise DesktopError(
                "this X server has no XTEST extension, nothing can be typed: take --to clipboard"
            )

    def wait(self, cancel: threading.Event) -> bool:
        """Until no key is held down, which would change what arrives; False: `cancel` was set before."""
        end = monotonic() + HELD_S
        with told():
            while self._display.pending_events():
                self._display.next_event()  # nothing but notes that the keyboard has changed
            while any(self._display.query_keymap()):
                if monotonic() > end:
                    raise DesktopError("a key is held down all the time, nothing can be typed: let it go")
                if cancel.wait(LOOK_S):
                    return False
        return not cancel.is_set()

    def type(self, text: str, cancel: threading.Event) -> bool:
        """Type a text key by key; False, and nothing has happened: this keyboard has too few free keys for it."""
        with told():
            state = self._display.screen().root.query_pointer().mask
            ways = self._ways(set(text), state >> GROUP_SHIFT & 3)
            if ways is None:
                return False
            caps = bool(state & X.LockMask)
            if caps:
                self.press(Shortcut("caps_lock"))
            for start in range(0, len(text), AT_ONCE):
                if not self.wait(cancel):
                    break
                for character in text[start : start + AT_ONCE]:
                    self._strike(*ways[character])
                self._display.sync()
            if caps:
                self.press(Shortcut("caps_lock"))
        return True

    def paste(self, text: str, shortcut: Shortcut) -> None:
        """Paste a text by the key for it; the old clipboard comes back once the window has fetched it."""
        self._clipboard.paste(text, lambda: self.press(shortcut))

    def press(self, shortcut: Shortcut) -> None:
        """Press one key."""
        with told():
            keycode, mask = X11Keyboard(self._display).shortcut(shortcut)
            self._strike(keycode, mask)
            self._display.sync()

    def copy(self, text: str) -> None:
        """Put a text into the clipboard, for as long as this program runs."""
        self._clipboard.put(text)

    def close(self) -> None:
        """Take back what was lent."""
        with told():
            for keycode in self._lent:
                self._display.change_keyboard_mapping(keycode, [[X.NoSymbol]])
            self._display.sync()
        self._display.close()
        self._clipboard.close()

    def _ways(self, characters: set[str], group: int) -> dict[str, tuple[int, int]] | None:
        """character -> (keycode, mask of modifiers); None: too many of them are foreign to this keyboard.

        All that a text needs is lent before its first key: a window that is slow to read its keys then still finds
        the keyboard that they were typed on.
        """
        keyboard = X11Keyboard(self._display)
        found = {one: keyboard.find(keysym(one), group) for one in characters}
        foreign = sorted(one for one, way in found.items() if way is None)
        needed = {way[0] for way in found.values() if way is not None}
        free = [*keyboard.free(), *(keycode for keycode in self._lent if keycode not in needed)]
        if len(foreign) > 2 * len(free):
            return None
        lent = list(_pairs(foreign))
        for keycode, pair in zip(free, lent, strict=False):
            self._display.change_keyboard_mapping(keycode, [[keysym(one) for one in pair]])
            found |= {one: (keycode, bool(level)) for level, one in enumerate(pair)}
        self._lent = sorted({*self._lent, *free[: len(lent)]})
        self._display.sync()
        return {one: (way[0], X.ShiftMask * way[1]) for one, way in found.items() if way is not None}

    def _strike(self, keycode: int, mask: int) -> None:
        held = [keysym(modifier) for modifier in MASKS if mask & MASKS[modifier]]
        for symbol in held:
            xtest.fake_input(self._display, X.KeyPress, self._display.keysym_to_keycode(symbol))
        xtest.fake_input(self._display, X.KeyPress, keycode)
        xtest.fake_input(self._display, X.KeyRelease, keycode)
        for symbol in reversed(held):
            xtest.fake_input(self._display, X.KeyRelease, self._display.keysym_to_keycode(symbol))


def _pairs(characters: list[str]) -> Iterator[list[str]]:
    """One key writes two, with shift and without."""
    for start in range(0, len(characters), 2):
        yield characters[start : start + 2]

"""A connection to an X server, and the keys of its keyboard. The x11 modules need python-xlib; this one says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edge_llasm.desktop.shortcut import Shortcut
from edge_llasm.errors import DesktopError

try:
    from Xlib import XK, X
    from Xlib.display import Display
    from Xlib.error import ConnectionClosedError, DisplayError
except ImportError as missing:
    raise DesktopError(f"{missing.name} is not installed: pip install 'edge-llasm[hotkey]'") from missing

__all__ = ["MASKS", "X11Keyboard", "keysym", "opened", "told"]

MASKS = {"ctrl": X.ControlMask, "alt": X.Mod1Mask, "shift": X.ShiftMask, "super": X.Mod4Mask}
NAMED = {
    "esc": "Escape", "space": "space", "tab": "Tab", "enter": "Return", "backspace": "BackSpace", "insert": "Insert",
    "delete": "Delete", "home": "Home", "end": "End", "page_up": "Prior", "page_down": "Next", "left": "Left",
    "right": "Right", "up": "Up", "down": "Down", "pause": "Pause", "scroll_lock": "Scroll_Lock",
    "print_screen": "Print", "menu": "Menu", "ctrl": "Control_L", "alt": "Alt_L", "shift": "Shift_L",
    "super": "Super_L", "caps_lock": "Caps_Lock",
}  # fmt: skip
UNICODE = 0x0100_0000
"""Keysyms of characters that have none of their own begin here"""
GROUP_SHIFT = 13
"""In a state mask, two bits for the layout that is switched on"""


def opened() -> Any:
    """A connection to $DISPLAY. Raises DesktopError."""
    try:
        return Display()
    except (DisplayError, OSError) as error:
        raise DesktopError(
            f"the X server cannot be reached ({error}): check DISPLAY and XAUTHORITY"
        ) from error


@contextmanager
def told() -> Iterator[None]:
    """Translate the end of the connection."""
    try:
        yield
    except ConnectionClosedError as error:
        raise DesktopError(f"the X server has gone away ({error}): start again where it runs") from error


def keysym(key: str) -> int:
    """The X server's number for a character, or for a key by its name in `shortcut.py`."""
    if len(key) > 1:
        return int(XK.string_to_keysym(NAMED.get(key, key.upper())))
    if key in "\n\t":
        return int(XK.XK_Return if key == "\n" else XK.XK_Tab)
    code = ord(key)
    return code if 0x20 <= code < 0x7F or 0xA0 <= code <= 0xFF else UNICODE + code


class X11Keyboard:
    """Which key writes what, as the server has it now."""

    def __init__(self, display: Any) -> None:
        info = display.display.info
        self.first: int = info.min_keycode
        self.rows: list[list[int]] = [
            list(row) for row in display.get_keyboard_mapping(self.first, info.max_keycode - self.first + 1)
        ]

    def find(self, symbol: int, group: int = 0) -> tuple[int, bool] | None:
        """The (keycode, with shift?) that gives a symbol in a layout; None: no key does."""
        for shifted in (False, True):
            for number, row in enumerate(self.rows):
                if row[2 * group + shifted : 2 * group + shifted + 1] == [symbol]:
                    return self.first + number, shifted
        return None

    def free(self) -> list[int]:
        """The keycodes that give nothing."""
        return [self.first + number for number, row in enumerate(self.rows) if not any(row)]

    def shortcut(self, wanted: Shortcut) -> tuple[int, int]:
        """Its (keycode, mask of modifiers). Raises DesktopError where this keyboard has no such key."""
        found = self.find(keysym(wanted.key))
        if found is None:
            raise DesktopError(f"this keyboard has no key {wanted.key}: take another one")
        keycode, shifted = found
        mask = sum(MASKS[modifier] for modifier in wanted.modifiers)
        return keycode, mask | (X.ShiftMask if shifted else 0)
